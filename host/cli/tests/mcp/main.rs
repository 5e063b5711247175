//! `pod-tools mcp` and clients that misbehave: what they get, what it costs, and who else notices. Clients that
//! behave are in `tests/mcp` at the top, with the official SDK and the official conformance suite.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod bounds;
mod browsers;
mod client;
mod connections;
mod grants;
mod http;
mod ids;
mod install;
mod readers;
mod resources;
mod revisions;
mod shortage;
mod stdio;
mod streams;
mod tools;

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/log.rs"]
mod log;
