//! Waiting within a call: how long, and where it is no harm.

use std::time::Duration;

use tokio::time::Instant;

use super::cpu_clock::CpuClock;
use crate::error::{Reason, ToolError};

/// A bounded wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    /// How long, as it is said to people.
    pub(crate) length: Duration,
    /// Until when: no later than the end of the call.
    pub(crate) until: Instant,
}

impl Wait {
    /// What is left of it, for code that waits on a thread of its own.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Changes a file under its lock. That is mostly free, and the file is in memory: then it is done here and
/// now, as a registry is read, and no thread has to be woken for it. Where the lock is held, it is waited for
/// on a thread where waiting is no harm.
pub(crate) async fn patiently<T: Send + 'static>(
    clock: &CpuClock,
    wait: Wait,
    work: impl Fn(Duration) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match work(Duration::ZERO) {
        Err(error) if error.reason == Some(Reason::LockBusy) => {}
        done => return done,
    }
    blocking(clock, move || work(wait.left())).await?
}

/// Runs code that waits for locks or disks on a thread where waiting is no harm. It runs to its end even if
/// the call is dropped meanwhile. What it computes is counted by the call's clock.
pub(crate) async fn blocking<T: Send + 'static>(
    clock: &CpuClock,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolError> {
    let clock = clock.clone();
    tokio::task::spawn_blocking(move || clock.count(work)).await.map_err(|error| {
        ToolError::internal(format!("the host failed in the middle of an operation: {error}"))
    })
}
