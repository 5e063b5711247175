//! `pod-tools pod` as others meet it: real processes, real sockets, real files.

#![allow(clippy::unwrap_used)] // A fault of the harness is a failed test.

mod acp;
mod acp_faults;
mod agents;
mod background;
mod clients;
#[cfg(target_os = "linux")]
mod fence;
mod harness;
mod life;
mod names;
mod namespaces;
mod permit;
mod person;
mod scope;
mod spawned;
mod turns;
mod units;
mod watched;
mod withstands;
