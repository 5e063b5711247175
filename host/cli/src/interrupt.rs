//! Ctrl-C: caught from before the first call until the process ends, so that it ends a call cleanly and none
//! is lost between two calls.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind};

use crate::inherited::{caught, next};

/// From when this exists on, Ctrl-C no longer kills the process: it waits to be asked for. Where the parent has
/// it ignored, as shells do for jobs in the background, it stays ignored.
#[derive(Debug)]
pub struct Interrupt(Option<Signal>);

impl Interrupt {
    /// Fails where the system refuses to deliver signals.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(caught(SignalKind::interrupt())?))
    }

    /// What comes of `work`; `None`, and `work` is dropped, if Ctrl-C comes first or has come before.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = next(&mut self.0) => None,
            done = work => Some(done),
        }
    }
}
