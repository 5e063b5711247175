//! The signals that end a pod in good order.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

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
        let hangup = ending(SignalKind::hangup(), HUNG_UP, ORDERLY_END)?;
        Ok(Signals { hangup, ..Signals::catch_but_hangup()? })
    }

    /// Those of a pod that has no terminal, and whose end is not to be that of somebody else's: SIGHUP ends it no more than
    /// it ends a program under `nohup`. The pod's commands have it as it was.
    pub fn catch_without_terminal() -> std::io::Result<Signals> {
        let signals = Signals::catch_but_hangup()?;
        // Caught, and nobody asks for it.
        let _ = signal(SignalKind::hangup())?;
        Ok(signals)
    }

    fn catch_but_hangup() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?,
            terminate: ending(SignalKind::terminate(), TERMINATED, ORDERLY_END)?,
            hangup: None,
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
