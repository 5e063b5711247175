//! What a pod has spawned, by its own word, as far as the scope lock does not say otherwise.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use crate::call::gate::PodPermit;
use crate::error::{Reason, ToolError};
use crate::escape::Escaped;
use crate::files::{place, state_file};
use crate::registry::{Record, Records, parse_records};
use crate::scope::TransactError;
use crate::sockets::directory::Lookup;
use crate::sockets::refusal::descriptors_exhausted;

/// The most bytes of such a file that are read: thousands of records.
const MAX_FILE: u64 = 4 << 20;

/// An allocation: where the pod listens that has it, and who delegated it.
pub(super) struct Delegation {
    socket: PathBuf,
    from: Option<String>,
}

/// The records beside the pod's socket; none where there is no such file.
pub(super) fn records(permit: &PodPermit) -> Result<Records, ToolError> {
    let socket = &permit.record().socket_path;
    let damaged = |why: &str| {
        let name = Escaped(permit.name());
        let message = format!(
            "pod `{name}`: what it spawned cannot be read: `spawned_pods.json` beside its socket {why}"
        );
        ToolError::failed(Reason::RegistryDamaged, message)
    };
    let (file, size) = match permit.directories().open_beside(socket, OsStr::new("spawned_pods.json")) {
        Ok(opened) => opened,
        Err(Lookup::Missing) => return Ok(Records::default()),
        Err(Lookup::DescriptorsExhausted) => return Err(descriptors_exhausted()),
        Err(Lookup::Refused(refusal)) => return Err(refusal.of(permit.name(), socket)),
    };
    let text = state_file::read_sized(&file.into(), size, MAX_FILE)
        .map_err(|_| damaged(&format!("is longer than {MAX_FILE} bytes, or cannot be read")))?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Records::default());
    }
    parse_records(&text).map_err(|why| damaged(&format!("holds no list of records: {why}")))
}

/// Who delegated what, by the names of pods.
pub(super) fn parents(permit: &PodPermit, wait: Duration) -> Result<HashMap<String, Delegation>, ToolError> {
    let Some(lock) = permit.scope_lock() else { return Ok(HashMap::new()) };
    let read = lock.transact(wait, |table, _| {
        let delegation = |entry: &crate::scope::Allocation| {
            let from = entry.delegated_from.clone();
            (entry.pod_name.clone(), Delegation { socket: entry.socket.clone(), from })
        };
        Ok::<_, Infallible>(table.allocations().map(delegation).collect())
    });
    read.map_err(|error| match error {
        TransactError::Lock(error) => error.into(),
        TransactError::Refused(never) => match never {},
    })
}

/// Whether the pod of the record is one of the pod's own: nothing says that it is somebody else's, or the pod itself.
pub(super) fn is_its(permit: &PodPermit, record: &Record, delegations: &HashMap<String, Delegation>) -> bool {
    if place::is_same(&record.socket_path, &permit.record().socket_path) {
        return false;
    }
    delegations
        .iter()
        .filter(|(name, delegation)| {
            **name == record.pod_name || place::is_same(&delegation.socket, &record.socket_path)
        })
        .all(|(name, delegation)| {
            *name == record.pod_name && delegation.from.as_deref() == Some(permit.name())
        })
}
