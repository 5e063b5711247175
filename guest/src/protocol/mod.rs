//! The pod protocol, as a client reads it: JSON lines, each an event, decoded out of the pieces in which a
//! pod sends them; and the history that an event may carry.
//!
//! Nothing here knows the tools.

mod decoder;
mod event;
mod exchange;
pub(crate) mod history;
mod item_sink;
mod malformed;

pub(crate) use event::{ErrorCode, Event, RunResult};
pub(crate) use exchange::{Events, Next};
pub(crate) use item_sink::ItemSink;
