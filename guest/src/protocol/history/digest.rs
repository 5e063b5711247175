//! The digest of a history, XXH3-128, over many short pieces of it. The pieces are gathered: handing each of
//! them to the hash would cost more than the hash.

use alloc::vec::Vec;

use xxhash_rust::xxh3::Xxh3;

/// How many bytes are gathered. A longer piece goes to the hash as it is.
const GATHERED: usize = 4096;

/// The digest of the bytes that were given to it so far.
#[derive(Clone)]
pub(super) struct Digest {
    hash: Xxh3,
    gathered: Vec<u8>,
    length: u64,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { hash: Xxh3::new(), gathered: Vec::new(), length: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.gathered.len() + bytes.len() > GATHERED {
            self.hash.update(&self.gathered);
            self.gathered.clear();
        }
        if bytes.len() > GATHERED {
            self.hash.update(bytes);
        } else {
            self.gathered.extend_from_slice(bytes);
        }
    }

    /// How many bytes that are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn value(&self) -> u128 {
        let mut hash = self.hash.clone();
        hash.update(&self.gathered);
        hash.digest128()
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    #[test]
    fn it_is_that_of_all_bytes_however_they_are_cut() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|i| ((i * i) >> 7) as u8).collect();
        for size in [1, 200, 1000, GATHERED - 1, GATHERED, GATHERED + 1, 20_000] {
            let mut digest = Digest::new();
            for (index, piece) in bytes.chunks(size).enumerate() {
                digest.update(piece);
                let so_far = &bytes[..bytes.len().min((index + 1) * size)];
                assert!(size == 1 || digest.value() == xxh3_128(so_far), "{index} pieces of {size}");
            }
            assert_eq!(digest.value(), xxh3_128(&bytes), "in pieces of {size}");
        }
    }
}
