//! Ctrl-C: caught from before the first call until the process ends, so that it ends a call cleanly and none
//! is lost between two calls.

use std::future::Future;
use std::io::{self, Write};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

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

/// Writes to standard output and flushes: then, and not before, the reader has it.
///
/// On a thread of its own, which the end of the process does not wait for: a reader that has stopped reading
/// holds up the thread, and not Ctrl-C.
pub async fn print(bytes: Vec<u8>) -> io::Result<()> {
    let (sender, written) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        let mut out = io::stdout().lock();
        let _ = sender.send(out.write_all(&bytes).and_then(|()| out.flush()));
    })?;
    written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}
