//! The bytes of JSON that carry its structure, found many at a time: with vector instructions in the
//! component, and with ordinary code on targets that have none. The tests here run the ordinary code; the
//! vector code is tested through the host crate.

/// How many bytes a vector holds.
pub(super) const LANES: usize = 16;

/// How many bytes lie before the first quote, backslash or control character: the part of a string that
/// needs no decoding.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks::<LANES>();
    for (index, block) in blocks.iter().enumerate() {
        let plain = plain_in_block(block);
        if plain < LANES {
            return index * LANES + plain;
        }
    }
    let special = tail.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
    blocks.len() * LANES + special.unwrap_or(tail.len())
}

/// How many bytes of a block lie before the first quote, backslash or control character.
#[cfg(target_feature = "simd128")]
pub(super) fn plain_in_block(block: &[u8; LANES]) -> usize {
    use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128_or};

    let block = vector(block);
    let special = v128_or(
        v128_or(u8x16_eq(block, u8x16_splat(b'"')), u8x16_eq(block, u8x16_splat(b'\\'))),
        u8x16_lt(block, u8x16_splat(0x20)),
    );
    (u32::from(i8x16_bitmask(special)) | 1 << LANES).trailing_zeros() as usize
}

#[cfg(target_feature = "simd128")]
fn vector(block: &[u8; LANES]) -> core::arch::wasm32::v128 {
    let [low, high] = halves(block);
    core::arch::wasm32::u64x2(low, high)
}

/// How many bytes of a block lie before the first quote, backslash or control character. Without vectors, it
/// is searched word by word.
#[cfg(not(target_feature = "simd128"))]
pub(super) fn plain_in_block(block: &[u8; LANES]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let [low, high] = halves(block).map(|word| {
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // A borrow runs upwards only, so the lowest mark is exact, and it is the only one that counts.
        let marks = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        (marks & HIGH).trailing_zeros() as usize / 8
    });
    if low < 8 { low } else { 8 + high }
}

fn halves(block: &[u8; LANES]) -> [u64; 2] {
    let whole = u128::from_le_bytes(*block);
    [whole as u64, (whole >> 64) as u64]
}

/// How many bytes of a value are skipped at once: one bit of a word for each byte.
pub(super) const BLOCK: usize = 64;

/// Where a block holds the bytes that carry its structure; the lowest bit stands for the first byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) brackets: u64,
    pub(super) controls: u64,
}

impl Marks {
    #[cfg(target_feature = "simd128")]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128_or};

        let mut marks = Self { quotes: 0, backslashes: 0, brackets: 0, controls: 0 };
        let (lanes, _) = block.as_chunks::<LANES>();
        for (index, lanes) in lanes.iter().enumerate() {
            let bytes = vector(lanes);
            // `[` and `{` differ in one bit, and so do `]` and `}`.
            let folded = v128_or(bytes, u8x16_splat(0x20));
            let brackets = v128_or(u8x16_eq(folded, u8x16_splat(b'{')), u8x16_eq(folded, u8x16_splat(b'}')));
            let place = |lanes| u64::from(i8x16_bitmask(lanes)) << (index * LANES);
            marks.quotes |= place(u8x16_eq(bytes, u8x16_splat(b'"')));
            marks.backslashes |= place(u8x16_eq(bytes, u8x16_splat(b'\\')));
            marks.brackets |= place(brackets);
            marks.controls |= place(u8x16_lt(bytes, u8x16_splat(0x20)));
        }
        marks
    }

    #[cfg(not(target_feature = "simd128"))]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self { quotes: 0, backslashes: 0, brackets: 0, controls: 0 };
        for (index, byte) in block.iter().enumerate() {
            let place = 1 << index;
            match byte {
                b'"' => marks.quotes |= place,
                b'\\' => marks.backslashes |= place,
                b'[' | b']' | b'{' | b'}' => marks.brackets |= place,
                0..0x20 => marks.controls |= place,
                _ => {}
            }
        }
        marks
    }
}

/// Which bytes of a block stand behind a backslash that is not itself escaped. `escape` says whether the
/// first byte of this block does, and afterwards whether the first byte of the next block does.
pub(super) fn escaped(backslashes: u64, escape: &mut bool) -> u64 {
    // A run of backslashes escapes every other byte, from its second one on. Subtracting the run's start
    // carries through it; which bits come out differs between runs that begin at even and at odd places.
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let before = u64::from(*escape);
    let begins = backslashes & !before;
    let ends = ((begins << 1 | ODD).wrapping_sub(begins)) ^ ODD;
    *escape = (ends & backslashes) >> (BLOCK - 1) == 1;
    ends ^ (backslashes | before)
}

/// Which bytes of a block have an odd number of quotes before them; a quote counts itself.
pub(super) fn within_quotes(quotes: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].iter().fold(quotes, |bits, shift| bits ^ bits << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_is_found_at_every_place() {
        for length in 0..40 {
            assert_eq!(plain_run(&vec![b'a'; length]), length);
            for at in 0..length {
                for special in (0..0x20).chain([b'"', b'\\']) {
                    // 0xff and 0x7f are what a careless SWAR search trips over.
                    for filler in [b'a', 0xff, 0x7f, 0x80, 0x21, 0x23] {
                        let mut bytes = vec![filler; length];
                        bytes[at] = special;
                        assert_eq!(plain_run(&bytes), at, "{special:#x} at {at} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_other_backslash_of_a_run_escapes() {
        for start in 0..BLOCK {
            for length in 0..BLOCK - start {
                for first in [false, true] {
                    let run = ((1 << length) - 1) << start;
                    let mut escape = first;
                    let found = escaped(run, &mut escape);
                    let mut expected = 0;
                    let mut escapes = first;
                    for at in 0..BLOCK {
                        expected |= u64::from(escapes) << at;
                        escapes = run >> at & 1 == 1 && !escapes;
                    }
                    assert_eq!((found, escape), (expected, escapes), "{length} from {start}, {first} before");
                }
            }
        }
    }
}
