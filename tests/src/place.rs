//! A place for pods: base, spawner's directory, registry, scope lock. Removed when it is dropped.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::transcript::Transcript;

/// The spawner's name.
const SPAWNER: &str = "spawner";

/// A temporary directory, laid out as pods and their spawner expect it.
#[derive(Debug)]
pub struct Place {
    root: tempfile::TempDir,
    records: Mutex<Vec<Value>>,
    transcript: Transcript,
}

impl Place {
    /// An empty place: a base, a spawner without pods, no scope lock yet.
    pub fn new() -> io::Result<Self> {
        let root = tempfile::Builder::new().prefix("pods-").tempdir()?;
        std::fs::create_dir_all(root.path().join("base").join(SPAWNER))?;
        std::fs::write(root.path().join("base").join(SPAWNER).join("spawned_pods.json"), "[]")?;
        Ok(Self { root, records: Mutex::default(), transcript: Transcript::default() })
    }

    /// The directory in which everything is, and beside whose base nothing is granted.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// What the pods here see on their wires, and what hosts add to it.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Where pods have their directories.
    pub fn base(&self) -> PathBuf {
        self.root().join("base")
    }

    /// The spawner's directory.
    pub fn runtime_dir(&self) -> PathBuf {
        self.base().join(SPAWNER)
    }

    /// The scope lock's file.
    pub fn scope_lock(&self) -> PathBuf {
        self.base().join("scope.lock")
    }

    /// The registry's file.
    pub fn registry(&self) -> PathBuf {
        self.runtime_dir().join("spawned_pods.json")
    }

    /// Where a pod of that name listens.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.base().join(name).join("sock")
    }

    /// The options that lead a host here, as `pod-tools` and every host under test take them.
    pub fn options(&self) -> Vec<OsString> {
        [
            ("--base-dir", self.base()),
            ("--runtime-dir", self.runtime_dir()),
            ("--scope-lock", self.scope_lock()),
        ]
        .into_iter()
        .flat_map(|(option, path)| [option.into(), path.into_os_string()])
        .collect()
    }

    /// A record as a native spawner writes it, with one recursive write rule on `/work/NAME`.
    pub fn native_record(&self, name: &str) -> Value {
        json!({
            "pod_name": name,
            "socket_path": self.socket(name),
            "scope_delegated": [{ "target": format!("/work/{name}"), "permission": "write", "recursive": true }],
            "callback_address": self.runtime_dir().join("sock"),
        })
    }

    /// Adds a record to the registry.
    pub fn record(&self, record: Value) -> io::Result<()> {
        self.record_all([record])
    }

    /// Writes many records into the registry, at once.
    pub fn record_all(&self, more: impl IntoIterator<Item = Value>) -> io::Result<()> {
        let mut records = self.records.lock().expect("no test panics while it holds this");
        records.extend(more);
        let text = serde_json::to_string_pretty(&*records)?;
        drop(records);
        self.write_registry(&text)
    }

    /// Puts a text in place of the registry's file.
    pub fn write_registry(&self, text: &str) -> io::Result<()> {
        std::fs::write(self.registry(), text)
    }

    /// An allocation for a pod here whose process is gone, as a native process writes it.
    pub fn stale_allocation(&self, name: &str) -> Value {
        // The largest process id is 2^22.
        self.native_allocation(name, (1 << 22) + 1)
    }

    /// An allocation of `pid` for a pod here, as a native process writes it.
    pub fn native_allocation(&self, name: &str, pid: i64) -> Value {
        json!({
            "pod_name": name,
            "pid": pid,
            "socket": self.socket(name),
            "scope_allow": [{ "target": format!("/work/{name}"), "permission": "write", "recursive": true }],
            "delegated_from": null,
        })
    }

    /// Writes a scope table with these allocations.
    pub fn write_table(&self, allocations: &[Value]) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&json!({ "allocations": allocations }))?;
        std::fs::write(self.scope_lock(), text)
    }

    /// The names in the scope table, in order; none where there is no table or an empty one.
    pub fn allocated(&self) -> io::Result<Vec<String>> {
        let text = match std::fs::read_to_string(self.scope_lock()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        Ok(if text.is_empty() {
            Vec::new()
        } else {
            names(&serde_json::from_str::<Value>(&text)?["allocations"])
        })
    }

    /// The scope table, which must be there and be JSON.
    pub fn table(&self) -> io::Result<Value> {
        Ok(serde_json::from_str(&std::fs::read_to_string(self.scope_lock())?)?)
    }

    /// The file in which a host says what it is about to do to the scope table.
    pub fn scope_journal(&self) -> PathBuf {
        self.base().join("scope.lock.next")
    }

    /// The names in the registry, in order.
    pub fn recorded(&self) -> io::Result<Vec<String>> {
        Ok(names(&serde_json::from_str(&std::fs::read_to_string(self.registry())?)?))
    }
}

fn names(entries: &Value) -> Vec<String> {
    let entries = entries.as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["pod_name"].as_str().map(str::to_owned)).collect()
}
