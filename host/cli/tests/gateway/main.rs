//! `pod-tools gateway`, by a client that speaks its protocol by hand: what a session gives, what it is refused, what it
//! costs others, and what is left of it.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod bad_input;
mod bounds;
mod callers;
mod client;
mod ends;
mod process;
mod requests;
mod tokens;
mod wire;

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/log.rs"]
mod log;
