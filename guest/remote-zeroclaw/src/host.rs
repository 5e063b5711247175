//! What ZeroClaw offers: TCP, as the operator's `egress_hosts` allows it, and no environment.
//!
//! Receiving does not wait there, so this asks again until something has come, and in between waits on WASI's clock.
//! Each question counts: ZeroClaw answers 1,000 of them in a call. Some are kept for the call's end.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::Cell;
use core::net::SocketAddr;
use core::time::Duration;

use bindings::zeroclaw::plugin::sockets::{
    self, ConnectMode, ConnectRequest, Connection, ReceiveEvent, SocketError,
};
use wasip2::clocks::monotonic_clock;

use crate::link::{Broken, Link};

mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../adapters/zeroclaw/wit/deps/zeroclaw-plugin",
        inline: "package pod:remote-zeroclaw; world connections { import zeroclaw:plugin/sockets@0.1.0; }",
        world: "pod:remote-zeroclaw/connections",
        generate_all,
    });
}

/// The most that ZeroClaw takes at once, in bytes.
const PIECE: usize = 16 << 10;

/// A pause between two questions: an eighth of the time that was waited already, so that a short wait is noticed at once
/// and 30 s take no more than some 360 questions. In nanoseconds.
const SHORTEST_PAUSE: u64 = 200_000;
const LONGEST_PAUSE: u64 = 100_000_000;

/// How many questions pods may use up with what they say. With the rest a call can still wait 5 s for a pod's end, release
/// its scope, forget it and commit.
const QUESTIONS: u32 = 850;

/// There is no environment, so there is no variable.
pub fn variable(_: &str) -> Option<String> {
    None
}

/// A TCP connection.
pub struct Tcp {
    connection: Connection,
    /// What has come and was not asked for yet.
    rest: Vec<u8>,
    within: Duration,
    /// How many questions it was asked.
    asked: Cell<u32>,
}

impl Link for Tcp {
    fn connect(gateway: SocketAddr, within: Duration) -> Result<Self, String> {
        let request = ConnectRequest {
            host: gateway.ip().to_string(),
            port: gateway.port(),
            mode: ConnectMode::Plaintext,
            tls_profile: None,
        };
        let connection = sockets::connect(&request).map_err(|error| error.name().replace('-', " "))?;
        Ok(Self { connection, rest: Vec::new(), within, asked: Cell::new(0) })
    }

    fn wait_at_most(&mut self, within: Duration) {
        self.within = within;
    }

    fn is_nearly_spent(&self) -> bool {
        self.asked.get() >= QUESTIONS
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        bytes.chunks(PIECE).try_for_each(|piece| {
            self.count();
            self.connection.send(piece).map_err(broken)
        })
    }

    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Broken> {
        if self.rest.is_empty() {
            self.rest = self.come()?;
        }
        let later = self.rest.split_off(max.min(self.rest.len()));
        Ok(core::mem::replace(&mut self.rest, later))
    }
}

impl Tcp {
    fn count(&self) {
        self.asked.set(self.asked.get() + 1);
    }

    /// What comes next, as soon as it has come.
    fn come(&self) -> Result<Vec<u8>, Broken> {
        let begun = monotonic_clock::now();
        loop {
            self.count();
            match self.connection.receive().map_err(broken)? {
                ReceiveEvent::Data(bytes) if !bytes.is_empty() => return Ok(bytes),
                ReceiveEvent::Closed(_) => return Err(Broken::Ended),
                ReceiveEvent::Data(_) | ReceiveEvent::Idle => {}
            }
            let waited = monotonic_clock::now().saturating_sub(begun);
            if u128::from(waited) >= self.within.as_nanos() {
                return Err(Broken::TimedOut);
            }
            monotonic_clock::subscribe_duration((waited / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).block();
        }
    }
}

fn broken(error: SocketError) -> Broken {
    match error {
        // The only one that a connection there is can have: the call's questions are used up.
        SocketError::HostUnavailable => Broken::Spent,
        _ => Broken::Ended,
    }
}
