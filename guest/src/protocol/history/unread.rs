//! What of a pod's history is unread. The position up to which it was read vouches with a digest for the
//! bytes of all items before: they are hashed as they pass, and not decoded; all but the last of them without a look
//! at where they end, if the position says how many bytes they have. Where the digest does not fit, the history was
//! rewritten and has to be read from its start.
//!
//! Where the text of an answer is bounded, whole items are given as far as they fit. One that is longer than the
//! bound is given in parts, an answer each: a position can stand within it.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::json::{Nesting, NotJson, ValueScan};
use crate::protocol::history::digest::Digest;
use crate::protocol::history::excerpt::{Excerpt, Part};
use crate::protocol::history::failures::{Failure, Failures};
use crate::protocol::history::handover::{HandedOver, SHORT, make_room};
use crate::protocol::history::item::{ItemDecoder, ItemKind, ItemText};
use crate::protocol::history::position::{Position, Separator};
use crate::protocol::item_sink::ItemSink;

/// Takes a history's items and keeps the text of the unread ones, until it is handed over.
pub(crate) struct Unread<'h> {
    from: Position,
    /// All of the history is given, because it does not begin with the items that were read before.
    rewritten: bool,
    /// How long the text may become, in bytes; of a first text, one character is taken whatever its length.
    max_text: Option<u64>,
    /// Of the items that are read, now or before.
    digest: Digest,
    /// The digest before the current item, if the item spans pieces and may turn out not to fit.
    digest_before: Option<Digest>,
    /// How many bytes of the line lie before the first item.
    first_at: Option<u64>,
    /// The items lie in the stream as the digest has them: nothing but a comma is between them.
    is_plain: bool,
    /// How many bytes the digest had before the current item, and before the last item that is read.
    began: u64,
    skip: u64,
    /// How the items that were read before are passed.
    passing: Passing,
    /// How many items are read, now or before.
    read: u64,
    /// How many items have passed.
    seen: u64,
    current: Current,
    /// How long the text was before the current item.
    before: usize,
    text: String,
    /// What is kept of the current item's text, where that is bounded.
    excerpt: Excerpt,
    /// How much of the first unread item was given.
    part: Option<Part>,
    /// The text begins where the one before broke off within an item.
    is_continued: bool,
    handed_over: HandedOver<'h>,
    /// The items are the history's, or the call fails: text can be handed over.
    is_history: bool,
    newest: ItemKind,
    failures: Failures,
    /// The history does not begin with the items that were read before.
    diverged: bool,
    /// An item did not fit any more: the items behind it are only counted.
    full: bool,
}

/// How the items that were read before are passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// They are skipped if the position says how many bytes they have.
    Quickly,
    /// They are being skipped, and the digest has not vouched for them yet.
    Skipping,
    /// They were skipped, and they are other ones: nobody knows which bytes come next.
    Astray,
    /// One by one.
    OneByOne,
}

/// The current item, by what is done with it.
enum Current {
    /// All items before the last one that was read before, of which so many bytes are to come: hashed.
    Skipped(u64, Nesting),
    /// It was read before: hashed.
    Known(ValueScan),
    /// It is the last item that was read before, and may be the newest of all: hashed, and decoded for its
    /// kind.
    LastKnown(ValueScan, ItemDecoder),
    /// It is read now: hashed and decoded.
    New(ItemDecoder),
    /// It is read now, as far as there is room, and behind what was given of it before: hashed and decoded.
    Bounded(ItemDecoder),
    /// It is left unread: only counted.
    Left(ValueScan),
}

impl<'h> Unread<'h> {
    /// What lies behind `from`, in at most `max_text` bytes of text; all of the history, as one that was rewritten, if
    /// there is no telling where that is. Where the text is long, its beginning goes to `hand_over`.
    pub(crate) fn behind(from: Option<Position>, max_text: Option<u64>, hand_over: &'h dyn Fn(&str)) -> Self {
        let rewritten = from.is_none();
        Self { rewritten, ..Self::after(from.unwrap_or(Position::START), max_text, hand_over) }
    }

    /// What lies behind `from`.
    fn after(from: Position, max_text: Option<u64>, hand_over: &'h dyn Fn(&str)) -> Self {
        Self {
            rewritten: false,
            from,
            max_text,
            digest: Digest::new(),
            digest_before: None,
            first_at: None,
            is_plain: true,
            began: 0,
            skip: 0,
            passing: Passing::Quickly,
            read: 0,
            seen: 0,
            current: Current::Left(ValueScan::within(Nesting::default())),
            before: 0,
            text: String::new(),
            excerpt: Excerpt::default(),
            part: None,
            is_continued: false,
            handed_over: HandedOver::nothing(hand_over),
            is_history: false,
            newest: ItemKind::Other,
            failures: Failures::default(),
            diverged: false,
            full: false,
        }
    }

    /// Whether the history begins with the items that were read before. To be asked when it is complete.
    pub(crate) fn continues(&self) -> bool {
        !self.diverged && self.seen >= self.from.items + u64::from(self.from.part.is_some())
    }

    /// Whether the history is known to be another one, though it was not read to its end.
    pub(crate) fn is_astray(&self) -> bool {
        self.passing == Passing::Astray
    }

    /// Takes a history again that ended while items were being skipped, so that there is no telling whether it was
    /// complete: item by item. `false` where none were.
    pub(crate) fn no_skipping(&mut self) -> bool {
        let is_skipping = self.passing == Passing::Skipping;
        if is_skipping {
            self.passing = Passing::OneByOne;
        }
        is_skipping
    }

    /// Takes a history that does not continue again, from its start. Nothing of it has been handed over: text
    /// is taken only behind the items that were read before.
    pub(crate) fn start_over(&mut self) {
        self.from = Position::START;
        self.rewritten = true;
        self.passing = Passing::OneByOne;
    }

    /// Whether all of the history is given, because it does not begin with the items that were read before.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.rewritten
    }

    /// Where the next read has to go on.
    pub(crate) fn end(&self) -> Position {
        let Position { separator, .. } = self.from;
        let digest = if self.read == 0 { 0 } else { self.digest.value() };
        let skip = if self.is_plain && separator == Separator::Comma { self.skip } else { 0 };
        Position { items: self.read, digest, part: self.part, skip, separator }
    }

    /// Whether the text begins where the one before broke off within an item.
    pub(crate) fn is_continued(&self) -> bool {
        self.is_continued
    }

    /// Whether the text breaks off within an item.
    pub(crate) fn is_cut(&self) -> bool {
        self.part.is_some()
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
        self.newest == ItemKind::User
    }

    /// The newest turn that failed, of those that are read now, and the last one.
    pub(crate) fn failure(&mut self) -> Option<Failure> {
        if self.remaining_items() > 0 {
            self.failures.go_on();
        }
        core::mem::take(&mut self.failures).newest()
    }

    /// The new text of the assistant, as far as it was not handed over; and how many lines there are in all,
    /// none only where there is no text.
    pub(crate) fn into_text(self) -> (String, usize) {
        let lines = self.handed_over.lines_with(&self.text);
        (self.text, lines)
    }

    /// Whether the current item is read, now or before.
    fn is_read(&self) -> bool {
        !self.full && !self.diverged
    }

    /// Takes a whole new item, whose last bytes these are.
    fn take(&mut self, kind: ItemKind, bytes: &[u8]) {
        self.newest = kind;
        if kind != ItemKind::Assistant {
            self.text.truncate(self.before);
        }
        self.digest.update(bytes);
    }

    /// Takes a new item, whose last bytes these are, as far as there is room for it.
    fn take_bounded(&mut self, kind: ItemKind, bytes: &[u8]) {
        self.newest = kind;
        if kind != ItemKind::Assistant {
            self.excerpt.take_back(0);
        }
        let is_next = self.seen == self.from.items;
        if is_next && self.from.part.is_some() && !self.excerpt.continues() {
            self.diverged = true;
            return;
        }
        let digest_before = self.digest_before.take();
        let is_first = self.is_first();
        if self.excerpt.is_whole() {
            self.digest.update(bytes);
        } else {
            if let Some(digest) = digest_before {
                self.digest = digest;
            }
            self.full = true;
            if !is_first {
                return;
            }
            self.part = Some(self.excerpt.part());
        }
        let kept = self.excerpt.kept();
        self.is_continued |= is_next && self.from.part.is_some() && !kept.is_empty();
        if self.text.is_empty() {
            core::mem::swap(&mut self.text, kept);
        } else {
            make_room(&mut self.text, kept.len());
            self.text.push_str(kept);
        }
    }

    /// Whether there is no text before the current item's.
    fn is_first(&self) -> bool {
        self.before == 0 && self.handed_over.bytes() == 0
    }

    /// Begins the last item that was read before, which may be the newest of all.
    fn begin_last_known(&mut self, around: Nesting) {
        self.newest = ItemKind::Other;
        // Its text is of no concern.
        self.excerpt.begin(None, 0, false);
        self.current = Current::LastKnown(ValueScan::within(around), ItemDecoder::new(around, 0, false));
    }

    /// The excerpt of an item that begins.
    fn begin_excerpt(&mut self) {
        let given = self.from.part.filter(|_| self.seen == self.from.items);
        let before = self.handed_over.bytes() + self.before as u64;
        let room = self.max_text.map_or(u64::MAX, |max| max.saturating_sub(before));
        let is_first = self.is_first();
        self.excerpt.begin(given, usize::try_from(room).unwrap_or(usize::MAX), is_first);
    }
}

/// Never told: the history is read again.
const REWRITTEN: &str = "its history was rewritten";

impl ItemSink for Unread<'_> {
    fn begin(&mut self, is_history: bool) {
        let (rewritten, passing) = (self.rewritten, self.passing);
        *self = Self::after(self.from, self.max_text, self.handed_over.to());
        self.rewritten = rewritten;
        if passing == Passing::OneByOne {
            self.passing = passing;
        }
        self.is_history = is_history;
    }

    fn item_begins(&mut self, around: Nesting, at: u64) {
        let scan = ValueScan::within(around);
        self.before = self.text.len();
        if self.is_read() {
            self.began = self.digest.length();
            self.is_plain &= at - *self.first_at.get_or_insert(at) == self.began;
        }
        if self.seen + 1 < self.from.items {
            let skips = self.seen == 0 && self.is_history && self.from.skip > 0;
            self.current = if skips && self.passing == Passing::Quickly {
                self.passing = Passing::Skipping;
                Current::Skipped(self.from.skip, around)
            } else {
                Current::Known(scan)
            };
        } else if self.seen < self.from.items {
            self.begin_last_known(around);
        } else if !self.is_read() {
            self.current = Current::Left(scan);
        } else if self.max_text.is_some() || self.from.part.is_some() && self.seen == self.from.items {
            self.newest = ItemKind::Other;
            self.begin_excerpt();
            self.current = Current::Bounded(ItemDecoder::new(around, 0, !self.is_first()));
        } else {
            self.newest = ItemKind::Other;
            let follows = self.handed_over.bytes() > 0;
            self.current = Current::New(ItemDecoder::new(around, self.before, follows));
        }
    }

    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        self.pass(bytes).inspect_err(|_| {
            if self.passing == Passing::Skipping {
                self.passing = Passing::Astray;
            }
        })
    }
}

impl Unread<'_> {
    /// Takes the next bytes of the current item, and perhaps more; see [`ItemSink::item`].
    fn pass(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson> {
        let end = match &mut self.current {
            Current::Skipped(left, around) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (skipped, rest) = bytes.split_at(here);
                if let Some(at) = memchr::memchr(b'\n', skipped) {
                    return Err(NotJson { why: REWRITTEN, at });
                }
                self.digest.update(skipped);
                *left -= here as u64;
                if *left > 0 {
                    return Ok(None);
                }
                let around = *around;
                self.seen = self.from.items - 1;
                self.began = self.digest.length();
                self.begin_last_known(around);
                let end = self.pass(rest).map_err(|fault| fault.behind(here))?;
                return Ok(end.map(|end| here + end));
            }
            Current::Known(scan) => {
                let end = scan.feed(bytes)?;
                self.digest.update(&bytes[..end.unwrap_or(bytes.len())]);
                end
            }
            Current::LastKnown(scan, decoder) => {
                let end = scan.feed(bytes)?;
                let bytes = &bytes[..end.unwrap_or(bytes.len())];
                self.digest.update(bytes);
                // Whether the item was read before, and so is JSON, is for the digest to say.
                let decoded = decoder.feed(bytes, &mut self.excerpt);
                if let Ok(Some((kind, _))) = decoded {
                    self.newest = kind;
                    self.failures.take(kind, decoder.failure().map(str::to_owned), false);
                }
                if end.is_some() || !matches!(decoded, Ok(None)) {
                    self.current = Current::Known(*scan);
                }
                end
            }
            Current::New(decoder) => {
                make_room(&mut self.text, bytes.len());
                match decoder.feed(bytes, &mut self.text)? {
                    None => {
                        self.digest.update(bytes);
                        None
                    }
                    Some((kind, end)) => {
                        self.failures.take(kind, decoder.failure().map(str::to_owned), true);
                        self.take(kind, &bytes[..end]);
                        Some(end)
                    }
                }
            }
            Current::Bounded(decoder) => match decoder.feed(bytes, &mut self.excerpt)? {
                None => {
                    if self.digest_before.is_none() {
                        self.digest_before = Some(self.digest.clone());
                    }
                    self.digest.update(bytes);
                    None
                }
                Some((kind, end)) => {
                    let failure = decoder.failure().map(str::to_owned);
                    self.take_bounded(kind, &bytes[..end]);
                    if self.is_read() {
                        self.failures.take(kind, failure, true);
                    }
                    Some(end)
                }
            },
            Current::Left(scan) => scan.feed(bytes)?,
        };
        if let Some(end) = end {
            self.seen += 1;
            if self.is_read() {
                self.digest.update(self.from.separator.bytes());
                (self.read, self.skip) = (self.seen, self.began);
                self.diverged = self.read == self.from.items && self.digest.value() != self.from.digest;
            }
            if self.passing == Passing::Skipping {
                if self.diverged {
                    return Err(NotJson { why: REWRITTEN, at: end });
                }
                self.passing = Passing::Quickly;
            }
            if self.is_history && self.text.len() > SHORT {
                self.handed_over.take(&mut self.text);
            }
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
