//! What of a pod's history is new. The cursor says how many items were read and vouches for all their bytes
//! with a digest: items below it are hashed as they pass and not decoded; where the digest does not fit, the
//! history was rewritten and has to be read from its start.
//!
//! The digest is XXH3-128 over each item's bytes, as the pod wrote them, followed by one `\n` (which no item
//! can hold). It guards against compaction and reused names, not against a pod that wants to deceive.

use crate::digest::Digest;
use crate::event::ItemSink;
use crate::host::Cursor;
use crate::item::{Item, ItemDecoder};
use crate::scan::{Nesting, NotJson, ValueScan};
use crate::tools::PIECE_BYTES;

const NOTATION: &str = "xxh3:";

/// A text that may be moved for nothing, in bytes; one that is longer is handed over.
const SHORT: usize = 64 << 10;

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

/// Takes a history's items and keeps what is new of them, until it is handed over.
pub(crate) struct Transcript<'h> {
    from: Position,
    /// How long the text may become; one item is taken whatever its length.
    max_text: Option<u64>,
    /// Of the items that were read, now or before.
    hash: Digest,
    /// What it was before the current item, when that spans pieces and may turn out not to fit.
    hash_before: Option<Digest>,
    /// Items that were read.
    read: u64,
    /// Items that have passed.
    seen: u64,
    /// The current item, if it is only looked at for its end, and if it is decoded.
    scan: ValueScan,
    decoder: Option<ItemDecoder>,
    /// How long the text was before the current item.
    before: usize,
    text: String,
    handed: Handed<'h>,
    /// The items are the history's, or the call fails: text can be handed over.
    is_history: bool,
    newest: Item,
    /// The history does not begin with what was read.
    diverged: bool,
    /// An item did not fit any more: what follows is only counted.
    full: bool,
}

/// What has been handed over of the text.
struct Handed<'h> {
    to: &'h dyn Fn(&str),
    bytes: u64,
    line_ends: usize,
    ends_with_line_end: bool,
}

impl<'h> Handed<'h> {
    fn nothing(to: &'h dyn Fn(&str)) -> Self {
        Self { to, bytes: 0, line_ends: 0, ends_with_line_end: true }
    }

    fn take(&mut self, text: &mut String) {
        (self.to)(text);
        self.count(text);
        text.clear();
    }

    fn count(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        self.line_ends += memchr::memchr_iter(b'\n', text.as_bytes()).count();
        self.ends_with_line_end = text.ends_with('\n') || (self.ends_with_line_end && text.is_empty());
    }
}

impl<'h> Transcript<'h> {
    /// What follows `from`, in at most `max_text` bytes. Where it is long, its beginning goes to `hand_over`.
    pub(crate) fn after(from: Position, max_text: Option<u64>, hand_over: &'h dyn Fn(&str)) -> Self {
        Self {
            from,
            max_text,
            hash: Digest::new(),
            hash_before: None,
            read: 0,
            seen: 0,
            scan: ValueScan::within(Nesting::default()),
            decoder: None,
            before: 0,
            text: String::new(),
            handed: Handed::nothing(hand_over),
            is_history: false,
            newest: Item::Other,
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
            Position { items: self.read, digest: self.hash.value() }
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

    /// The new text of the assistant, as far as it was not handed over; and how many lines there are in all, none
    /// only where there is no text.
    pub(crate) fn into_text(mut self) -> (String, usize) {
        self.handed.count(&self.text);
        (self.text, self.handed.line_ends + usize::from(!self.handed.ends_with_line_end))
    }

    /// Whether the current item was read before.
    fn is_known(&self) -> bool {
        self.seen < self.from.items
    }

    /// Whether the current item is read, now or before.
    fn is_read(&self) -> bool {
        !self.full && !self.diverged
    }

    /// The next bytes of an item that is new.
    fn decode(&mut self, decoder: &mut ItemDecoder, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        make_room(&mut self.text, bytes.len());
        let Some((item, end)) = decoder.feed(bytes, &mut self.text)? else {
            if self.max_text.is_some() && self.hash_before.is_none() {
                self.hash_before = Some(self.hash.clone());
            }
            self.hash.update(bytes);
            return Ok(None);
        };
        let hash_before = self.hash_before.take();
        self.newest = item;
        if item != Item::Assistant {
            self.text.truncate(self.before);
        }
        let fits = self.max_text.is_none_or(|max| self.handed.bytes + self.text.len() as u64 <= max);
        // The first text is taken whatever its length.
        if (self.before > 0 || self.handed.bytes > 0) && self.text.len() > self.before && !fits {
            self.text.truncate(self.before);
            if let Some(hash) = hash_before {
                self.hash = hash;
            }
            self.full = true;
        } else {
            self.hash.update(&bytes[..end]);
        }
        Ok(Some(end))
    }

    /// The next bytes of an item that was read before, or is left for the next time.
    fn pass(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let end = self.scan.feed(bytes)?;
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        if self.is_known() {
            self.hash.update(bytes);
        }
        if let Some(mut decoder) = self.decoder.take() {
            // The digest will say whether this is what was read before: then it was JSON, too.
            match decoder.feed(bytes, &mut self.text) {
                Ok(None) => self.decoder = Some(decoder),
                Ok(Some((item, _))) => self.newest = item,
                Err(_) => {}
            }
            if end.is_some() {
                self.text.clear();
            }
        }
        Ok(end)
    }
}

impl ItemSink for Transcript<'_> {
    fn begin(&mut self, is_history: bool) {
        *self = Self::after(self.from, self.max_text, self.handed.to);
        self.is_history = is_history;
    }

    fn item_begins(&mut self, around: Nesting) {
        // The last item below the cursor is decoded as well: it may be the newest, and then it matters whether
        // it is a message without an answer.
        let is_decoded = self.seen + 1 >= self.from.items && self.is_read();
        self.decoder = is_decoded.then(|| ItemDecoder::new(around, &self.text, self.handed.bytes > 0));
        if is_decoded {
            self.newest = Item::Other;
        }
        self.scan = ValueScan::within(around);
        self.before = self.text.len();
    }

    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let end = match self.decoder.take() {
            Some(mut decoder) if !self.is_known() => {
                let end = self.decode(&mut decoder, bytes)?;
                self.decoder = Some(decoder);
                end
            }
            decoder => {
                self.decoder = decoder;
                self.pass(bytes)?
            }
        };
        if end.is_some() {
            self.seen += 1;
            if self.is_read() {
                self.hash.update(b"\n");
                self.read = self.seen;
                self.diverged = self.read == self.from.items && self.end() != self.from;
            }
            if self.is_history && self.text.len() > SHORT {
                self.handed.take(&mut self.text);
            }
        }
        Ok(end)
    }
}

/// Makes room for more text by growing where it is. A move would cost a copy, and leave behind memory that the
/// component cannot give back. The allocator extends a block in place only if it is the last one, and only into
/// memory that it has already.
fn make_room(text: &mut String, more: usize) {
    if text.capacity() - text.len() >= more {
        return;
    }
    if text.len() + more <= SHORT {
        return text.reserve(more);
    }
    // Pieces of the history come and go: they have their place before the text, so that it stays the last.
    let pieces = if text.capacity() <= 2 * SHORT { 2 * PIECE_BYTES as usize } else { 0 };
    let room = more.max(text.capacity() / 4);
    let (mut before, mut behind) = (Vec::<u8>::new(), Vec::<u8>::new());
    let is_there = before.try_reserve_exact(pieces).is_ok() && behind.try_reserve_exact(room).is_ok();
    drop(behind);
    text.reserve_exact(if is_there { room } else { more });
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    const A: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"aa"}]}"#;
    const B: &str = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"bb"}]}"#;
    const U: &str = r#"{"type":"message","role":"user","content":[{"type":"text","text":"u"}]}"#;

    /// Gives an item in two pieces.
    fn give(transcript: &mut Transcript, item: &str) {
        let (first, second) = item.as_bytes().split_at(item.len() / 3);
        transcript.item_begins(Nesting::default());
        assert_eq!(transcript.item(first), Ok(None));
        assert_eq!(transcript.item(&[second, b","].concat()), Ok(Some(second.len())));
    }

    fn after(from: Position, max_text: Option<u64>, items: &[&str]) -> Transcript<'static> {
        let mut transcript =
            Transcript::after(from, max_text, &|_| panic!("a short text is not handed over"));
        transcript.begin(true);
        for item in items {
            give(&mut transcript, item);
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
        assert_eq!(transcript.into_text().0, "bb");
    }

    #[test]
    fn another_beginning_does_not_continue() {
        assert!(!after(position(&[A, U]), None, &[A, B, U]).continues());
        assert!(!after(position(&[A, U]), None, &[A]).continues());
        assert!(!after(position(&[A]), None, &[]).continues());
        assert!(after(Position::START, None, &[]).continues());
    }

    #[test]
    fn items_below_the_cursor_are_not_decoded() {
        let from = position(&["{not JSON}", "[nor this]", A]);
        let mut transcript = Transcript::after(from, None, &|_| ());
        transcript.begin(true);
        for item in ["{not JSON}", "[nor this]"] {
            give(&mut transcript, item);
            assert!(transcript.decoder.is_none());
        }
        give(&mut transcript, A);
        assert!(transcript.continues());
        assert_eq!(transcript.into_text().0, "");
    }

    #[test]
    fn the_last_item_below_the_cursor_need_not_be_json() {
        let transcript = after(position(&[A, "[no JSON]"]), None, &[A, "[no JSON]", B]);
        assert!(transcript.continues());
        assert_eq!(transcript.into_text().0, "bb");
    }

    #[test]
    fn an_item_above_the_cursor_must_be_json() {
        let mut transcript = Transcript::after(Position::START, None, &|_| ());
        transcript.begin(true);
        transcript.item_begins(Nesting::default());
        assert_eq!(transcript.item(b"[no"), Err(NotJson { why: "a value should follow", at: 2 }));
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
            assert_eq!(transcript.into_text().0, text);
        }
    }

    #[test]
    fn a_long_text_is_handed_over_once_it_is_known_to_be_the_historys() {
        let item = |text: &str| {
            format!(
                r#"{{"type":"message","role":"assistant","content":[{{"type":"text","text":"{text}"}}]}}"#
            )
        };
        let long = "0123456789".repeat(SHORT / 10) + "\\n0123456789";
        let (long, short) = (item(&long), item("short"));
        let items = [&*long, &short, U, &long, &long, &short];
        let mut whole = None;
        for is_history in [false, true] {
            let handed = std::cell::RefCell::new(Vec::new());
            let hand_over = |text: &str| handed.borrow_mut().push(text.to_owned());
            let mut transcript = Transcript::after(Position::START, None, &hand_over);
            transcript.begin(is_history);
            items.iter().for_each(|item| give(&mut transcript, item));
            assert_eq!(transcript.end(), position(&items));
            let (rest, lines) = transcript.into_text();
            let handed = handed.into_inner();
            assert_eq!(handed.len(), if is_history { 3 } else { 0 });
            let text = handed.concat() + &rest;
            assert_eq!(lines, text.lines().count());
            assert_eq!(whole.get_or_insert_with(|| text.clone()), &text);
        }
    }

    #[test]
    fn what_was_handed_over_counts_where_the_length_is_bounded() {
        let text = "0123456789".repeat(SHORT / 10 + 1);
        let long = A.replace("aa", &text);
        for (max, taken) in [(0, 1), (2 * text.len() + 1, 1), (2 * text.len() + 2, 2), (usize::MAX, 3)] {
            let mut transcript = Transcript::after(Position::START, Some(max as u64), &|_| ());
            transcript.begin(true);
            (0..3).for_each(|_| give(&mut transcript, &long));
            assert_eq!((transcript.new_items(), transcript.remaining_items()), (taken, 3 - taken), "{max}");
        }
    }
}
