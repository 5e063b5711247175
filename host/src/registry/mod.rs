//! Which pods there are, and how far each one's history has been read.
//!
//! [`Registry`] is what the runtime needs of a registry. [`FileRegistry`] is the spawner's
//! `spawned_pods.json`; [`MemoryRegistry`] serves runtimes that own their records.

mod cached;
mod cursor_log;
mod cursors;
mod file;
mod memory;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

pub use file::FileRegistry;
pub use memory::MemoryRegistry;

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
    /// Whether both tell of the same pod: by name and socket path, as the rest may be written anew.
    fn is_same_pod(&self, other: &Record) -> bool {
        self.pod_name == other.pod_name && self.socket_path == other.socket_path
    }
}

/// A record is not lost for a field that nobody here reads.
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
    fn names(&self) -> impl Iterator<Item = &str> {
        let readable = self.records.iter().map(|record| record.pod_name.as_str());
        readable.chain(self.unreadable.iter().filter_map(|record| record.name.as_deref()))
    }
}

/// How far a pod's history was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCursor {
    /// Number of history items, from the first, that were read.
    pub items: u64,
    /// A digest of their bytes, in the component's own notation.
    pub digest: String,
}

/// A registry of pods.
///
/// All functions may block on the file system; those with a `wait` may also wait for a lock, that long at
/// most. The runtime calls `load` and `cursor` where it is; the others there too, with no time to wait, and
/// where the lock is held then on threads that may block.
pub trait Registry: Send + Sync {
    /// All records. Waits for no lock.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn load(&self) -> Result<Records, RegistryError>;

    /// The record of that name; where names repeat, the first. Waits for no lock.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    fn find(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        Ok(self.load()?.get(name).cloned())
    }

    /// Removes every record with this one's name and socket path, and the name's cursor. There may be none.
    ///
    /// # Errors
    /// Any; the record is still there then.
    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError>;

    /// The cursor of the pod of that name; `None` before the first read. Waits for no lock.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`] and [`RegistryError::Descriptors`].
    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError>;

    /// Stores `new` as the cursor of the pod of that name, if the stored one is still `base`.
    ///
    /// Where another reader has moved it meanwhile, the one with more items stays. Where it was removed
    /// meanwhile, or the pod has no record any more, nothing is stored: a pod that will take the name later
    /// must not inherit it. All of that may repeat text, and loses none.
    ///
    /// # Errors
    /// Any; the cursor is as it was then.
    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError>;
}

/// A registry that a runtime keeps a hand on.
impl<R: Registry + ?Sized> Registry for Arc<R> {
    fn load(&self) -> Result<Records, RegistryError> {
        (**self).load()
    }

    fn find(&self, name: &str) -> Result<Option<Record>, RegistryError> {
        (**self).find(name)
    }

    fn remove(&self, record: &Record, wait: Duration) -> Result<(), RegistryError> {
        (**self).remove(record, wait)
    }

    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        (**self).cursor(name)
    }

    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        wait: Duration,
    ) -> Result<(), RegistryError> {
        (**self).set_cursor(name, base, new, wait)
    }
}

/// Whether a reader that began at `base` may replace the cursor that is `stored` by `new`: the rule of
/// [`Registry::set_cursor`].
fn may_replace(stored: Option<&StoredCursor>, base: Option<&StoredCursor>, new: &StoredCursor) -> bool {
    match stored {
        _ if stored == base => true,
        Some(stored) => new.items > stored.items,
        None => false,
    }
}

/// Why a registry could not be read or changed. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The runtime directory cannot be opened, or has been removed. The contract's `registry-damaged`.
    #[error(
        "the runtime directory `{}` cannot be opened: {source}; name an existing one with --runtime-dir or \
         --spawner",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file holds something else than it should, or cannot be read. It was left as it is. The contract's
    /// `registry-damaged`.
    #[error("the registry file `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        detail: String,
    },
    /// Another process held the lock all the time. Nothing was changed. The contract's `lock-busy`.
    #[error(
        "the registry lock `{}` was held by another process for {:.1} s; nothing was changed, try again",
        path.display(),
        waited.as_secs_f64()
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A file could not be written. Nothing was changed. The contract's `state-unwritable`.
    #[error(
        "the registry file `{}` could not be written: {source}; nothing was changed, make room or give \
         permission and try again",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process is out of file descriptors, which says nothing of the registry. The contract's
    /// `descriptors-exhausted`.
    #[error("there is no file descriptor left to open `{}` with; raise the limit (ulimit -n)", path.display())]
    Descriptors {
        /// The file.
        path: PathBuf,
    },
}
