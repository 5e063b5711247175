//! The plugin in a host of somebody else's: the composition that `pod-tools compose` makes, in wasmtime as a library
//! with one port allowed, and the gateway on that port.

#![allow(clippy::unwrap_used)]

#[path = "../support/cli.rs"]
mod cli;
mod host;
mod hostile;
mod message_host;
mod messages;
mod outcomes;
#[allow(dead_code, reason = "what is composed otherwise than `compose` does")]
#[path = "../../src/compose/parts.rs"]
mod parts;
mod round_trips;
mod tools;
