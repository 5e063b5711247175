//! `scope-lock`: transactions on the machine-wide table. The lock is taken and let go within one function.

use std::path::Path;
use std::time::Duration;

use wasmtime::component::Resource;

use super::bindings::pod::tools::scope_lock as wit;
use crate::authority::operation::Operation;
use crate::call::PodCtxView;
use crate::call::gate::{Pod, PodPermit};
use crate::call::host_error::HostResult;
use crate::call::wait::{blocking, patiently};
use crate::error::{Reason, ToolError};
use crate::escape::Escaped;
use crate::files::place;
use crate::scope::{Allocation, TransactError, is_alive};
use crate::sockets::connect::{ConnectError, connect};
use crate::sockets::refusal::descriptors_exhausted;

impl wit::Host for PodCtxView<'_> {
    async fn release(&mut self, pod: Resource<Pod>, within_ms: Option<u32>) -> HostResult<()> {
        let permit = self.admit(Operation::ReleaseScope, &pod)?;
        let (wait, releasing) = (self.ctx.wait(within_ms), permit.clone());
        blocking(move || release(&releasing, wait.left())).await??;
        self.note_released(&permit, &pod)
    }

    async fn reclaim_stale(&mut self, within_ms: Option<u32>) -> HostResult<u32> {
        let permit = self.ctx.admit(Operation::ReclaimScope, None)?;
        let reclaimed = patiently(self.ctx.wait(within_ms), move |wait| match permit.scope_lock() {
            Some(lock) => Ok(lock.reclaim_stale(wait)?),
            None => Ok(0),
        });
        Ok(reclaimed.await?)
    }
}

/// Releases the allocation of a pod that takes no connections any more.
///
/// The socket is asked under the lock: a pod that starts has to pass the lock before it takes connections,
/// so it cannot come to life between the question and the release.
fn release(permit: &PodPermit, wait: Duration) -> Result<(), ToolError> {
    let socket = &permit.record().socket_path;
    let mut asked = false;
    if let Some(lock) = permit.scope_lock() {
        let released = lock.release(permit.name(), wait, |allocation: &Allocation| {
            if !place::is_same(&allocation.socket, socket) {
                // Another pod of that name, whose scope is not ours to give away while it lives.
                refuse_if_living(permit, &allocation.socket, is_alive(allocation.pid))?;
            }
            asked = true;
            refuse_if_living(permit, socket, true)
        });
        released.map_err(|error| match error {
            TransactError::Refused(refusal) => refusal,
            TransactError::Lock(error) => error.into(),
        })?;
    }
    if asked { Ok(()) } else { refuse_if_living(permit, socket, true) }
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
