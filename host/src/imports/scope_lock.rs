//! `scope-lock`: transactions on the machine-wide table. The lock is taken and let go within one function.

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Resource;

use super::unix_socket::{descriptors_exhausted, socket_refused};
use crate::authority::Parts;
use crate::bindings::pod::tools::scope_lock as wit;
use crate::connect::{ConnectError, connect};
use crate::context::{Pod, PodCtxView, blocking, patiently, requests};
use crate::error::{HostResult, Reason, ToolError};
use crate::escape::Escaped;
use crate::registry::Record;
use crate::scope::{Allocation, ScopeLockError, TransactError, is_alive};

impl wit::Host for PodCtxView<'_> {
    async fn release(&mut self, pod: Resource<Pod>, within_ms: Option<u32>) -> HostResult<()> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::RELEASE, Some(&record.pod_name))?;
        let (parts, wait) = (self.ctx.parts().clone(), self.ctx.wait(within_ms));
        blocking(move || release(&parts, &record, wait.left())).await??;
        self.table.get_mut(&pod)?.released = true;
        Ok(())
    }

    async fn reclaim_stale(&mut self, within_ms: Option<u32>) -> HostResult<u32> {
        self.ctx.admit(requests::RECLAIM, None)?;
        let (parts, wait) = (self.ctx.parts().clone(), self.ctx.wait(within_ms));
        let reclaimed = patiently(wait, move |wait| match &parts.scope_lock {
            Some(lock) => lock.reclaim_stale(wait).map_err(tool_error),
            None => Ok(0),
        });
        Ok(reclaimed.await?)
    }
}

/// Releases the allocation of a pod that takes no connections any more.
///
/// The socket is asked under the lock: a pod that starts has to pass the lock before it takes connections,
/// so it cannot come to life between the question and the release.
fn release(parts: &Arc<Parts>, record: &Record, wait: std::time::Duration) -> Result<(), ToolError> {
    let mut asked = false;
    if let Some(lock) = &parts.scope_lock {
        let released = lock.release(&record.pod_name, wait, |allocation: &Allocation| {
            if allocation.socket != record.socket_path {
                // Another pod of that name, whose scope is not ours to give away while it lives.
                refuse_if_living(parts, record, &allocation.socket, is_alive(allocation.pid))?;
            }
            asked = true;
            refuse_if_living(parts, record, &record.socket_path, true)
        });
        released.map_err(|error| match error {
            TransactError::Refused(refusal) => refusal,
            TransactError::Lock(error) => tool_error(error),
        })?;
    }
    if asked { Ok(()) } else { refuse_if_living(parts, record, &record.socket_path, true) }
}

/// Fails while `socket` takes connections; and, where the socket cannot be asked, while `process_lives`.
pub(super) fn refuse_if_living(
    parts: &Parts,
    record: &Record,
    socket: &Path,
    process_lives: bool,
) -> Result<(), ToolError> {
    match connect(&parts.directories, socket) {
        Err(ConnectError::Unreachable(_)) => Ok(()),
        Ok(_) | Err(ConnectError::BacklogFull) => {
            let name = Escaped(&record.pod_name);
            let message = format!("pod `{name}` still takes connections; nothing was released");
            Err(ToolError::failed(Reason::StillRunning, message))
        }
        Err(ConnectError::Refused(_)) if !process_lives => Ok(()),
        Err(ConnectError::Refused(why)) => {
            let record = Record { socket_path: socket.to_owned(), ..record.clone() };
            Err(socket_refused(&record, &why))
        }
        Err(ConnectError::DescriptorsExhausted) => Err(descriptors_exhausted()),
    }
}

fn tool_error(error: ScopeLockError) -> ToolError {
    let reason = match error {
        ScopeLockError::Busy { .. } => Reason::LockBusy,
        ScopeLockError::Unwritable { .. } | ScopeLockError::Torn { .. } => Reason::StateUnwritable,
        ScopeLockError::Descriptors { .. } => Reason::DescriptorsExhausted,
        ScopeLockError::Damaged { .. } => Reason::LockDamaged,
    };
    ToolError::failed(reason, error.to_string())
}
