//! The signals that end the process: caught from before the first call until it ends, so that they end a call cleanly
//! and none is lost between two calls. And its end whatever its threads do: the orderly end takes a thread that runs
//! futures, and all of them may be held up by a reader of the log, a disk, or a lock.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind};

use crate::exit::INTERRUPTED;
use crate::inherited::{caught, next};

/// The orderly end has so long: answers and state are written meanwhile. What ends then is as if it were killed, which
/// loses nothing that an orderly end would have kept.
pub const ORDERLY_END: Duration = Duration::from_secs(5);

/// From when this exists on, Ctrl-C no longer kills the process at once: it waits to be asked for. Where the parent has
/// it ignored, as shells do for jobs in the background, it stays ignored.
#[derive(Debug)]
pub struct Interrupt(Option<Signal>);

impl Interrupt {
    /// Fails where the system refuses to deliver signals.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?))
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

/// Catches a signal that is to end the process. If the process goes on for so long after it, it is ended with that exit
/// status. `None`: the parent has the signal ignored.
pub fn ending(kind: SignalKind, status: u8, orderly: Duration) -> io::Result<Option<Signal>> {
    let signal = caught(kind)?;
    if signal.is_some() {
        end_in_any_case(kind, status, orderly)?;
    }
    Ok(signal)
}

/// On a thread that waits for nothing but the signal.
fn end_in_any_case(kind: SignalKind, status: u8, orderly: Duration) -> io::Result<()> {
    let (told, teller) = io::pipe()?;
    // The handler stays to the end of the process, and so does what it writes to.
    let teller = OwnedFd::from(teller).into_raw_fd();
    let mut told = File::from(OwnedFd::from(told));
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if told.read_exact(&mut [0]).is_ok() {
            std::thread::sleep(orderly);
            // SAFETY: `_exit` takes any status. It runs nothing that other threads could hold up.
            unsafe { libc::_exit(status.into()) };
        }
    })?;
    let tell = move || {
        // SAFETY: `write` may be called by signal handlers, the byte outlives the call, and the descriptor is never
        // closed. The pipe blocks nobody: the first of its bytes ends the process before it is full.
        unsafe { libc::write(teller.as_raw_fd(), [0_u8].as_ptr().cast(), 1) };
    };
    // SAFETY: the action does nothing but what signal handlers may, and does not unwind.
    unsafe { signal_hook_registry::register(kind.as_raw_value(), tell) }?;
    Ok(())
}
