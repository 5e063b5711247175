//! What a registry holds: a record for each pod that was spawned.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::files::place;
use crate::scope::ScopeRule;

/// One pod that was spawned.
///
/// Nothing in it has been checked: it is what the spawner wrote. A name may hold any character, a path may
/// lead anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The pod's name.
    pub pod_name: String,
    /// Where the pod listens.
    pub socket_path: PathBuf,
    /// The scope that was delegated to the pod when it was spawned.
    pub scope_delegated: Vec<ScopeRule>,
    /// The spawner's own socket, for the pod to report to. Not used here; `None` where it is missing or is
    /// no text.
    #[serde(default, deserialize_with = "text_or_none")]
    pub callback_address: Option<PathBuf>,
}

impl Record {
    /// Whether both tell of the same pod: by name and socket, however its path is spelled, as the rest may be
    /// written anew.
    pub(super) fn is_same_pod(&self, other: &Record) -> bool {
        self.pod_name == other.pod_name && place::is_same(&self.socket_path, &other.socket_path)
    }
}

/// A record is not lost for a field that this crate does not read.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(path) => Some(path.into()),
        _ => None,
    })
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its `pod_name`, where it has one.
    pub name: Option<String>,
}

/// What a registry holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// In the registry's order, repeated names included.
    pub records: Vec<Record>,
    /// Those that cannot be read. They take no other record with them, and stay in the registry.
    pub unreadable: Vec<Unreadable>,
}

impl Records {
    /// The record of that name; where names repeat, the first.
    pub fn get(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.pod_name == name)
    }

    /// All names there are, of records that cannot be read too.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let readable = self.records.iter().map(|record| record.pod_name.as_str());
        readable.chain(self.unreadable.iter().filter_map(|record| record.name.as_deref()))
    }
}
