//! How far a reader has read a history: the number of items, and a digest of all their bytes; and how much of the
//! next item's text, and a digest of that. Where a digest does not fit, the history was rewritten.
//!
//! The digest is XXH3-128 over each item's bytes, as the pod wrote them, followed by one `,`; that of a part is over
//! the text that was given, in UTF-8. A cursor holds `xxh3,SKIP:DIGEST`, with `+BYTES:DIGEST` behind it where a part was
//! given. SKIP is how many bytes of the stream lie before the last of the items, where that is what the digest was
//! taken of: so many can be hashed as they lie, with no regard to where an item ends. It is 0 where a pod writes more
//! between its items than a comma. Cursors of version 0.1.0 hold `xxh3:DIGEST`, with one `\n` behind each item.
//!
//! All of it guards against compaction and reused names, not against a pod that wants to deceive.

use alloc::format;
use core::fmt::Write;

use crate::host::Cursor;
use crate::protocol::history::excerpt::Part;

/// What a digest in a cursor begins with, before the bytes to skip.
const NOTATION: &str = "xxh3,";
/// The same in version 0.1.0, which skips none.
const NOTATION_OF_0_1_0: &str = "xxh3:";

/// A place in a history: between two items, or within the text of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// How many whole items lie before the place.
    pub(super) items: u64,
    /// Their digest; 0 when there are none.
    pub(super) digest: u128,
    /// What lies before the place of the item behind them.
    pub(super) part: Option<Part>,
    /// How many bytes before the last of these items need not be looked at, but hashed.
    pub(super) skip: u64,
    /// What the digest has behind each item.
    pub(super) separator: Separator,
}

/// What stands behind each item in a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Separator {
    #[default]
    Comma,
    /// In digests of version 0.1.0.
    LineEnd,
}

impl Separator {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Comma => b",",
            Self::LineEnd => b"\n",
        }
    }
}

impl Position {
    /// The history's start.
    pub(crate) const START: Self =
        Self { items: 0, digest: 0, part: None, skip: 0, separator: Separator::Comma };

    /// Where the cursor stands; `None` if its digest is in another notation than ours.
    pub(crate) fn of(cursor: &Cursor) -> Option<Self> {
        match (cursor.items, Self::parse(cursor)) {
            (0, Some(Self { digest: 0, part, .. })) => Some(Self { part, ..Self::START }),
            // Before the first item there is nothing to vouch for.
            (0, _) => Some(Self::START),
            (_, found) => found,
        }
    }

    fn parse(cursor: &Cursor) -> Option<Self> {
        let (skip, rest, separator) = match cursor.digest.strip_prefix(NOTATION) {
            Some(rest) => {
                let (skip, rest) = rest.split_once(':')?;
                (parse_number(skip)?, rest, Separator::Comma)
            }
            None => (0, cursor.digest.strip_prefix(NOTATION_OF_0_1_0)?, Separator::LineEnd),
        };
        let (digest, part) = match rest.split_once('+') {
            None => (rest, None),
            Some((digest, part)) => (digest, Some(parse_part(part)?)),
        };
        Some(Self { items: cursor.items, digest: parse_digest(digest)?, part, skip, separator })
    }

    /// The cursor to be stored.
    pub(crate) fn cursor(self) -> Cursor {
        let Self { digest, skip, .. } = self;
        let mut digest = match self.separator {
            Separator::Comma => format!("{NOTATION}{skip}:{digest:032x}"),
            Separator::LineEnd => format!("{NOTATION_OF_0_1_0}{digest:032x}"),
        };
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
    let bytes = parse_number(bytes).filter(|bytes| *bytes > 0)?;
    Some(Part { bytes: usize::try_from(bytes).ok()?, digest: parse_digest(digest)? })
}

/// Reads a number as we write it: without a sign, and without a zero before it.
fn parse_number(digits: &str) -> Option<u64> {
    let is_ours =
        digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_ours)
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
        let most = Some(Part { bytes: usize::MAX, digest });
        for position in [
            Position { items: 1, digest, ..Position::START },
            Position { items: 3, digest: 1, ..Position::START },
            Position { items: 3, digest, skip: u64::MAX, part: most, ..Position::START },
            Position { items: 3, digest, part: most, separator: Separator::LineEnd, ..Position::START },
            Position { part: most, ..Position::START },
        ] {
            assert_eq!(Position::of(&position.cursor()), Some(position));
            assert!(position.cursor().digest.len() <= 128, "the host stores no more");
        }
        let part = Some(Part { bytes: 20, digest: 2 });
        let position = Position { items: 3, digest: 1, part, skip: 81, ..Position::START };
        assert_eq!(
            position.cursor().digest,
            "xxh3,81:00000000000000000000000000000001+20:00000000000000000000000000000002"
        );
    }

    #[test]
    fn another_notation_is_not_understood() {
        let one = "00000000000000000000000000000001";
        for digest in [
            "xxh3:".to_owned() + &"A".repeat(32),
            format!("xxh3,{one}"),
            format!("xxh3,:{one}"),
            format!("xxh3,-1:{one}"),
            format!("xxh3,+1:{one}"),
            format!("xxh3,01:{one}"),
            format!("xxh3,99999999999999999999999:{one}"),
            format!("xxh3,0:{one}+"),
            format!("xxh3,0:{one}+20"),
            format!("xxh3,0:{one}+0:{one}"),
            format!("xxh3,0:{one}++2:{one}"),
            format!("xxh3,0:{one}+02:{one}"),
            format!("xxh3,0:{one}+2:{one}:{one}"),
            format!("xxh3,0:{one}+2:1"),
            format!("xxh3:{one}+99999999999999999999999:{one}"),
        ] {
            assert_eq!(Position::of(&Cursor { items: 1, digest: digest.clone() }), None, "{digest}");
            assert_eq!(Position::of(&Cursor { items: 0, digest }), Some(Position::START));
        }
    }
}
