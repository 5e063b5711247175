//! How far a reader has read a history: the number of items, and a digest of all their bytes; and how much of the
//! next item's text, and a digest of that. Where a digest does not fit, the history was rewritten.
//!
//! The digest is XXH3-128 over each item's bytes, as the pod wrote them, followed by one `\n` (which no item
//! can hold); that of a part is over the text that was given, in UTF-8. A cursor holds `xxh3:DIGEST`, with
//! `+BYTES:DIGEST` behind it where a part was given. It guards against compaction and reused names, not against a pod that wants to deceive.

use alloc::format;
use core::fmt::Write;

use crate::host::Cursor;
use crate::protocol::history::excerpt::Part;

/// What a digest in a cursor begins with.
const NOTATION: &str = "xxh3:";

/// A place in a history: between two items, or within the text of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// How many whole items lie before the place.
    pub(super) items: u64,
    /// Their digest; 0 when there are none.
    pub(super) digest: u128,
    /// What lies before the place of the item behind them.
    pub(super) part: Option<Part>,
}

impl Position {
    /// The history's start.
    pub(crate) const START: Self = Self { items: 0, digest: 0, part: None };

    /// Where the cursor stands; `None` if its digest is in another notation than ours.
    pub(crate) fn of(cursor: &Cursor) -> Option<Self> {
        let found = cursor.digest.strip_prefix(NOTATION).and_then(|digest| {
            let (digest, part) = match digest.split_once('+') {
                None => (digest, None),
                Some((digest, part)) => (digest, Some(parse_part(part)?)),
            };
            Some((digest, part))
        });
        match (cursor.items, found) {
            (0, Some((digest, Some(part)))) if parse_digest(digest) == Some(0) => {
                Some(Self { part: Some(part), ..Self::START })
            }
            // Before the first item there is nothing to vouch for.
            (0, _) => Some(Self::START),
            (items, found) => {
                let (digest, part) = found?;
                Some(Self { items, digest: parse_digest(digest)?, part })
            }
        }
    }

    /// The cursor to be stored.
    pub(crate) fn cursor(self) -> Cursor {
        let mut digest = format!("{NOTATION}{:032x}", self.digest);
        if let Some(Part { bytes, digest: of_part }) = self.part {
            // Writing to a string cannot fail.
            let _ = write!(digest, "+{bytes}:{of_part:032x}");
        }
        Cursor { items: self.items, digest }
    }
}

/// Reads `BYTES:DIGEST`, as we write it.
fn parse_part(text: &str) -> Option<Part> {
    let (bytes, digest) = text.split_once(':')?;
    let is_number = bytes.bytes().all(|byte| byte.is_ascii_digit()) && !bytes.starts_with('0');
    Some(Part { bytes: bytes.parse().ok().filter(|_| is_number)?, digest: parse_digest(digest)? })
}

/// Reads a digest as we write it; others may write signs and capitals.
fn parse_digest(digits: &str) -> Option<u128> {
    let is_ours = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(digits, 16).ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_cursor() {
        let digest = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        for position in [
            Position { items: 1, digest, part: None },
            Position { items: 3, digest: 1, part: None },
            Position { items: 3, digest, part: Some(Part { bytes: 1, digest: 2 }) },
            Position { items: 0, digest: 0, part: Some(Part { bytes: usize::MAX, digest }) },
        ] {
            assert_eq!(Position::of(&position.cursor()), Some(position));
            assert!(position.cursor().digest.len() <= 128, "the host stores no more");
        }
        let position = Position { items: 3, digest: 1, part: Some(Part { bytes: 20, digest: 2 }) };
        assert_eq!(
            position.cursor().digest,
            "xxh3:00000000000000000000000000000001+20:00000000000000000000000000000002"
        );
    }

    #[test]
    fn another_notation_is_not_understood() {
        let one = "00000000000000000000000000000001";
        for digest in [
            "xxh3:".to_owned() + &"A".repeat(32),
            format!("xxh3:{one}+"),
            format!("xxh3:{one}+20"),
            format!("xxh3:{one}+0:{one}"),
            format!("xxh3:{one}++2:{one}"),
            format!("xxh3:{one}+02:{one}"),
            format!("xxh3:{one}+2:{one}:{one}"),
            format!("xxh3:{one}+2:1"),
            format!("xxh3:{one}+99999999999999999999999:{one}"),
        ] {
            assert_eq!(Position::of(&Cursor { items: 1, digest: digest.clone() }), None, "{digest}");
            assert_eq!(Position::of(&Cursor { items: 0, digest }), Some(Position::START));
        }
    }
}
