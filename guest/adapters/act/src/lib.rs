//! The adapter for ACT, which calls `act:tools/tool-provider`, and serves what that has over MCP: each call of a tool is a
//! session with the gateway. Nothing is decided here.
//!
//! Arguments and metadata are CBOR. An answer is its summary and, behind that, its text; its data, a JSON text, is
//! metadata of the summary (`pod-tools:data`), for programs, as the reason of an error is (`pod-tools:reason`).
//!
//! Read cursors move with `commit`, before the answer has left the component: ACT collects what a call gives before it
//! answers, also what a component streams.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
#[path = "../../../src/runtime.rs"]
mod runtime;
