//! What one call of the plugin holds: its context, its handles, its exchanges and staged cursors, and the [gate]
//! between them and the host functions.

pub(crate) mod content;
pub(crate) mod context;
pub(crate) mod cpu_clock;
mod cursors;
pub(crate) mod exchange;
pub(crate) mod gate;
pub(crate) mod host_error;
pub(crate) mod memory;
mod request_line;
pub(crate) mod wait;

pub use context::{PodCtx, PodCtxView, PodView};
pub use cursors::{Commit, CommitDone, Staged};
