//! The signals that end a pod in good order.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind};

use super::ending::Ending;
use crate::exit::{HUNG_UP, INTERRUPTED, TERMINATED};
use crate::inherited::next;
use crate::interrupt::ending;

/// More than the orderly end takes: of the turn and of what commands have left (10 s), of what clients are still to be
/// told, and of the entries in files whose locks others hold. The supervisor ends the commands in any case.
const ORDERLY_END: Duration = Duration::from_secs(15);

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
            interrupt: ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?,
            terminate: ending(SignalKind::terminate(), TERMINATED, ORDERLY_END)?,
            hangup: ending(SignalKind::hangup(), HUNG_UP, ORDERLY_END)?,
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
