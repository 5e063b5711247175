//! What a pod has spawned, by its own word, as far as the scope lock does not say otherwise.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use crate::call::gate::PodPermit;
use crate::error::{Reason, ToolError};
use crate::escape::Escaped;
use crate::files::place::Spot;
use crate::files::state_file;
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

/// What the scope lock says that can speak against a pod's word. Each socket is looked up once.
pub(super) struct Delegated {
    /// The pods whose allocations somebody else has delegated.
    by_others: HashSet<String>,
    /// Whose allocations there are, by where their sockets lie.
    at: HashMap<Spot, Vec<String>>,
    /// Where the pod itself listens.
    own: Spot,
}

impl Delegated {
    /// Of these allocations, what speaks against the word of the pod of that name and socket.
    pub(super) fn beside(name: &str, socket: &Path, allocations: Vec<Allocation>) -> Self {
        let own = Spot::of(socket);
        let mut delegated = Self { by_others: HashSet::new(), at: HashMap::new(), own };
        for Allocation { pod_name, socket, delegated_from, .. } in allocations {
            if delegated_from.as_deref() != Some(name) {
                delegated.by_others.insert(pod_name.clone());
            }
            delegated.at.entry(Spot::of(&socket)).or_default().push(pod_name);
        }
        delegated
    }

    /// Whether the pod of the record is one of the pod's own: nothing says that it is somebody else's, or the pod itself.
    pub(super) fn lets_follow(&self, record: &Record) -> bool {
        let spot = Spot::of(&record.socket_path);
        spot != self.own
            && !self.by_others.contains(&record.pod_name)
            && self.at.get(&spot).is_none_or(|names| names.iter().all(|name| *name == record.pod_name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(pod_name: &str, socket: &str, delegated_from: Option<&str>) -> Allocation {
        let pod = serde_json::json!({
            "pod_name": pod_name, "pid": 1, "socket": socket, "scope_allow": [], "delegated_from": delegated_from
        });
        serde_json::from_value(pod).unwrap()
    }

    fn record(pod_name: &str, socket: &str) -> Record {
        let record = serde_json::json!([{
            "pod_name": pod_name, "socket_path": socket, "scope_delegated": [], "callback_address": "/b/p/sock"
        }]);
        let records = parse_records(record.to_string().as_bytes()).unwrap();
        Record::clone(&records.records[0])
    }

    #[test]
    fn a_pods_word_counts_unless_the_scope_lock_says_otherwise() {
        let delegated = Delegated::beside(
            "p",
            Path::new("/b/p/sock"),
            vec![
                allocation("p", "/b/p/sock", None),
                allocation("its", "/b/its/sock", Some("p")),
                allocation("foreign", "/b/foreign/sock", Some("q")),
                allocation("free", "/b/free/sock", None),
                // Of two of one name, one is somebody else's.
                allocation("both", "/b/both/sock", Some("p")),
                allocation("both", "/b/both/sock", Some("q")),
            ],
        );
        let followed = |name, socket| delegated.lets_follow(&record(name, socket));
        assert!(followed("its", "/b/its/sock"));
        assert!(followed("unknown", "/b/unknown/sock"), "nothing says that it is not");
        assert!(followed("its", "/b/elsewhere/sock"));
        for (name, socket) in [
            ("foreign", "/b/foreign/sock"),
            ("foreign", "/b/elsewhere/sock"),
            ("renamed", "/b/foreign/sock"),
            ("renamed", "/b/its/../foreign/./sock"),
            ("free", "/b/free/sock"),
            ("both", "/b/both/sock"),
            ("renamed", "/b/its/sock"),
            ("p", "/b/p/sock"),
            ("renamed", "/b/p/sock"),
            ("renamed", "/b/../b/p/sock"),
        ] {
            assert!(!followed(name, socket), "{name} at {socket}");
        }
    }
}
