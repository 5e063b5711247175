//! The text of an answer on its way to the host. A text that becomes long is handed over in parts, so that
//! the component need not hold it whole.

use alloc::string::String;
use alloc::vec::Vec;

use crate::protocol::exchange::PIECE_BYTES;

/// How long a text may be that is kept, in bytes: moving it costs next to nothing. A longer text is handed
/// over.
pub(super) const SHORT: usize = 64 << 10;

/// The part of a text that has been handed over.
pub(super) struct HandedOver<'h> {
    to: &'h dyn Fn(&str),
    bytes: u64,
    line_ends: usize,
    ends_with_line_end: bool,
}

impl<'h> HandedOver<'h> {
    /// Nothing yet. What is handed over goes to `to`.
    pub(super) fn nothing(to: &'h dyn Fn(&str)) -> Self {
        Self { to, bytes: 0, line_ends: 0, ends_with_line_end: true }
    }

    /// Where the text goes.
    pub(super) fn to(&self) -> &'h dyn Fn(&str) {
        self.to
    }

    /// How long it is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands the text over.
    pub(super) fn take(&mut self, text: &mut String) {
        (self.to)(text);
        self.count(text);
        text.clear();
    }

    /// How many lines there are with `rest`, which is not handed over; none only where there is no text at
    /// all.
    pub(super) fn lines_with(mut self, rest: &str) -> usize {
        self.count(rest);
        self.line_ends + usize::from(!self.ends_with_line_end)
    }

    fn count(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        self.line_ends += memchr::memchr_iter(b'\n', text.as_bytes()).count();
        self.ends_with_line_end = text.ends_with('\n') || (self.ends_with_line_end && text.is_empty());
    }
}

/// Makes room for `more` bytes by growing the text where it is. A move would cost a copy, and leave behind
/// memory that the component cannot give back. The allocator extends a block in place only if it is the last
/// one, and only into memory that it has already.
pub(super) fn make_room(text: &mut String, more: usize) {
    if text.capacity() - text.len() >= more {
        return;
    }
    if text.len() + more <= SHORT {
        return text.reserve(more);
    }
    // Pieces of the history come and go: they get their place before the text, so that the text stays the
    // last.
    let pieces = if text.capacity() <= 2 * SHORT { 2 * PIECE_BYTES as usize } else { 0 };
    let room = more.max(text.capacity() / 4);
    let (mut before, mut behind) = (Vec::<u8>::new(), Vec::<u8>::new());
    let is_there = before.try_reserve_exact(pieces).is_ok() && behind.try_reserve_exact(room).is_ok();
    drop(behind);
    text.reserve_exact(if is_there { room } else { more });
}
