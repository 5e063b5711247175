//! `pod-tools pod` as others meet it: real processes, real sockets, real files.

#![allow(clippy::unwrap_used)] // A fault of the harness is a failed test.

mod clients;
mod harness;
mod life;
mod namespaces;
mod scope;
mod turns;
