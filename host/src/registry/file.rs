//! The registry in a spawner's runtime directory: `spawned_pods.json`, and `read_cursors.json` beside it.
//!
//! Both are read as they are, or taken as they were read where they have not changed since, without a lock; and
//! replaced whole: under the `flock` on `spawned_pods.lock` a new file is written and renamed over the old one,
//! so that a reader, and whoever comes after a killed process, finds one of the two. A native spawner does not
//! take that lock: what it writes at the same moment wins or is lost, as between two native spawners.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, OFlags};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cached::{Cached, Unusable};
use super::cursors::Cursors;
use super::{Record, Records, Registry, RegistryError, StoredCursor, Unreadable, may_replace};
use crate::state_file::{self, Fault, Locked, Queue, Turn};

const PODS: &str = "spawned_pods.json";
const CURSORS: &str = "read_cursors.json";
const LOCK: &str = "spawned_pods.lock";

/// The new file before it takes its name. There is one at most, as it is made under the lock; a killed
/// process leaves it to the next one.
const NEW: &str = ".spawned_pods.new";

/// The file-backed registry of one spawner.
#[derive(Debug)]
pub struct FileRegistry {
    dir: OwnedFd,
    path: PathBuf,
    writers: Queue,
    parsed_pods: Cached<Records>,
    parsed_cursors: Cached<Cursors>,
}

/// The lock, held until dropped, by a thread whose turn it is.
struct Held<'a> {
    _lock: Locked,
    _turn: Turn<'a>,
}

impl FileRegistry {
    /// Opens the registry in a spawner's runtime directory, which must exist. The files in it need not: no
    /// file is no pods. The directory is held open, so its path may change later.
    ///
    /// # Errors
    /// [`RegistryError::Directory`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, RegistryError> {
        let path = dir.as_ref().to_path_buf();
        match state_file::open_dir(&path) {
            Ok(dir) => Ok(Self {
                dir,
                path,
                writers: Queue::default(),
                parsed_pods: Cached::default(),
                parsed_cursors: Cached::default(),
            }),
            Err(errno) => Err(RegistryError::Directory { path, source: errno.into() }),
        }
    }

    /// The runtime directory, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record, waiting for the lock for `wait` at most. A name that is there already is not
    /// refused, and hides the new record until the earlier one is removed.
    ///
    /// # Errors
    /// All but [`RegistryError::Directory`]; nothing has been changed then.
    pub fn add(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        let held = self.lock(wait)?;
        let mut list = self.list()?;
        list.push(Entry::New(record));
        self.replace(&held, PODS, serde_json::to_string_pretty(&list))
    }

    /// The elements of the list, each as it is written. A missing file is an empty list.
    fn list<'a>(&self) -> Result<Vec<Entry<'a>>, RegistryError> {
        match self.read(PODS)? {
            Some(bytes) => entries(&bytes).map_err(|detail| self.damaged(PODS, detail)),
            None => Ok(Vec::new()),
        }
    }

    /// The records, parsed again only where the file has changed; `None` for a missing file.
    fn records(&self) -> Result<Option<Arc<Records>>, RegistryError> {
        self.cached(&self.parsed_pods, PODS, |bytes| {
            // All of them can mostly be read, which one pass shows.
            if let Ok(records) = serde_json::from_slice(bytes) {
                return Ok(Records { records, unreadable: Vec::new() });
            }
            let mut records = Records::default();
            for entry in entries(bytes)? {
                match entry.record() {
                    Some(record) => records.records.push(record),
                    None => records.unreadable.push(Unreadable { name: entry.name() }),
                }
            }
            Ok(records)
        })
    }

    fn cached<T>(
        &self,
        cached: &Cached<T>,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<Arc<T>>, RegistryError> {
        match cached.get(self.dir.as_fd(), name, parse) {
            Ok(None) if self.is_removed() => Err(self.removed()),
            Ok(content) => Ok(content),
            Err(Unusable::File(fault)) => Err(self.fault(name, fault)),
            Err(Unusable::Content(detail)) => Err(self.damaged(name, detail)),
        }
    }

    fn cursors(&self) -> Result<Cursors, RegistryError> {
        match self.read(CURSORS)? {
            Some(bytes) => Cursors::parse(&bytes).map_err(|detail| self.damaged(CURSORS, detail)),
            None => Ok(Cursors::none()),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        match state_file::read_at(&self.dir, OsStr::new(name)) {
            Ok(None) if self.is_removed() => Err(self.removed()),
            Ok(content) => Ok(content),
            Err(fault) => Err(self.fault(name, fault)),
        }
    }

    /// A spawner that ends takes its directory along. Then no file in it means no more than that.
    fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.dir).is_ok_and(|stat| stat.st_nlink == 0)
    }

    fn removed(&self) -> RegistryError {
        let source = io::Error::new(io::ErrorKind::NotFound, "it was removed since it was opened");
        RegistryError::Directory { path: self.path.clone(), source }
    }

    /// Puts a new content in the place of the file's. No `fsync`: pods do not outlive a power cut.
    fn replace(
        &self,
        _: &Held<'_>,
        name: &str,
        text: serde_json::Result<String>,
    ) -> Result<(), RegistryError> {
        let new = OsStr::new(NEW);
        let written = text
            .map_err(io::Error::other)
            .and_then(|text| state_file::write_new(&self.dir, new, text.as_bytes()))
            .and_then(|()| Ok(rustix::fs::renameat(&self.dir, new, &self.dir, name)?));
        written.map_err(|source| {
            // What cannot be removed is removed by the next writer.
            let _ = state_file::remove(&self.dir, new);
            RegistryError::Unwritable { path: self.path.join(name), source }
        })
    }

    fn lock(&self, wait: Duration) -> Result<Held<'_>, RegistryError> {
        let start = Instant::now();
        let deadline = state_file::deadline(start, wait);
        let name = OsStr::new(LOCK);
        let path = || self.path.join(LOCK);
        let unwritable = |source: io::Error| RegistryError::Unwritable { path: path(), source };
        let busy = || RegistryError::Busy { path: path(), waited: start.elapsed() };
        let turn = self.writers.wait(deadline).ok_or_else(busy)?;
        loop {
            let file = match state_file::open_at(&self.dir, name, OFlags::RDWR | OFlags::CREATE) {
                Ok(file) => file,
                Err(Fault::Descriptors) => return Err(self.fault(LOCK, Fault::Descriptors)),
                Err(Fault::Missing) if self.is_removed() => return Err(self.removed()),
                Err(Fault::Io(error)) => return Err(unwritable(error)),
                Err(fault) => return Err(unwritable(io::Error::other(fault.to_string()))),
            };
            if let Some(held) = Locked::until(file, deadline).map_err(unwritable)? {
                let there = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
                if held.is_current(there).map_err(|errno| unwritable(errno.into()))? {
                    return Ok(Held { _lock: held, _turn: turn });
                }
            }
            if Instant::now() >= deadline {
                return Err(busy());
            }
        }
    }

    fn fault(&self, name: &str, fault: Fault) -> RegistryError {
        let path = self.path.join(name);
        match fault {
            Fault::Descriptors => RegistryError::Descriptors { path },
            Fault::Io(_) => {
                RegistryError::Damaged { path, detail: format!("{fault}; give permission to read it") }
            }
            _ => self.damaged(name, fault.to_string()),
        }
    }

    fn damaged(&self, name: &str, detail: String) -> RegistryError {
        let remedy = match name {
            CURSORS => "delete it, and every pod's output is given from its start again",
            _ => "repair it, or delete it to forget all pods",
        };
        let detail = format!("{detail}; it was left as it is; {remedy}");
        RegistryError::Damaged { path: self.path.join(name), detail }
    }
}

impl Registry for FileRegistry {
    fn load(&self) -> Result<Records, RegistryError> {
        Ok(self.records()?.map(|records| (*records).clone()).unwrap_or_default())
    }

    fn find(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        Ok(self.records()?.and_then(|records| records.get(name).cloned()))
    }

    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        let held = self.lock(wait)?;
        let mut list = self.list()?;
        let before = list.len();
        list.retain(|entry| !entry.record().is_some_and(|other| record.is_same_pod(&other)));
        // The cursor goes first. A kill in between leaves a record without a cursor, whose text is given
        // again; a cursor without a record could make the next pod of that name lose text. Damaged cursors
        // keep no record alive: they are an error to those who read them.
        match self.cursors() {
            Ok(mut cursors) => {
                if cursors.retain(|name| name != record.pod_name) {
                    self.replace(&held, CURSORS, cursors.render())?;
                }
            }
            Err(RegistryError::Damaged { .. }) => {}
            Err(other) => return Err(other),
        }
        if list.len() == before {
            return Ok(());
        }
        self.replace(&held, PODS, serde_json::to_string_pretty(&list))
    }

    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        match self.cached(&self.parsed_cursors, CURSORS, Cursors::parse)? {
            Some(cursors) => cursors.get(name).map_err(|detail| self.damaged(CURSORS, detail)),
            None => Ok(None),
        }
    }

    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError> {
        let held = self.lock(wait)?;
        let mut cursors = self.cursors()?;
        let stored = cursors.get(name).map_err(|detail| self.damaged(CURSORS, detail))?;
        if stored.as_ref() == Some(&new) || !may_replace(stored.as_ref(), base, &new) {
            return Ok(());
        }
        let names: HashSet<String> = self.list()?.iter().filter_map(Entry::name).collect();
        if !names.contains(name) {
            return Ok(());
        }
        // A native spawner forgets its pods without a thought for cursors.
        cursors.retain(|other| names.contains(other));
        let text = cursors.set(name, &new).and_then(|()| cursors.render());
        self.replace(&held, CURSORS, text)
    }
}

/// The list's elements. An empty file is no list: those who write it replace it whole, so something has gone
/// wrong with it.
fn entries<'a>(bytes: &[u8]) -> Result<Vec<Entry<'a>>, String> {
    let list: Vec<Box<RawValue>> = serde_json::from_slice(bytes).map_err(|error| match bytes.is_empty() {
        true => "it is empty".to_owned(),
        false => format!("it holds no list of pods: {error}"),
    })?;
    Ok(list.into_iter().map(Entry::Found).collect())
}

/// An element of the list.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    /// As it stands in the file, and as it goes back.
    Found(Box<RawValue>),
    New(&'a Record),
}

impl Entry<'_> {
    /// The record, if it can be read.
    fn record(&self) -> Option<Record> {
        match self {
            Entry::Found(raw) => serde_json::from_str(raw.get()).ok(),
            Entry::New(record) => Some((*record).clone()),
        }
    }

    /// The name, even of a record that cannot be read.
    fn name(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            pod_name: String,
        }
        match self {
            Entry::Found(raw) => serde_json::from_str(raw.get()).ok().map(|named: Named| named.pod_name),
            Entry::New(record) => Some(record.pod_name.clone()),
        }
    }
}
