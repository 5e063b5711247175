//! The signals that end a pod in good order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ending::Ending;

/// From when this exists on, these signals no longer kill the process: they wait to be asked for.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Fails where the system refuses to deliver signals.
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupted,
            _ = self.terminate.recv() => Ending::Terminated,
            _ = self.hangup.recv() => Ending::Terminated,
        }
    }
}
