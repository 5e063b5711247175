//! The adapter for ZeroClaw, where a plugin is one tool (`zeroclaw:plugin/tool`): each call of it is a session with the
//! gateway. Which tool it is was chosen when the plugin was composed. Nothing is decided here.
//!
//! What a tool answers is a text there: its summary, on the first line; its text; its data, on the last line. An error
//! is a message, and its kind and reason are the output. [`answer`] has both.
//!
//! Read cursors move with `commit`, before the answer has left the component.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

pub mod answer;
#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
#[path = "../../../src/runtime.rs"]
mod runtime;
