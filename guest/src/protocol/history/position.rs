//! How far a reader has read a history: the number of items, and a digest of all their bytes. Where the
//! digest does not fit, the history was rewritten.
//!
//! The digest is XXH3-128 over each item's bytes, as the pod wrote them, followed by one `\n` (which no item
//! can hold). It guards against compaction and reused names, not against a pod that wants to deceive.

use crate::host::Cursor;

/// What a digest in a cursor begins with.
const NOTATION: &str = "xxh3:";

/// A place between two items of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// How many items lie before the place.
    pub(super) items: u64,
    /// Their digest; without meaning when there are none.
    pub(super) digest: u128,
}

impl Position {
    /// The history's start.
    pub(crate) const START: Self = Self { items: 0, digest: 0 };

    /// Where the cursor stands; `None` if its digest is in another notation than ours.
    pub(crate) fn of(cursor: &Cursor) -> Option<Self> {
        if cursor.items == 0 {
            return Some(Self::START);
        }
        let digits = cursor.digest.strip_prefix(NOTATION)?;
        let digest = u128::from_str_radix(digits, 16).ok()?;
        // Only what we would write ourselves: `from_str_radix` also takes signs and capitals.
        let position = Self { items: cursor.items, digest };
        (position.cursor().digest == cursor.digest).then_some(position)
    }

    /// The cursor to be stored.
    pub(crate) fn cursor(self) -> Cursor {
        Cursor { items: self.items, digest: format!("{NOTATION}{:032x}", self.digest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_cursor() {
        let digest = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        for position in [Position { items: 1, digest }, Position { items: 3, digest: 1 }] {
            assert_eq!(Position::of(&position.cursor()), Some(position));
        }
        assert_eq!(Position { items: 3, digest: 1 }.cursor().digest, "xxh3:00000000000000000000000000000001");
        let capital = Cursor { items: 1, digest: format!("xxh3:{}", "A".repeat(32)) };
        assert_eq!(Position::of(&capital), None);
        assert_eq!(Position::of(&Cursor { items: 0, digest: "whatever".into() }), Some(Position::START));
    }
}
