//! The signals that end a pod in good order.

use tokio::signal::unix::{Signal, SignalKind};

use super::ending::Ending;
use crate::inherited::{caught, next};

/// From when this exists on, these signals no longer kill the process: they wait to be asked for. Those that the
/// parent has ignored stay ignored: a pod under `nohup` outlives its terminal.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Fails where the system refuses to deliver signals.
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: caught(SignalKind::interrupt())?,
            terminate: caught(SignalKind::terminate())?,
            hangup: caught(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            () = next(&mut self.interrupt) => Ending::Interrupted,
            () = next(&mut self.terminate) => Ending::Terminated,
            () = next(&mut self.hangup) => Ending::Terminated,
        }
    }
}
