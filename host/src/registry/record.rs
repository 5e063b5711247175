//! What a registry holds: a record for each pod that was spawned.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::fence::Fence;
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
    /// What the pod says of the fence around its command; `None` where it says nothing that is understood, as pods of other
    /// makes do.
    #[serde(default, deserialize_with = "fence_or_none", skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
}

impl Record {
    /// Whether both tell of the same pod: by name and socket, however its path is spelled, as the rest may be
    /// written anew.
    pub(super) fn is_same_pod(&self, other: &Record) -> bool {
        self.pod_name == other.pod_name && place::is_same(&self.socket_path, &other.socket_path)
    }
}

impl Record {
    /// How many bytes of memory it takes, nearly.
    pub(crate) fn size(&self) -> usize {
        let length = |path: &Path| path.as_os_str().len();
        let rules = self.scope_delegated.iter().map(|rule| size_of::<ScopeRule>() + length(&rule.target));
        size_of::<Self>()
            + self.pod_name.len()
            + length(&self.socket_path)
            + self.callback_address.as_deref().map_or(0, length)
            + rules.sum::<usize>()
            + self.fence.iter().flat_map(|fence| &fence.missing).map(String::len).sum::<usize>()
    }
}

/// A record is not lost for a field that this crate does not read.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(path) => Some(path.into()),
        _ => None,
    })
}

/// Nor for one that it reads, and does not understand.
fn fence_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fence>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(deserializer)?).ok())
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
    pub records: Vec<Arc<Record>>,
    /// Those that cannot be read. They take no other record with them, and stay in the registry.
    pub unreadable: Vec<Unreadable>,
}

impl Records {
    /// The record of that name; where names repeat, the first.
    pub fn get(&self, name: &str) -> Option<&Arc<Record>> {
        self.records.iter().find(|record| record.pod_name == name)
    }
}

/// Records that are found by their names without a search.
#[derive(Debug, Default)]
pub(super) struct Indexed {
    pub(super) records: Arc<Records>,
    /// Where the first of each name stands.
    by_name: HashMap<String, usize>,
    /// The names of those that cannot be read.
    unreadable: HashSet<String>,
}

impl From<Records> for Indexed {
    fn from(records: Records) -> Self {
        let mut by_name = HashMap::with_capacity(records.records.len());
        for (i, record) in records.records.iter().enumerate() {
            by_name.entry(record.pod_name.clone()).or_insert(i);
        }
        let unreadable = records.unreadable.iter().filter_map(|bad| bad.name.clone()).collect();
        Self { records: Arc::new(records), by_name, unreadable }
    }
}

impl Indexed {
    /// The record of that name; where names repeat, the first.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Record>> {
        self.records.records.get(*self.by_name.get(name)?)
    }

    /// Whether something of that name is there, be it a record that cannot be read.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.unreadable.contains(name)
    }

    /// Adds a record behind all others.
    pub(super) fn push(&mut self, record: Record) {
        let records = &mut Arc::make_mut(&mut self.records).records;
        self.by_name.entry(record.pod_name.clone()).or_insert(records.len());
        records.push(Arc::new(record));
    }
}
