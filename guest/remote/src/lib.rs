//! The plugin's imports in a host of somebody else's: this component exports `pods`, `unix-socket`, `scope-lock` and
//! `content` as the plugin imports them, and asks a gateway for all but the last, by the protocol in
//! `wit/gateway.md`. It decides nothing, and keeps nothing beyond a call.
//!
//! The rooms of the crate. A room uses only rooms that are named before it:
//!
//! - [`frame`]: requests as bytes, answers from bytes
//! - [`link`]: a connection, as a session uses it; `tcp`: the system's; `host`: the component's
//! - [`session`]: one call of a tool: what is asked, what is told, and why it is over
//! - `component`: the exports over all of these; `error`: their errors; `runtime`: its memory, and its panics, as the
//!   plugin has them
//!
//! `guest/remote-zeroclaw` is the same with another `host`.
//!
//! But for what is the component's they are a client of the protocol for any program.

#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
mod error;
pub mod frame;
#[cfg(target_family = "wasm")]
mod host;
pub mod link;
#[cfg(target_family = "wasm")]
#[path = "../../src/runtime.rs"]
mod runtime;
pub mod session;
#[cfg(not(target_family = "wasm"))]
pub mod tcp;
