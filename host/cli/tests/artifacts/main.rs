//! `pod-tools push`, `pull` and `--component` with a reference: with a real registry, and with servers that lie.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod keys;
mod liar;
mod lies;
mod loading;
mod place;
mod pushed;
mod refused;
mod registry;
mod signed;
mod tls;

#[path = "../support/cli.rs"]
mod cli;
