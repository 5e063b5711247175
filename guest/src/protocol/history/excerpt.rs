//! What is kept of an item's text where an answer is bounded: what lies behind the part that was given before, as far
//! as there is room for it. The rest of the text is counted, so that an item of any length takes no more memory.

use alloc::boxed::Box;
use alloc::string::String;

use crate::protocol::history::digest::Digest;
use crate::protocol::history::handover::make_room;
use crate::protocol::history::item::ItemText;

/// How much of an item's text was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its length, in bytes; more than none.
    pub(super) bytes: usize,
    /// The digest of the text up to there.
    pub(super) digest: u128,
}

/// The text of one item, of which a part is kept.
#[derive(Default)]
pub(crate) struct Excerpt {
    /// What was given before, and is passed over.
    given: Option<Part>,
    /// How much more is kept, in bytes.
    room: usize,
    /// One character is kept even where it does not fit.
    is_first: bool,
    now: State,
    /// As it was when the newest part of the item began.
    then: State,
    kept: String,
    incoming: String,
}

/// How far the text is.
#[derive(Clone, Default)]
struct State {
    /// How long the item's text is so far.
    length: usize,
    /// How much of it is kept.
    kept: usize,
    /// Something did not fit; nothing behind it is kept.
    is_full: bool,
    /// The text does not begin with what was given before.
    is_other: bool,
    /// Of what was passed over, where something is.
    passed: Option<Box<Digest>>,
}

impl Excerpt {
    /// An item begins, of which `given` was given before. Of the rest, `room` bytes are kept at most, and of an item
    /// that `is_first` in its answer one character at least.
    pub(crate) fn begin(&mut self, given: Option<Part>, room: usize, is_first: bool) {
        (self.given, self.room, self.is_first) = (given, room, is_first);
        self.incoming.clear();
        self.start();
    }

    fn start(&mut self) {
        self.kept.clear();
        self.now = State { passed: self.given.map(|_| Box::new(Digest::new())), ..State::default() };
        self.then = self.now.clone();
    }

    /// Whether the complete text begins with what was given before.
    pub(super) fn continues(&self) -> bool {
        !self.now.is_other && self.now.length >= self.skipped()
    }

    /// Whether all of the complete text is kept that was not given before.
    pub(crate) fn is_whole(&self) -> bool {
        !self.now.is_full
    }

    /// What has been given of the text once what is kept is given.
    pub(super) fn part(&self) -> Part {
        let mut digest = self.now.passed.as_deref().cloned().unwrap_or_else(Digest::new);
        digest.update(self.kept.as_bytes());
        Part { bytes: self.skipped() + self.kept.len(), digest: digest.value() }
    }

    /// What is kept.
    pub(crate) fn kept(&mut self) -> &mut String {
        &mut self.kept
    }

    fn skipped(&self) -> usize {
        self.given.map_or(0, |given| given.bytes)
    }

    /// Passes over what was given before; what is behind it.
    fn pass<'t>(&mut self, text: &'t str) -> &'t str {
        let (Some(given), State { length, is_other, passed: Some(passed), .. }) = (self.given, &mut self.now)
        else {
            return text;
        };
        let left = given.bytes.saturating_sub(*length);
        if left == 0 || *is_other {
            return text;
        }
        let Some((before, behind)) = text.split_at_checked(left.min(text.len())) else {
            // What was given ended between two characters.
            *is_other = true;
            return text;
        };
        passed.update(before.as_bytes());
        *length += before.len();
        *is_other = *length == given.bytes && passed.value() != given.digest;
        behind
    }
}

impl ItemText for Excerpt {
    fn length(&self) -> usize {
        self.now.length
    }

    fn append(&mut self, text: &str) {
        let text = self.pass(text);
        self.now.length = self.now.length.saturating_add(text.len());
        if self.now.is_full || self.now.is_other || text.is_empty() {
            return;
        }
        let mut end = text.floor_char_boundary(self.room.saturating_sub(self.kept.len()));
        if self.is_first && self.kept.is_empty() {
            end = end.max(text.ceil_char_boundary(1));
        }
        self.now.is_full = end < text.len();
        make_room(&mut self.kept, end);
        self.kept.push_str(&text[..end]);
        self.now.kept = self.kept.len();
    }

    fn take_back(&mut self, length: usize) {
        if length >= self.now.length {
            return;
        }
        if length == self.then.length {
            self.now = self.then.clone();
            self.kept.truncate(self.now.kept);
        } else {
            self.start();
        }
    }

    fn part_begins(&mut self) {
        self.then = self.now.clone();
    }

    fn incoming(&mut self) -> &mut String {
        &mut self.incoming
    }

    fn take_in(&mut self) {
        if !self.incoming.is_empty() {
            let incoming = core::mem::take(&mut self.incoming);
            self.append(&incoming);
            self.incoming = incoming;
            self.incoming.clear();
        }
    }
}
