//! Who reads. Readers have names, and each has cursors of its own: what one reads, no other misses.

use std::fmt;
use std::str::FromStr;

/// The name of a reader: 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes of UTF-8, none of them a control
/// character.
///
/// A reader without a name is the one that a registry has always had: for `pod-tools`, its command line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reader(String);

/// A text that is no name of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reader's name has 1 to {} bytes, none of them a control character", Reader::MAX_BYTES)]
pub struct ReaderParseError;

impl Reader {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reader {
    type Err = ReaderParseError;

    fn from_str(name: &str) -> Result<Self, ReaderParseError> {
        let is_name = (1..=Self::MAX_BYTES).contains(&name.len()) && !name.contains(char::is_control);
        is_name.then(|| Self(name.to_owned())).ok_or(ReaderParseError)
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_and_steers_no_terminal() {
        for name in ["a", "claude-code at /home/me", "é", &"x".repeat(Reader::MAX_BYTES)] {
            assert_eq!(name.parse::<Reader>().unwrap().as_str(), name);
        }
        for text in ["", "a\nb", "\u{7f}", "\u{9b}", &"x".repeat(Reader::MAX_BYTES + 1)] {
            assert_eq!(text.parse::<Reader>(), Err(ReaderParseError), "{text:?}");
        }
    }
}
