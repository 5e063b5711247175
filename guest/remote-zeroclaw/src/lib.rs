//! `guest/remote` for ZeroClaw, which offers a component connections of its own (`zeroclaw:plugin/sockets`) and no
//! environment. Nothing but `host.rs` differs; the rooms are those of `guest/remote`.

#![cfg(target_family = "wasm")]
#![no_std]

extern crate alloc;

#[path = "../../remote/src/component.rs"]
mod component;
#[path = "../../remote/src/error.rs"]
mod error;
#[path = "../../remote/src/frame.rs"]
mod frame;
mod host;
#[path = "../../remote/src/link.rs"]
mod link;
#[path = "../../src/runtime.rs"]
mod runtime;
#[path = "../../remote/src/session.rs"]
mod session;
