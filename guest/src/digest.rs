//! The digest of a history, XXH3-128, over many short pieces: they are gathered, because handing each of them to
//! the hash costs more than the hash.

use xxhash_rust::xxh3::Xxh3;

/// How many bytes are gathered. Longer pieces go to the hash as they are.
const GATHERED: usize = 4096;

/// A digest of what was given to it so far.
#[derive(Clone)]
pub(crate) struct Digest {
    hash: Xxh3,
    gathered: Vec<u8>,
}

impl Digest {
    pub(crate) fn new() -> Self {
        Self { hash: Xxh3::new(), gathered: Vec::new() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
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

    pub(crate) fn value(&self) -> u128 {
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
