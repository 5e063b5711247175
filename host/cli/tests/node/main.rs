//! `pod-tools node` and its callers, over a real server of NATS: what arrives, what is refused, and what becomes of calls
//! whose server, link or node goes away. Without `nats-server` the tests say that they were not run.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod calls;
mod events;
mod faults;
mod given_up;
mod limits;
mod refused;
mod relay;
mod wire;
mod world;

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/log.rs"]
mod log;
