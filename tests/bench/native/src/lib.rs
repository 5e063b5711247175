//! The pod tools as native code has them, for the sandboxed ones to be measured against.
//!
//! It stands for tools that live in the agent's own process, with all of its rights: tokio, one `read_line`
//! per event, the event deserialized with its items as [`serde_json::Value`], each new item converted from a
//! clone, one probe after the other, the registry and the cursors in memory. No sandbox, no checks, no limit
//! but five seconds per socket operation; a stop that writes its request and leaves. Where native tools do
//! something that costs, so does this: the records are cloned out of the registry, and the scope table is
//! read, rewritten and synced once, under its lock.
//!
//! It is meant to be as fast as such code is, and no faster: whoever improves it changes what the figures say.
//!
//! [`drive`] is the loop in which either side of the benchmark runs as a process of its own; [`batch`] is the native
//! tools as a process that is used as `pod-tools call --batch` is.

pub mod batch;
pub mod drive;
mod protocol;
mod registry;
mod scope_lock;
mod tools;
pub mod usage;

pub use registry::Registry;
pub use tools::{Output, Tools};
