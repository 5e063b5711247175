//! Finds the end of one JSON value in bytes that arrive in pieces, looking at nothing but its structure:
//! strings, escapes and brackets. History items are skipped with it, so this is the hot loop of reading a
//! long history; whoever needs the item to be JSON to the last byte parses it once its end is known.

/// How deep a line may nest. `serde_json` draws the same line, one level earlier.
pub(crate) const MAX_DEPTH: u32 = 128;

/// The brackets that are open, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nesting {
    /// The lowest bit is the innermost bracket; set for `[`.
    arrays: u128,
    depth: u32,
}

impl Nesting {
    /// How many brackets are open.
    pub(crate) fn depth(self) -> u32 {
        self.depth
    }

    /// Whether the innermost bracket is `[`.
    pub(crate) fn in_array(self) -> bool {
        self.arrays & 1 == 1
    }

    /// Opens a bracket.
    pub(crate) fn open(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == MAX_DEPTH {
            return Err("it nests deeper than 128 levels");
        }
        self.depth += 1;
        self.arrays = self.arrays << 1 | u128::from(bracket == b'[');
        Ok(())
    }

    /// Closes the innermost bracket, which must be of the same kind.
    pub(crate) fn close(&mut self, bracket: u8) -> Result<(), &'static str> {
        if self.depth == 0 || self.in_array() != (bracket == b']') {
            return Err("a bracket closes what was not opened");
        }
        self.depth -= 1;
        self.arrays >>= 1;
        Ok(())
    }
}

/// Bytes that are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) why: &'static str,
    /// The byte where that shows.
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Start,
    Between,
    String,
    Escape,
    /// A number or a word at the outermost level, which ends where something else begins.
    Scalar,
}

/// The scan of one value.
#[derive(Debug)]
pub(crate) struct ValueScan {
    nesting: Nesting,
    outer: u32,
    mode: Mode,
}

impl ValueScan {
    /// A value that begins with the next byte, within the brackets that are open around it.
    pub(crate) fn within(nesting: Nesting) -> Self {
        Self { nesting, outer: nesting.depth(), mode: Mode::Start }
    }

    /// Takes the next bytes. Gives how many of them belong to the value when they hold its end, `None` when
    /// all of them do and more are needed.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let mut at = 0;
        let fault = |why, at| NotJson { why, at };
        while let Some(&byte) = bytes.get(at) {
            match self.mode {
                Mode::String => {
                    at += plain_run(&bytes[at..]);
                    match bytes.get(at) {
                        None => return Ok(None),
                        Some(b'"') => {
                            at += 1;
                            self.mode = Mode::Between;
                            if self.nesting.depth() == self.outer {
                                return Ok(Some(at));
                            }
                        }
                        Some(b'\\') => {
                            at += 1;
                            self.mode = Mode::Escape;
                        }
                        Some(_) => return Err(fault("a control character within a string", at)),
                    }
                }
                Mode::Escape => {
                    if byte < 0x20 {
                        return Err(fault("a control character within a string", at));
                    }
                    at += 1;
                    self.mode = Mode::String;
                }
                Mode::Scalar => {
                    if matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') {
                        return Ok(Some(at));
                    }
                    at += 1;
                }
                Mode::Start | Mode::Between => {
                    match byte {
                        b'"' => self.mode = Mode::String,
                        b'{' | b'[' => {
                            self.nesting.open(byte).map_err(|why| fault(why, at))?;
                            self.mode = Mode::Between;
                        }
                        b'}' | b']' => {
                            self.nesting.close(byte).map_err(|why| fault(why, at))?;
                            if self.nesting.depth() == self.outer {
                                return Ok(Some(at + 1));
                            }
                        }
                        b'\n' => return Err(fault("it ends within a value", at)),
                        _ if matches!(self.mode, Mode::Start) => self.mode = Mode::Scalar,
                        _ => {}
                    }
                    at += 1;
                }
            }
        }
        Ok(None)
    }
}

/// How many bytes are looked at together.
pub(crate) const LANES: usize = 16;

/// How many bytes lie before the first quote, backslash or control character: the part of a string that
/// stands for itself.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
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

/// The same, within one block.
#[cfg(target_feature = "simd128")]
pub(crate) fn plain_in_block(block: &[u8; LANES]) -> usize {
    use std::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};

    let [low, high] = halves(block);
    let block = u64x2(low, high);
    let special = v128_or(
        v128_or(u8x16_eq(block, u8x16_splat(b'"')), u8x16_eq(block, u8x16_splat(b'\\'))),
        u8x16_lt(block, u8x16_splat(0x20)),
    );
    (u32::from(i8x16_bitmask(special)) | 1 << LANES).trailing_zeros() as usize
}

/// The same, where there are no vectors: word by word.
#[cfg(not(target_feature = "simd128"))]
pub(crate) fn plain_in_block(block: &[u8; LANES]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let [low, high] = halves(block).map(|word| {
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // A borrow runs upwards only, so the lowest mark is exact, and no other is looked at.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of the value at the start of `text`, fed in pieces of `size`.
    fn end(text: &[u8], size: usize) -> Result<Option<usize>, &'static str> {
        let mut scan = ValueScan::within(Nesting::default());
        let mut before = 0;
        for piece in text.chunks(size) {
            if let Some(end) = scan.feed(piece).map_err(|fault| fault.why)? {
                return Ok(Some(before + end));
            }
            before += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn a_value_ends_where_its_brackets_or_its_quotes_close() {
        for (value, rest) in [
            (r#"{"a":"}","b":[1,{"c":"\"]\\"}]}"#, ","),
            (r#""a string, with \"quotes\" and \\""#, "]"),
            ("-12.5e3", ","),
            ("true", " ]"),
            ("[]", "]"),
            ("{}", ""),
        ] {
            let text = format!("{value}{rest}");
            for size in 1..=text.len() {
                assert_eq!(end(text.as_bytes(), size), Ok(Some(value.len())), "{text} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_value_without_its_end_needs_more() {
        for text in [r#"{"a":1"#, r#""abc\""#, "12", "[[]"] {
            assert_eq!(end(text.as_bytes(), 3), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_value_is_a_fault_however_it_is_cut() {
        for text in ["[}", "{]", "[\"a\nb\"]", "[1,\n2]", "[\"\\\n\"]", "}"] {
            for size in 1..=text.len() {
                assert!(end(text.as_bytes(), size).is_err(), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let text = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(end(text(128).as_bytes(), 7), Ok(Some(256)));
        assert!(end(text(129).as_bytes(), 7).is_err());
    }

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
}
