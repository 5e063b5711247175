//! The registry in a spawner's runtime directory: `spawned_pods.json`, and `read_cursors.json` beside it.
//!
//! Both are read as they are, or taken as they were read where they have not changed since, without a lock; and
//! changed under the `flock` on `spawned_pods.lock`. The list is replaced whole: a new file is written and renamed
//! over the old one, so that a reader, and a process that comes after a killed one, finds one of the two. Cursors
//! are added at the end of their file: what is there already is not touched. A native spawner does not take that
//! lock: what it writes at the same moment wins or is lost, as between two native spawners.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, OFlags};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cached::{Cached, Unusable};
use super::cursor::{StoredCursor, may_replace};
use super::cursor_log::{self, CursorLog, Refreshed};
use super::cursors::Moved;
use super::error::RegistryError;
use super::interface::Registry;
use super::reader::Reader;
use super::record::{Indexed, Record, Records, Unreadable};
use crate::files::json_error::Position;
use crate::files::lock_file::{LockFile, Locked};
use crate::files::state_file::{self, Fault};

const PODS: &str = "spawned_pods.json";
const CURSORS: &str = cursor_log::NAME;
const LOCK: &str = "spawned_pods.lock";

/// The new files before they take their names. There is one of each at most, as they are made under the lock; a
/// killed process leaves them to the next one.
const NEW_PODS: &str = ".spawned_pods.new";
const NEW_CURSORS: &str = ".read_cursors.new";

/// The file-backed registry of one spawner.
#[derive(Debug)]
pub struct FileRegistry {
    dir: OwnedFd,
    path: PathBuf,
    lock: LockFile<()>,
    parsed_pods: Cached<Indexed>,
    cursors: Mutex<Cursors>,
}

/// The cursors, and the list of pods that those of pods which are gone were dropped by.
#[derive(Debug, Default)]
struct Cursors {
    log: CursorLog,
    weeded_by: Option<Arc<Indexed>>,
}

type Held<'a> = Locked<'a, ()>;

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
                lock: LockFile::default(),
                parsed_pods: Cached::default(),
                cursors: Mutex::default(),
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
        self.write_list(&held, &list)?;
        self.put_list(&held)
    }

    /// The elements of the list, each as it is written. A missing file is an empty list.
    fn list<'a>(&self) -> Result<Vec<Entry<'a>>, RegistryError> {
        match self.read(PODS)? {
            Some(bytes) => entries(&bytes).map_err(|detail| self.damaged(PODS, detail)),
            None => Ok(Vec::new()),
        }
    }

    /// The records, parsed again only where the file has changed; `None` for a missing file.
    fn records(&self) -> Result<Option<Arc<Indexed>>, RegistryError> {
        match self.parsed_pods.get(self.dir.as_fd(), PODS, index) {
            Ok(None) if self.is_removed() => Err(self.removed()),
            Ok(records) => Ok(records),
            Err(unusable) => Err(self.unusable(PODS, unusable)),
        }
    }

    /// The cursors as they are now.
    fn cursors(&self) -> Result<MutexGuard<'_, Cursors>, RegistryError> {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        match cursors.log.refresh(self.dir.as_fd()) {
            Ok(Refreshed::Missing) if self.is_removed() => Err(self.removed()),
            Ok(Refreshed::Same) => Ok(cursors),
            Ok(Refreshed::Anew | Refreshed::Missing) => {
                // Another process may have written cursors of pods that are gone.
                cursors.weeded_by = None;
                Ok(cursors)
            }
            Err(unusable) => Err(self.unusable(CURSORS, unusable)),
        }
    }

    fn unusable(&self, name: &str, unusable: Unusable) -> RegistryError {
        match unusable {
            Unusable::File(fault) => self.fault(name, fault),
            Unusable::Content(detail) => self.damaged(name, detail),
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

    /// Writes the new content of a file, to be [put](Self::put) in its place.
    fn write(&self, _: &Held<'_>, new: &str, text: &str) -> io::Result<()> {
        state_file::write_new(&self.dir, OsStr::new(new), text.as_bytes())
    }

    /// Puts the content that was written in the place of the file's. No `fsync`: pods do not outlive a power cut.
    fn put(&self, _: &Held<'_>, new: &str, name: &str) -> io::Result<()> {
        rustix::fs::renameat(&self.dir, new, &self.dir, name).map_err(|errno| {
            self.give_up(new);
            errno.into()
        })
    }

    /// Drops what was written. What cannot be removed is removed by the next writer.
    fn give_up(&self, new: &str) {
        let _ = state_file::remove(&self.dir, OsStr::new(new));
    }

    fn unwritable(&self, name: &str, source: io::Error) -> RegistryError {
        RegistryError::Unwritable { path: self.path.join(name), source }
    }

    fn write_list(&self, held: &Held<'_>, list: &[Entry<'_>]) -> Result<(), RegistryError> {
        let text = serde_json::to_string_pretty(list).map_err(io::Error::other);
        text.and_then(|text| self.write(held, NEW_PODS, &text))
            .map_err(|source| self.unwritable(PODS, source))
    }

    fn put_list(&self, held: &Held<'_>) -> Result<(), RegistryError> {
        self.put(held, NEW_PODS, PODS).map_err(|source| self.unwritable(PODS, source))
    }

    /// Changes the cursors, which are as they are now.
    fn change_cursors(
        &self,
        held: &Held<'_>,
        log: &mut CursorLog,
        moved: Option<Moved<'_>>,
        forgotten: &[String],
    ) -> Result<(), RegistryError> {
        let replace = |text: &str| {
            self.write(held, NEW_CURSORS, text).and_then(|()| self.put(held, NEW_CURSORS, CURSORS))
        };
        log.change(moved, forgotten, replace).map_err(|source| self.unwritable(CURSORS, source))
    }

    fn lock(&self, wait: Duration) -> Result<Held<'_>, RegistryError> {
        let start = Instant::now();
        let unwritable = |source| self.unwritable(LOCK, source);
        let open = || match state_file::open_at(&self.dir, OsStr::new(LOCK), OFlags::RDWR | OFlags::CREATE) {
            Ok(file) => Ok(Some((file, ()))),
            Err(fault @ (Fault::Descriptors | Fault::Exposed(_))) => Err(self.fault(LOCK, fault)),
            Err(Fault::Missing) if self.is_removed() => Err(self.removed()),
            Err(Fault::Io(error)) => Err(unwritable(error)),
            Err(fault) => Err(unwritable(io::Error::other(fault.to_string()))),
        };
        let current = || rustix::fs::statat(&self.dir, LOCK, AtFlags::SYMLINK_NOFOLLOW);
        let held = self.lock.lock(state_file::deadline(start, wait), open, current, unwritable)?;
        held.ok_or_else(|| RegistryError::Busy { path: self.path.join(LOCK), waited: start.elapsed() })
    }

    fn fault(&self, name: &str, fault: Fault) -> RegistryError {
        let path = self.path.join(name);
        match fault {
            Fault::Descriptors => RegistryError::Descriptors { path },
            Fault::Io(_) => {
                RegistryError::Damaged { path, detail: format!("{fault}; give permission to read it") }
            }
            Fault::Exposed(_) => RegistryError::Damaged { detail: fault.with_remedy(&path), path },
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
    fn load(&self) -> Result<Arc<Records>, RegistryError> {
        Ok(self.records()?.map(|records| records.records.clone()).unwrap_or_default())
    }

    fn find(&self, name: &str) -> Result<Option<Arc<Record>>, RegistryError> {
        Ok(self.records()?.and_then(|records| records.get(name).cloned()))
    }

    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        let held = self.lock(wait)?;
        let mut list = self.list()?;
        let before = list.len();
        list.retain(|entry| !entry.record().is_some_and(|other| record.is_same_pod(&other)));
        let is_shorter = list.len() < before;
        // What may want room is done before anything is changed.
        if is_shorter {
            self.write_list(&held, &list)?;
        }
        // The cursor goes first. A kill in between leaves a record without a cursor, whose text is given
        // again; a cursor without a record could make the next pod of that name lose text. Damaged cursors
        // keep no record alive: they are an error to those who read them.
        let forgotten = match self.cursors() {
            Ok(mut cursors) if cursors.log.holds(&record.pod_name) => {
                self.change_cursors(&held, &mut cursors.log, None, std::slice::from_ref(&record.pod_name))
            }
            Ok(_) | Err(RegistryError::Damaged { .. }) => Ok(()),
            Err(other) => Err(other),
        };
        if let Err(error) = forgotten {
            self.give_up(NEW_PODS);
            return Err(error);
        }
        if is_shorter { self.put_list(&held) } else { Ok(()) }
    }

    fn cursor(&self, reader: Option<&Reader>, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        let cursors = self.cursors()?;
        cursors.log.get(reader, name).map_err(|detail| self.damaged(CURSORS, detail))
    }

    fn set_cursor(
        &self,
        reader: Option<&Reader>,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError> {
        let held = self.lock(wait)?;
        let mut cursors = self.cursors()?;
        let stored = cursors.log.get(reader, name).map_err(|detail| self.damaged(CURSORS, detail))?;
        if stored.as_ref() == Some(&new) || !may_replace(stored.as_ref(), base, &new) {
            return Ok(());
        }
        let Some(records) = self.records()? else { return Ok(()) };
        if !records.has(name) {
            return Ok(());
        }
        // A native spawner forgets its pods without a thought for cursors.
        let mut gone = Vec::new();
        if !cursors.weeded_by.as_ref().is_some_and(|weeded_by| Arc::ptr_eq(weeded_by, &records)) {
            gone = cursors.log.names().filter(|name| !records.has(name)).map(str::to_owned).collect();
        }
        let moved = Moved { pod: name, reader, cursor: new };
        self.change_cursors(&held, &mut cursors.log, Some(moved), &gone)?;
        cursors.weeded_by = Some(records);
        Ok(())
    }
}

/// The records of a list. One that is as it was before is the same in memory: a call may hold it.
fn index(bytes: &[u8], before: Option<&Indexed>) -> Result<Indexed, String> {
    let mut records = parse(bytes)?;
    for record in &mut records.records {
        if let Some(same) =
            before.and_then(|before| before.get(&record.pod_name)).filter(|old| *old == record)
        {
            *record = same.clone();
        }
    }
    Ok(records.into())
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Records, String> {
    // All of them can mostly be read, which one pass shows. That it is all text it must be asked before: what is passed
    // over is not looked at, and who changes the list would find it damaged.
    let text = std::str::from_utf8(bytes).ok();
    if let Some(records) = text.and_then(|text| serde_json::from_str::<Vec<Record>>(text).ok()) {
        let records = records.into_iter().map(Arc::new).collect();
        return Ok(Records { records, unreadable: Vec::new() });
    }
    let mut records = Records::default();
    for entry in entries(bytes)? {
        match entry.record() {
            Some(record) => records.records.push(Arc::new(record)),
            None => records.unreadable.push(Unreadable { name: entry.name() }),
        }
    }
    Ok(records)
}

/// The list's elements. An empty file is no list: those who write it replace it whole, so something has gone
/// wrong with it.
fn entries<'a>(bytes: &[u8]) -> Result<Vec<Entry<'a>>, String> {
    let list: Vec<Box<RawValue>> = serde_json::from_slice(bytes).map_err(|error| match bytes.is_empty() {
        true => "it is empty".to_owned(),
        false => format!("it holds no list of pods: {}", Position(&error)),
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
