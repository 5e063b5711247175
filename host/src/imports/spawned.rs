//! What a pod has spawned, by its own word, as far as the scope lock does not say otherwise.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::time::Duration;

use crate::call::gate::PodPermit;
use crate::error::{Reason, ToolError};
use crate::escape::Escaped;
use crate::files::{place, state_file};
use crate::registry::{Record, Records, parse_records};
use crate::scope::{Allocation, TransactError};
use crate::sockets::directory::Lookup;
use crate::sockets::refusal::descriptors_exhausted;

/// The most bytes of such a file that are read: thousands of records.
const MAX_FILE: u64 = 4 << 20;

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

/// What the scope lock holds.
pub(super) fn allocations(permit: &PodPermit, wait: Duration) -> Result<Vec<Allocation>, ToolError> {
    let Some(lock) = permit.scope_lock() else { return Ok(Vec::new()) };
    let read = lock.transact(wait, |table, _| Ok::<_, Infallible>(table.allocations().cloned().collect()));
    read.map_err(|error| match error {
        TransactError::Lock(error) => error.into(),
        TransactError::Refused(never) => match never {},
    })
}

/// Whether the pod of the record is one of the pod's own: nothing says that it is somebody else's, or the pod itself.
pub(super) fn is_its(permit: &PodPermit, record: &Record, allocations: &[Allocation]) -> bool {
    if place::is_same(&record.socket_path, &permit.record().socket_path) {
        return false;
    }
    allocations
        .iter()
        .filter(|held| held.pod_name == record.pod_name || place::is_same(&held.socket, &record.socket_path))
        .all(|held| held.pod_name == record.pod_name && held.delegated_from.as_deref() == Some(permit.name()))
}
