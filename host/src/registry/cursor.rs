//! How far a pod's history was read, and which reader may say so.

use serde::{Deserialize, Serialize};

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
