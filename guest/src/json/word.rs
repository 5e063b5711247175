//! Strings that are short enough to be compared as one number.

use crate::json::marks::{LANES, plain_in_block};

/// A string of at most 15 bytes. Any longer string is like no other word but the longer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u128);

impl Word {
    /// In bytes.
    const LONGEST: usize = LANES - 1;
    const LONG: Self = Self(u128::MAX);

    /// The word for a constant: for patterns.
    pub(crate) const fn of(text: &str) -> Self {
        assert!(text.len() <= Self::LONGEST && text.is_ascii());
        let mut bytes = [0; LANES];
        bytes.split_at_mut(text.len()).0.copy_from_slice(text.as_bytes());
        Self::packed(bytes, text.len())
    }

    /// The text is followed by zeros. The last byte is the text's length.
    const fn packed(bytes: [u8; LANES], length: usize) -> Self {
        Self(u128::from_le_bytes(bytes) | (length as u128) << (8 * Self::LONGEST))
    }

    /// The word that `bytes` hold up to a closing quote, and how many bytes it takes with that quote. `None`
    /// where the string has an escape, is not ASCII or too long, or where there is no whole block of bytes.
    pub(crate) fn whole(bytes: &[u8]) -> Option<(Self, usize)> {
        /// Keeps so many bytes of a block.
        const KEEP: [u128; LANES + 1] = {
            let mut masks = [u128::MAX; LANES + 1];
            let mut length = 0;
            while length < LANES {
                masks[length] = (1 << (8 * length)) - 1;
                length += 1;
            }
            masks
        };
        const NOT_ASCII: u128 = u128::from_ne_bytes([0x80; LANES]);
        let block = bytes.first_chunk::<LANES>()?;
        let length = plain_in_block(block);
        let text = u128::from_le_bytes(*block) & KEEP[length];
        let is_whole = block.get(length) == Some(&b'"') && text & NOT_ASCII == 0;
        is_whole.then(|| (Self::packed(text.to_le_bytes(), length), length + 1))
    }
}

/// A word whose text arrives in pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    /// The beginning of the text, followed by zeros.
    text: [u8; LANES],
    /// How long the text is; 255 if it is too long for a word.
    length: u8,
}

impl Spelling {
    pub(super) fn new() -> Self {
        Self { text: [0; LANES], length: 0 }
    }

    /// Appends to the text.
    pub(super) fn push(&mut self, text: &str) {
        let before = usize::from(self.length);
        match self.text.get_mut(before..before + text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.length += text.len() as u8;
            }
            None => self.length = u8::MAX,
        }
    }

    /// The word that the text is so far.
    pub(super) fn word(&self) -> Word {
        if usize::from(self.length) <= Word::LONGEST {
            Word::packed(self.text, self.length.into())
        } else {
            Word::LONG
        }
    }
}
