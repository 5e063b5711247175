//! A registry in memory, for runtimes that own their records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cursor::{ReaderCursors, StoredCursor, may_replace};
use super::error::RegistryError;
use super::interface::Registry;
use super::reader::Reader;
use super::record::{Indexed, Record, Records};

/// Records and cursors that live as long as this does. No function fails or waits.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pods: Indexed,
    /// By pods' names.
    cursors: HashMap<String, Cursors>,
}

/// How far one pod was read.
#[derive(Debug, Default)]
struct Cursors {
    unnamed: Option<StoredCursor>,
    named: ReaderCursors,
}

impl Cursors {
    fn get(&self, reader: Option<&Reader>) -> Option<&StoredCursor> {
        match reader {
            Some(reader) => self.named.get(reader),
            None => self.unnamed.as_ref(),
        }
    }
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record. Where its name is taken, the earlier record is the one that is found.
    pub fn add(&self, record: Record) {
        self.state().pods.push(record);
    }

    /// Each change below is whole before it can panic, so a poisoned state is a good one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Record> for MemoryRegistry {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let records = records.into_iter().map(Arc::new).collect();
        let pods = Records { records, unreadable: Vec::new() }.into();
        Self { state: Mutex::new(State { pods, ..State::default() }) }
    }
}

impl Registry for MemoryRegistry {
    fn load(&self) -> Result<Arc<Records>, RegistryError> {
        Ok(self.state().pods.records.clone())
    }

    fn find(&self, name: &str) -> Result<Option<Arc<Record>>, RegistryError> {
        Ok(self.state().pods.get(name).cloned())
    }

    fn remove(&self, record: &Record, _wait: Duration) -> Result<(), RegistryError> {
        let mut state = self.state();
        state.cursors.remove(&record.pod_name);
        let mut left = (*state.pods.records).clone();
        left.records.retain(|other| !record.is_same_pod(other));
        state.pods = left.into();
        Ok(())
    }

    fn cursor(&self, reader: Option<&Reader>, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        Ok(self.state().cursors.get(name).and_then(|cursors| cursors.get(reader)).cloned())
    }

    fn set_cursor(
        &self,
        reader: Option<&Reader>,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        _wait: Duration,
    ) -> Result<(), RegistryError> {
        let mut state = self.state();
        if !state.pods.has(name) {
            return Ok(());
        }
        let cursors = state.cursors.entry(name.to_owned()).or_default();
        if may_replace(cursors.get(reader), base, &new) {
            match reader {
                Some(reader) => cursors.named.set(reader.clone(), new),
                None => cursors.unnamed = Some(new),
            }
        }
        Ok(())
    }
}
