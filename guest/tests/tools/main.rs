//! The four tools, through the public interface, with a host that follows a script.

#![allow(clippy::unwrap_used)]

mod compaction;
mod cuts;
mod input;
mod list;
mod read;
mod scripted;
mod send;
mod stop;
mod transcript;
mod wording;
