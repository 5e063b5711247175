//! The memory of one call: that of its plugin's instance, and what the host holds for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::authority::limits::LimitReached;
use crate::registry::Record;

/// Bytes that are taken of [`Limits::memory`](crate::Limits::memory). A clone is the same account.
#[derive(Debug, Clone)]
pub(crate) struct MemoryAccount(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    taken: AtomicUsize,
}

impl MemoryAccount {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Account { limit, taken: AtomicUsize::new(0) }))
    }

    /// Takes `bytes`, until the call's end. Only the call itself takes of its account, one taking after another.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), LimitReached> {
        let Account { limit, taken } = &*self.0;
        let total = taken.load(Ordering::Relaxed).saturating_add(bytes);
        if total > *limit {
            return Err(LimitReached::Memory(*limit));
        }
        taken.store(total, Ordering::Relaxed);
        Ok(())
    }
}

/// The records that the handles of a call stand for. Each is there once, however many handles there are, and is counted
/// once: a registry that others rewrite meanwhile has many versions of one.
#[derive(Debug, Default)]
pub(super) struct HeldRecords(HashMap<usize, Arc<Record>>);

impl HeldRecords {
    pub(super) fn hold(&mut self, record: &Arc<Record>, memory: &MemoryAccount) -> Result<(), LimitReached> {
        if let Entry::Vacant(place) = self.0.entry(Arc::as_ptr(record).addr()) {
            memory.take(record.size())?;
            place.insert(record.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_counted_once_and_its_next_version_again() {
        let record = |callback: usize| {
            Arc::new(Record {
                pod_name: "x".repeat(1000),
                socket_path: "/sock".into(),
                scope_delegated: Vec::new(),
                callback_address: Some("x".repeat(callback).into()),
                fence: None,
            })
        };
        let (one, two) = (record(1000), record(1001));
        let (memory, mut held) = (MemoryAccount::new(one.size() + two.size()), HeldRecords::default());
        for _ in 0..3 {
            held.hold(&one, &memory).unwrap();
        }
        held.hold(&two, &memory).unwrap();
        assert_eq!(held.hold(&record(0), &memory), Err(LimitReached::Memory(one.size() + two.size())));
    }
}
