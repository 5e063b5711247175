//! The spawned pods, in memory; the file is only written.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// A record of `spawned_pods.json`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pod_name: String,
    pub(crate) socket_path: PathBuf,
    pub(crate) scope_delegated: Vec<ScopeRule>,
    pub(crate) callback_address: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ScopeRule {
    pub(crate) target: PathBuf,
    pub(crate) permission: Permission,
    pub(crate) recursive: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Permission {
    Read,
    Write,
}

/// The records of one spawner, and how many items of each pod's history were read.
pub struct Registry {
    file: PathBuf,
    records: Mutex<Vec<Record>>,
    cursors: Mutex<HashMap<String, usize>>,
}

impl Registry {
    /// Reads the records once: from then on they are those in memory.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, or does not hold a list of records.
    pub fn load(file: &Path) -> io::Result<Self> {
        let records = serde_json::from_slice(&std::fs::read(file)?)?;
        let cursors = Mutex::default();
        Ok(Self { file: file.to_owned(), records: Mutex::new(records), cursors })
    }

    /// Forgets how far histories were read.
    pub async fn forget_cursors(&self) {
        self.cursors.lock().await.clear();
    }

    pub(crate) async fn get(&self, name: &str) -> Option<Record> {
        self.records.lock().await.iter().find(|record| record.pod_name == name).cloned()
    }

    pub(crate) async fn list(&self) -> Vec<Record> {
        self.records.lock().await.clone()
    }

    pub(crate) async fn cursor(&self, name: &str) -> usize {
        self.cursors.lock().await.get(name).copied().unwrap_or(0)
    }

    pub(crate) async fn set_cursor(&self, name: &str, items: usize) {
        self.cursors.lock().await.insert(name.to_owned(), items);
    }

    /// Removes a record, and writes the file: a temporary one, renamed.
    pub(crate) async fn remove(&self, name: &str) -> io::Result<()> {
        let mut records = self.records.lock().await;
        records.retain(|record| record.pod_name != name);
        self.cursors.lock().await.remove(name);
        let text = serde_json::to_string_pretty(&*records)?;
        let new = self.file.with_extension("json.tmp");
        std::fs::write(&new, text)?;
        std::fs::rename(new, &self.file)
    }
}
