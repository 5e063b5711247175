//! Where the items of a history go while the event that carries them is decoded.

use crate::json::{Nesting, NotJson};

/// Takes the items of a history as their bytes arrive, and finds the end of each item.
pub(crate) trait ItemSink {
    /// A list of items begins; items of an earlier list were not the history's. `is_history` says that the
    /// event is known to be a history, so that the items are the history's unless an error follows. Otherwise
    /// the event may still turn out to be another one.
    fn begin(&mut self, is_history: bool);
    /// An item follows, inside the open brackets `around`, behind so many bytes of its line.
    fn item_begins(&mut self, around: Nesting, at: u64);
    /// Takes the item's next bytes, and perhaps more. Gives how many of them belong to the item if they hold
    /// its end, and `None` if all of them do and more are needed.
    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, NotJson>;
}

/// The sink of a reader that wants the items of a history; `None` for a reader that does not.
pub(super) type Sink<'a> = Option<&'a mut dyn ItemSink>;
