//! The adapter for wasmCloud's messages over NATS. A message is a call: the last token of its subject is the tool, its
//! payload the input as JSON, or nothing. The answer is published to the reply subject: the line that `pod-tools call
//! --batch` prints, so that clients of either read one format. Each call of the plugin is a session with the gateway.
//! Nothing is decided here.
//!
//! - [`mod@line`]: an answer as JSON
//! - `component`: the handler of messages
//!
//! Read cursors move when the host has taken the answer to publish it, and not before: that is as late as its interface
//! tells anything. An answer that the server would not take is none, and moves no cursor.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
mod component;
pub mod line;
#[cfg(target_family = "wasm")]
#[path = "../../../src/runtime.rs"]
mod runtime;
