//! What of a pod's history is new. The cursor says how many items were read and vouches for all their bytes
//! with a digest: items below it are hashed as they pass and not decoded; where the digest does not fit, the
//! history was rewritten and has to be read from its start.
//!
//! The digest is XXH3-128 over each item's bytes, as the pod wrote them, followed by one `\n` (which no item
//! can hold). It guards against compaction and reused names, not against a pod that wants to deceive.

use xxhash_rust::xxh3::Xxh3;

use crate::event::ItemSink;
use crate::grammar::Grammar;
use crate::host::Cursor;
use crate::item::{self, Item, NotJson};

const NOTATION: &str = "xxh3:";

/// The position that a stored cursor gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    items: u64,
    /// Of `items` items; without meaning when there are none.
    digest: u128,
}

impl Position {
    /// The history's start.
    pub(crate) const START: Self = Self { items: 0, digest: 0 };

    /// Where the cursor stands; `None` when its digest is in another notation than ours.
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

/// Takes a history's items and keeps what is new of them.
pub(crate) struct Transcript {
    from: Position,
    /// How long the text may become; one item is taken whatever its length.
    max_text: Option<u64>,
    /// Of the items that were read, now or before.
    hash: Xxh3,
    /// Items that were read.
    read: u64,
    /// Items that have passed.
    seen: u64,
    /// What there is of the current item, when it spans pieces and has to be decoded.
    held: Vec<u8>,
    text: String,
    newest: Item,
    grammar: Grammar,
    /// The history does not begin with what was read.
    diverged: bool,
    /// An item did not fit any more: what follows is only counted.
    full: bool,
}

impl Transcript {
    /// What follows `from`, in at most `max_text` bytes.
    pub(crate) fn after(from: Position, max_text: Option<u64>) -> Self {
        Self {
            from,
            max_text,
            hash: Xxh3::new(),
            read: 0,
            seen: 0,
            held: Vec::new(),
            text: String::new(),
            newest: Item::Other,
            grammar: Grammar::new(),
            diverged: false,
            full: false,
        }
    }

    /// Whether the history begins with what was read. To be asked when it is complete.
    pub(crate) fn continues(&self) -> bool {
        !self.diverged && self.seen >= self.from.items
    }

    /// Where the next read has to go on.
    pub(crate) fn end(&self) -> Position {
        if self.read == 0 {
            Position::START
        } else {
            Position { items: self.read, digest: self.hash.digest128() }
        }
    }

    /// How many items are new, with or without text.
    pub(crate) fn new_items(&self) -> u64 {
        self.read.saturating_sub(self.from.items)
    }

    /// How many items are left to read.
    pub(crate) fn remaining_items(&self) -> u64 {
        self.seen - self.read
    }

    /// Whether the newest item of the whole history is a message of the user.
    pub(crate) fn ends_with_user(&self) -> bool {
        // Where an item did not fit, `newest` is that item, and an assistant's: no other has text.
        self.newest == Item::User
    }

    /// The new text of the assistant.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Decodes the current item, now that it is complete.
    fn decode(&mut self, item: &[u8]) -> Result<(), NotJson> {
        if self.seen < self.from.items {
            // The digest will say whether this is what was read before: then it was JSON, too.
            self.newest = item::decode(item, &mut self.grammar, &mut String::new()).unwrap_or(Item::Other);
            return Ok(());
        }
        let before = self.text.len();
        self.newest = item::decode(item, &mut self.grammar, &mut self.text)?;
        let fits = self.max_text.is_none_or(|max| self.text.len() as u64 <= max);
        if before > 0 && self.text.len() > before && !fits {
            self.text.truncate(before);
            self.full = true;
        } else {
            self.hash.update(item);
        }
        Ok(())
    }
}

impl ItemSink for Transcript {
    fn begin(&mut self) {
        *self = Self::after(self.from, self.max_text);
    }

    fn item(&mut self, bytes: &[u8], end: bool) -> Result<(), NotJson> {
        let known = self.seen < self.from.items;
        if known {
            self.hash.update(bytes);
        }
        // The last item below the cursor is decoded as well: it may be the newest, and then it matters
        // whether it is a message without an answer.
        if self.seen + 1 >= self.from.items && !self.full && !self.diverged {
            if !end {
                self.held.extend_from_slice(bytes);
            } else if self.held.is_empty() {
                self.decode(bytes)?;
            } else {
                let mut item = std::mem::take(&mut self.held);
                item.extend_from_slice(bytes);
                self.decode(&item)?;
                item.clear();
                self.held = item;
            }
        }
        if end {
            self.seen += 1;
            if !self.full && !self.diverged {
                self.hash.update(b"\n");
                self.read = self.seen;
                self.diverged = self.read == self.from.items && self.end() != self.from;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    const A: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"aa"}]}"#;
    const B: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"bb"}]}"#;
    const U: &str = r#"{"type":"message","role":"user","content":[{"type":"text","text":"u"}]}"#;

    fn after(from: Position, max_text: Option<u64>, items: &[&str]) -> Transcript {
        let mut transcript = Transcript::after(from, max_text);
        transcript.begin();
        for item in items {
            let (first, second) = item.as_bytes().split_at(item.len() / 3);
            transcript.item(first, false).unwrap();
            transcript.item(second, true).unwrap();
        }
        transcript
    }

    fn position(items: &[&str]) -> Position {
        let bytes: String = items.iter().map(|item| format!("{item}\n")).collect();
        Position { items: items.len() as u64, digest: xxh3_128(bytes.as_bytes()) }
    }

    #[test]
    fn a_position_survives_its_cursor() {
        for position in [position(&[A]), Position { items: 3, digest: 1 }] {
            assert_eq!(Position::of(&position.cursor()), Some(position));
        }
        assert_eq!(Position { items: 3, digest: 1 }.cursor().digest, "xxh3:00000000000000000000000000000001");
        let capital = Cursor { items: 1, digest: format!("xxh3:{}", "A".repeat(32)) };
        assert_eq!(Position::of(&capital), None);
        assert_eq!(Position::of(&Cursor { items: 0, digest: "whatever".into() }), Some(Position::START));
    }

    #[test]
    fn what_follows_the_cursor_is_new() {
        let transcript = after(position(&[A, U]), None, &[A, U, B]);
        assert!(transcript.continues());
        assert_eq!(transcript.end(), position(&[A, U, B]));
        assert_eq!((transcript.new_items(), transcript.remaining_items()), (1, 0));
        assert_eq!(transcript.into_text(), "bb");
    }

    #[test]
    fn another_beginning_does_not_continue() {
        assert!(!after(position(&[A, U]), None, &[A, B, U]).continues());
        assert!(!after(position(&[A, U]), None, &[A]).continues());
        assert!(!after(position(&[A]), None, &[]).continues());
        assert!(after(Position::START, None, &[]).continues());
    }

    #[test]
    fn items_below_the_cursor_are_not_decoded_nor_held() {
        let from = position(&["not JSON", "nor this", A]);
        let mut transcript = Transcript::after(from, None);
        transcript.begin();
        for item in ["not JSON", "nor this"] {
            transcript.item(item.as_bytes(), false).unwrap();
            assert_eq!(transcript.held.capacity(), 0);
            transcript.item(b"", true).unwrap();
        }
        transcript.item(A.as_bytes(), true).unwrap();
        assert_eq!(transcript.held.capacity(), 0, "a whole item is decoded in place");
        assert!(transcript.continues());
        assert_eq!(transcript.into_text(), "");
    }

    #[test]
    fn an_item_above_the_cursor_must_be_json() {
        let mut transcript = Transcript::after(Position::START, None);
        transcript.begin();
        assert!(transcript.item(b"nonsense", true).is_err());
    }

    #[test]
    fn the_newest_item_is_known_wherever_it_lies() {
        assert!(after(Position::START, None, &[A, U]).ends_with_user());
        assert!(after(position(&[A]), None, &[A, U]).ends_with_user());
        assert!(after(position(&[A, U]), None, &[A, U]).ends_with_user());
        assert!(!after(position(&[A, U]), None, &[A, U, "{}"]).ends_with_user());
        assert!(!after(position(&[U, A]), None, &[U, A]).ends_with_user());
        assert!(!after(Position::START, None, &[]).ends_with_user());
        // More is left to read, and it is not looked at.
        assert!(!after(Position::START, Some(2), &[A, U, B, U]).ends_with_user());
    }

    #[test]
    fn the_end_lies_behind_the_last_item_that_fits() {
        for (max, taken, text) in [(0, 2, "aa"), (5, 2, "aa"), (6, 4, "aa\n\nbb")] {
            let items = [A, U, B, U];
            let transcript = after(Position::START, Some(max), &items);
            assert_eq!(transcript.end(), position(&items[..taken]));
            assert_eq!(transcript.remaining_items(), 4 - taken as u64);
            assert_eq!(transcript.into_text(), text);
        }
    }
}
