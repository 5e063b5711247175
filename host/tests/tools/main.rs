//! The tools through the component, as the library calls them: what only Rust sees. Authorities and
//! their ledgers, answers that are delivered late or not at all, descriptors, a registry that is locked.
//! What the tools mean and say is for the conformance kit and the guest's own tests.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod descriptors;
mod grants;
mod ledger;
mod read_cursor;
mod registry_lock;
#[path = "../support/remedy.rs"]
mod remedy;
mod replaced;
mod support;
mod transcript;
mod vectors;
mod waits;
