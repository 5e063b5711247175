//! Ctrl-C: caught from before the first call until the process ends, so that it ends a call cleanly and none
//! is lost between two calls.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// From when this exists on, Ctrl-C no longer kills the process: it waits to be asked for.
#[derive(Debug)]
pub struct Interrupt(Signal);

impl Interrupt {
    /// Fails where the system refuses to deliver signals.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?))
    }

    /// What comes of `work`; `None`, and `work` is dropped, if Ctrl-C comes first or has come before.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.0.recv() => None,
            done = work => Some(done),
        }
    }
}
