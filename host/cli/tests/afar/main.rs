//! The plugin in a host of somebody else's: the composition that `pod-tools compose` makes, in wasmtime as a library
//! with one port allowed, and the gateway on that port.

#![allow(clippy::unwrap_used)]

#[path = "../support/cli.rs"]
mod cli;
mod host;
mod message_host;
mod messages;
mod outcomes;
mod round_trips;
mod tools;
