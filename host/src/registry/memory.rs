//! A registry in memory, for runtimes that own their records.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cursor::{StoredCursor, may_replace};
use super::error::RegistryError;
use super::interface::Registry;
use super::record::{Record, Records};

/// Records and cursors that live as long as this does. No function fails or waits.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Record>,
    cursors: HashMap<String, StoredCursor>,
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record. Where its name is taken, the earlier record is the one that is found.
    pub fn add(&self, record: Record) {
        self.state().records.push(record);
    }

    /// Each change below is whole before it can panic, so a poisoned state is a good one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Record> for MemoryRegistry {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let state = State { records: records.into_iter().collect(), ..State::default() };
        Self { state: Mutex::new(state) }
    }
}

impl Registry for MemoryRegistry {
    fn load(&self) -> Result<Records, RegistryError> {
        Ok(Records { records: self.state().records.clone(), unreadable: Vec::new() })
    }

    fn remove(&self, record: &Record, _wait: Duration) -> Result<(), RegistryError> {
        let mut state = self.state();
        state.cursors.remove(&record.pod_name);
        state.records.retain(|other| !record.is_same_pod(other));
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<Option<StoredCursor>, RegistryError> {
        Ok(self.state().cursors.get(name).cloned())
    }

    fn set_cursor(
        &self,
        name: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        _wait: Duration,
    ) -> Result<(), RegistryError> {
        let mut state = self.state();
        let known = state.records.iter().any(|record| record.pod_name == name);
        if known && may_replace(state.cursors.get(name), base, &new) {
            state.cursors.insert(name.to_owned(), new);
        }
        Ok(())
    }
}
