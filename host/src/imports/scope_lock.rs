//! `scope-lock`: transactions on the machine-wide table. The lock is taken and let go within one function.

use std::path::Path;
use std::time::Duration;

use wasmtime::component::Resource;

use super::bindings::pod::tools::scope_lock as wit;
use crate::authority::operation::Operation;
use crate::call::PodCtxView;
use crate::call::gate::{Pod, PodPermit};
use crate::call::host_error::HostResult;
use crate::call::wait::{Wait, blocking, patiently};
use crate::error::{Reason, ToolError};
use crate::escape::{Escaped, EscapedPath};
use crate::files::place;
use crate::scope::{Allocation, Evidence, Life, LifeCheck, TransactError};
use crate::sockets::connect::{ConnectError, connect};
use crate::sockets::refusal::descriptors_exhausted;

/// How long to wait before a process that is ending is looked at again: first this long, then in steps that grow.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl wit::Host for PodCtxView<'_> {
    async fn release(&mut self, pod: Resource<Pod>, within_ms: Option<u32>) -> HostResult<()> {
        let permit = self.admit(Operation::ReleaseScope, &pod)?;
        let wait = self.ctx.wait(within_ms);
        // Mostly the pod is gone by now and the lock is free: then no thread has to be woken for it.
        match try_release(&permit, Duration::ZERO) {
            Err(obstacle) if obstacle.may_pass() => {
                let releasing = permit.clone();
                blocking(self.ctx.clock(), move || release(&releasing, wait)).await??;
            }
            tried => tried.map_err(|obstacle| obstacle.into_error(wait))?,
        }
        self.note_released(&permit, &pod)
    }

    async fn reclaim_stale(&mut self, within_ms: Option<u32>) -> HostResult<u32> {
        let permit = self.ctx.admit(Operation::ReclaimScope, None)?;
        let reclaimed =
            patiently(self.ctx.clock(), self.ctx.wait(within_ms), move |wait| match permit.scope_lock() {
                Some(lock) => Ok(lock.reclaim_stale(wait)?),
                None => Ok(0),
            });
        Ok(reclaimed.await?)
    }
}

/// What is in the way of a release.
enum Obstacle {
    /// It will not go away by waiting.
    Lasting(ToolError),
    /// A process that may be about to end. What it is called is looked up when it did not, and without the lock.
    Living(Evidence),
    /// The same, where its socket cannot be asked: the error of that.
    Unasked(ToolError),
}

impl From<ToolError> for Obstacle {
    fn from(error: ToolError) -> Self {
        Self::Lasting(error)
    }
}

impl Obstacle {
    /// Whether waiting may help: a process may be about to end, and the lock about to be free.
    fn may_pass(&self) -> bool {
        match self {
            Self::Living(_) | Self::Unasked(_) => true,
            Self::Lasting(error) => error.reason == Some(Reason::LockBusy),
        }
    }

    /// The error where it was in the way for all of `wait`.
    fn into_error(self, wait: Wait) -> ToolError {
        match self {
            Self::Living(evidence) => still_running(wait, &evidence),
            Self::Lasting(error) | Self::Unasked(error) => error,
        }
    }
}

/// Releases the allocation of a pod that is gone, and waits for its end where it may be ending.
fn release(permit: &PodPermit, wait: Wait) -> Result<(), ToolError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match try_release(permit, wait.left()) {
            Err(obstacle) if obstacle.may_pass() && !wait.left().is_zero() => {
                std::thread::sleep(pause.min(wait.left()));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            tried => return tried.map_err(|obstacle| obstacle.into_error(wait)),
        }
    }
}

/// Releases the allocation if the pod is known to be gone. `patience` is how long the lock is waited for.
///
/// All is asked under the lock: a pod that starts has to pass the lock before it takes connections, so it cannot come
/// to life between the question and the release.
fn try_release(permit: &PodPermit, patience: Duration) -> Result<(), Obstacle> {
    let Some(lock) = permit.scope_lock() else {
        return may_release(permit, None, &LifeCheck::without_table(permit.directories()));
    };
    let released = lock.release(permit.name(), patience, |entry, check| may_release(permit, entry, check));
    match released {
        Ok(_) => Ok(()),
        Err(TransactError::Refused(obstacle)) => Err(obstacle),
        Err(TransactError::Lock(error)) => Err(Obstacle::Lasting(error.into())),
    }
}

/// Whether nothing is in the way: neither a socket that takes connections nor anything that may live.
fn may_release(
    permit: &PodPermit,
    entry: Option<&Allocation>,
    check: &LifeCheck<'_>,
) -> Result<(), Obstacle> {
    let socket = &permit.record().socket_path;
    let life = entry.map_or(Life::Gone, |entry| check.of(entry));
    // Another pod of that name, whose scope is not ours to give away while it lives.
    if let Some(other) = entry.map(|entry| &entry.socket).filter(|other| !place::is_same(other, socket)) {
        match refuse_if_living(permit, other, !life.is_gone()) {
            Err(error) if error.reason == Some(Reason::SocketRefused) => {
                return Err(Obstacle::Unasked(error));
            }
            asked => asked?,
        }
    }
    refuse_if_living(permit, socket, true)?;
    for life in [life, check.of_socket(socket)] {
        match life {
            Life::Gone => {}
            Life::Lives(evidence) => return Err(Obstacle::Living(evidence)),
            Life::Unknown(evidence) if evidence.exhausted => return Err(descriptors_exhausted().into()),
            Life::Unknown(evidence) => {
                return Err(Obstacle::Lasting(not_known_to_be_gone(permit, &evidence)));
            }
        }
    }
    Ok(())
}

fn still_running(wait: Wait, evidence: &Evidence) -> ToolError {
    let waited = wait.length.as_secs_f64();
    let message =
        format!("still running after {waited} s: {evidence}; nothing was released; end it, or try again");
    ToolError::failed(Reason::StillRunning, message)
}

fn not_known_to_be_gone(permit: &PodPermit, evidence: &Evidence) -> ToolError {
    let mut message = format!("not known to be gone: {evidence}; nothing was released");
    if let Some(lock) = permit.scope_lock() {
        message.push_str(&format!("; if it is gone, remove its entry from `{}`", EscapedPath(lock.path())));
    }
    ToolError::failed(Reason::StillRunning, message)
}

/// Fails while `socket`, which is the pod's, takes connections; and, where the socket cannot be asked, while
/// `process_lives`.
pub(super) fn refuse_if_living(
    permit: &PodPermit,
    socket: &Path,
    process_lives: bool,
) -> Result<(), ToolError> {
    match connect(permit.directories(), socket) {
        Err(ConnectError::Unreachable(_)) => Ok(()),
        Ok(_) | Err(ConnectError::BacklogFull) => {
            let name = Escaped(permit.name());
            let message = format!("pod `{name}` still takes connections; nothing was released");
            Err(ToolError::failed(Reason::StillRunning, message))
        }
        Err(ConnectError::Refused(_)) if !process_lives => Ok(()),
        Err(ConnectError::Refused(refusal)) => Err(refusal.of(permit.name(), socket)),
        Err(ConnectError::DescriptorsExhausted) => Err(descriptors_exhausted()),
    }
}
