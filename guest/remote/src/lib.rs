//! The plugin's imports in a host of somebody else's: this component exports `pods`, `unix-socket`, `scope-lock` and
//! `content` as the plugin imports them, and asks a gateway for all but the last, by the protocol in
//! `wit/gateway.md`. It decides nothing, and keeps nothing beyond a call.
//!
//! The rooms of the crate. A room uses only rooms that are named before it:
//!
//! - [`frame`]: requests as bytes, answers from bytes
//! - [`session`]: the connection that is one call of a tool: what is asked, what is told, and why it is over
//! - `component`: the exports over both
//!
//! But for the last one they are plain Rust over [`std::net::TcpStream`]: a client of the protocol for any program.

#[cfg(target_family = "wasm")]
mod component;
pub mod frame;
pub mod session;
