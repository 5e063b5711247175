//! What wrong hosts do to the files beneath them, before and after a call.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use pod_tools_conformance::flaw::Flaw;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use serde_json::Value;

/// The files of state, as they were before the call.
pub struct Files {
    registry: PathBuf,
    cursors: PathBuf,
    table: PathBuf,
    before: Option<Vec<u8>>,
    held: Option<File>,
    kept: Vec<File>,
}

impl Files {
    pub fn new(runtime_dir: PathBuf, scope_lock: PathBuf) -> Self {
        Self {
            registry: runtime_dir.join("spawned_pods.json"),
            cursors: runtime_dir.join("read_cursors.json"),
            table: scope_lock,
            before: None,
            held: None,
            kept: Vec::new(),
        }
    }

    pub fn before(&mut self, flaw: Flaw) -> io::Result<()> {
        match flaw {
            Flaw::LosesCursors => drop(there(fs::remove_file(&self.cursors))?),
            Flaw::IgnoresLock => drop(there(fs::copy(&self.table, self.own_table()))?),
            Flaw::IgnoresJournal => drop(there(fs::rename(self.journal(), self.hidden_journal()))?),
            Flaw::KeepsScope => self.before = there(fs::read(&self.table))?,
            Flaw::KeepsRecords => self.before = there(fs::read(&self.registry))?,
            Flaw::BelievesInSpawns => self.claim_spawned()?,
            Flaw::FollowsLinks => self.follow_links()?,
            Flaw::BelievesAnybody => self.make_ours()?,
            _ => {}
        }
        Ok(())
    }

    pub fn after(&mut self, flaw: Flaw) -> io::Result<()> {
        match (flaw, self.before.take()) {
            (Flaw::KeepsScope, Some(before)) => fs::write(&self.table, before),
            (Flaw::BelievesInSpawns, Some(before)) => fs::write(&self.table, before),
            (Flaw::KeepsRecords, Some(before)) => fs::write(&self.registry, before),
            (Flaw::LeaksLock, _) if self.held.is_none() => {
                self.held = there(File::open(&self.table))?;
                Ok(self.held.iter().try_for_each(|file| flock(file, FlockOperation::LockExclusive))?)
            }
            (Flaw::ReplacesTable, _) => {
                let Some(table) = there(fs::read(&self.table))? else { return Ok(()) };
                let new = self.table.with_extension("new");
                fs::write(&new, table)?;
                fs::rename(new, &self.table)
            }
            (Flaw::TearsTable, _) => {
                let Some(table) = there(fs::read(&self.table))? else { return Ok(()) };
                fs::write(&self.table, &table[..table.len() / 2])
            }
            (Flaw::DropsUnknown, _) => self.drop_unknown(),
            (Flaw::TakesSilenceForDeath, _) => self.release_without_connection(),
            (Flaw::KeepsDescriptors, _) => {
                self.kept.extend((0..8).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>()?);
                Ok(())
            }
            (Flaw::BelievesNumbers, _) => self.release_without_process(),
            (Flaw::IgnoresLock, _) => there(fs::copy(self.own_table(), &self.table)).map(drop),
            (Flaw::IgnoresJournal, _) => there(fs::rename(self.hidden_journal(), self.journal())).map(drop),
            _ => Ok(()),
        }
    }

    /// The names in the registry.
    pub fn recorded(&self) -> io::Result<Vec<String>> {
        let records = self.records()?;
        Ok(records.iter().filter_map(|record| record["pod_name"].as_str().map(str::to_owned)).collect())
    }

    /// The pods whose backlog is full.
    pub fn stuck(&self) -> io::Result<Vec<String>> {
        let mut stuck = Vec::new();
        for record in self.records()? {
            let (Some(name), Some(path)) = (record["pod_name"].as_str(), record["socket_path"].as_str())
            else {
                continue;
            };
            let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            rustix::fs::fcntl_setfl(&socket, OFlags::NONBLOCK)?;
            if rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) == Err(Errno::AGAIN) {
                stuck.push(name.to_owned());
            }
        }
        Ok(stuck)
    }

    /// The records, as far as there are any.
    fn records(&self) -> io::Result<Vec<Value>> {
        let text = there(fs::read(&self.registry))?.unwrap_or_default();
        Ok(serde_json::from_slice(&text).unwrap_or_default())
    }

    fn follow_links(&self) -> io::Result<()> {
        let mut records = self.records()?;
        for record in &mut records {
            let path = record["socket_path"].as_str().map(fs::canonicalize);
            if let Some(Ok(path)) = path {
                record["socket_path"] = path.to_string_lossy().into();
            }
        }
        fs::write(&self.registry, serde_json::to_vec_pretty(&records)?)
    }

    /// Where a pod listens, as its record says.
    pub fn socket(&self, name: &str) -> io::Result<Option<PathBuf>> {
        let Some(text) = there(fs::read(&self.registry))? else { return Ok(None) };
        let records: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
        let record = records.iter().find(|record| record["pod_name"] == name);
        Ok(record.and_then(|record| record["socket_path"].as_str()).map(PathBuf::from))
    }

    /// A copy of the table, that nobody else locks.
    pub fn own_table(&self) -> PathBuf {
        self.table.with_extension("own")
    }

    fn journal(&self) -> PathBuf {
        self.table.with_extension("lock.next")
    }

    fn hidden_journal(&self) -> PathBuf {
        self.table.with_extension("lock.hidden")
    }

    /// Takes out of the table what would speak against a pod's word, for one call.
    fn claim_spawned(&mut self) -> io::Result<()> {
        let Some(text) = there(fs::read(&self.table))? else { return Ok(()) };
        fs::write(&self.table, "")?;
        self.before = Some(text);
        Ok(())
    }

    fn release_without_process(&self) -> io::Result<()> {
        let Some(text) = there(fs::read(&self.table))? else { return Ok(()) };
        let Ok(mut table) = serde_json::from_slice::<Value>(&text) else { return Ok(()) };
        let Some(entries) = table.get_mut("allocations").and_then(Value::as_array_mut) else { return Ok(()) };
        entries.retain(|entry| PathBuf::from(format!("/proc/{}", entry["pid"])).exists());
        fs::write(&self.table, serde_json::to_vec_pretty(&table)?)
    }

    fn release_without_connection(&self) -> io::Result<()> {
        let Some(text) = there(fs::read(&self.table))? else { return Ok(()) };
        let Ok(mut table) = serde_json::from_slice::<Value>(&text) else { return Ok(()) };
        let Some(entries) = table.get_mut("allocations").and_then(Value::as_array_mut) else { return Ok(()) };
        entries
            .retain(|entry| entry["socket"].as_str().is_some_and(|path| UnixStream::connect(path).is_ok()));
        fs::write(&self.table, serde_json::to_vec_pretty(&table)?)
    }

    /// Makes files and directories of state such that a right host believes them.
    fn make_ours(&self) -> io::Result<()> {
        let us = rustix::process::geteuid();
        for file in [&self.registry, &self.cursors, &self.table, &self.journal()] {
            for (path, mode) in [(file.parent(), 0o700), (Some(&**file), 0o600)] {
                let Some(path) = path.filter(|path| path.exists()) else { continue };
                chown(path, Some(us.as_raw()), None)?;
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// What the files of state hold.
    pub fn content(&self) -> String {
        let files =
            [&self.registry, &self.cursors, &self.table].map(|file| fs::read(file).unwrap_or_default());
        files.iter().map(|content| String::from_utf8_lossy(content).into_owned()).collect()
    }

    fn drop_unknown(&self) -> io::Result<()> {
        const OF_RECORDS: [&str; 4] = ["pod_name", "socket_path", "scope_delegated", "callback_address"];
        const OF_ALLOCATIONS: [&str; 5] = ["pod_name", "pid", "socket", "scope_allow", "delegated_from"];
        let parse = |text: Option<Vec<u8>>| text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if let Some(Value::Array(mut records)) = parse(there(fs::read(&self.registry))?) {
            keep_known(&mut records, &OF_RECORDS);
            fs::write(&self.registry, serde_json::to_vec_pretty(&records)?)?;
        }
        if let Some(Value::Object(mut table)) = parse(there(fs::read(&self.table))?) {
            table.retain(|field, _| field == "allocations");
            if let Some(entries) = table.get_mut("allocations").and_then(Value::as_array_mut) {
                keep_known(entries, &OF_ALLOCATIONS);
            }
            fs::write(&self.table, serde_json::to_vec_pretty(&table)?)?;
        }
        Ok(())
    }
}

/// Drops entries without a name, and fields of others that are not among these.
fn keep_known(entries: &mut Vec<Value>, known: &[&str]) {
    entries.retain(|entry| entry["pod_name"].is_string());
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        entry.retain(|field, _| known.contains(&field.as_str()));
    }
}

/// `None` for a file that there is not.
fn there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}
