//! How far a pod's history was read, by whom, and which reader may say so.

use serde::{Deserialize, Serialize};

use super::reader::Reader;

/// How far a pod's history was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCursor {
    /// Number of history items, from the first, that were read.
    pub items: u64,
    /// A digest of their bytes, in the component's own notation.
    pub digest: String,
}

/// Whether a reader that began at `base` may replace the cursor that is `stored` by `new`: the rule of
/// [`Registry::set_cursor`](super::Registry::set_cursor).
pub(super) fn may_replace(
    stored: Option<&StoredCursor>,
    base: Option<&StoredCursor>,
    new: &StoredCursor,
) -> bool {
    match stored {
        _ if stored == base => true,
        Some(stored) => new.items > stored.items,
        None => false,
    }
}

/// How far the readers of one pod that have names have read it: in the order in which they last did, and no
/// more than [`MAX`](Self::MAX). Whoever has not read for longest gives way to a new one, and would be given
/// the text again: a client can choose its name, and a store must not grow with what clients choose.
#[derive(Debug, Default)]
pub(super) struct ReaderCursors(Vec<(Reader, StoredCursor)>);

impl ReaderCursors {
    /// The most readers with names of one pod.
    pub(super) const MAX: usize = 32;

    pub(super) fn get(&self, reader: &Reader) -> Option<&StoredCursor> {
        self.0.iter().find(|(other, _)| other == reader).map(|(_, cursor)| cursor)
    }

    pub(super) fn set(&mut self, reader: Reader, cursor: StoredCursor) {
        self.0.retain(|(other, _)| *other != reader);
        if self.0.len() >= Self::MAX {
            self.0.remove(0);
        }
        self.0.push((reader, cursor));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// From the one that has not read for longest to the one that has read last.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Reader, &StoredCursor)> {
        self.0.iter().map(|(reader, cursor)| (reader, cursor))
    }
}
