//! The adapter for hosts that call the contract's own `tools`, as `wasmtime run --invoke` and programs that embed a
//! runtime do: each call of the plugin is a session with the gateway. Nothing is decided here.
//!
//! Read cursors move with `commit`, before the answer has left the component: a host that is killed in between has
//! moved them, and the text of that answer is not given again.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
#[path = "../../../src/runtime.rs"]
mod runtime;
