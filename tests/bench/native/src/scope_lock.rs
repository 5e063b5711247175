//! The machine-wide table of scope: locked, read, rewritten in place, synced once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::registry::ScopeRule;

#[derive(Default, Serialize, Deserialize)]
struct Table {
    allocations: Vec<Allocation>,
}

#[derive(Serialize, Deserialize)]
struct Allocation {
    pod_name: String,
    pid: u32,
    socket: PathBuf,
    scope_allow: Vec<ScopeRule>,
    delegated_from: Option<String>,
}

/// The table, and the lock on its file until it is dropped.
pub(crate) struct LockedTable {
    file: File,
    table: Table,
}

impl LockedTable {
    /// Waits for the lock, however long it takes.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let table = if text.trim().is_empty() { Table::default() } else { serde_json::from_str(&text)? };
        Ok(Self { file, table })
    }

    /// Removes a pod's allocation; its children become its parent's.
    pub(crate) fn release(&mut self, name: &str) -> io::Result<()> {
        if self.remove(name) { self.save() } else { Ok(()) }
    }

    /// Releases the allocations whose processes are gone.
    pub(crate) fn reclaim_stale(&mut self) -> io::Result<()> {
        let allocations = &self.table.allocations;
        let is_stale = |allocation: &&Allocation| {
            let pid = i32::try_from(allocation.pid).ok().and_then(Pid::from_raw);
            pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
        };
        let stale: Vec<String> =
            allocations.iter().filter(is_stale).map(|gone| gone.pod_name.clone()).collect();
        for name in &stale {
            self.remove(name);
        }
        if stale.is_empty() { Ok(()) } else { self.save() }
    }

    fn remove(&mut self, name: &str) -> bool {
        let allocations = &mut self.table.allocations;
        let Some(index) = allocations.iter().position(|held| held.pod_name == name) else { return false };
        let gone = allocations.remove(index);
        for child in allocations.iter_mut().filter(|held| held.delegated_from.as_deref() == Some(name)) {
            child.delegated_from.clone_from(&gone.delegated_from);
        }
        true
    }

    fn save(&mut self) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&self.table)?;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}
