//! Memory, tables and instances of one store; and which of them ran out, for the error of the call.

use wasmtime::ResourceLimiter;

use crate::authority::limits::{LimitReached, Limits};
use crate::call::memory::MemoryAccount;

/// Enforces the limits on a store's memory, tables and instances.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Of the whole call.
    memory: MemoryAccount,
    max_table_elements: usize,
    max_instances: usize,
    table_elements: usize,
    /// The first limit that was reached. A guest that is denied memory traps somewhere else; this tells why.
    pub(super) reached: Option<LimitReached>,
}

impl Limiter {
    pub(super) fn new(limits: &Limits, memory: MemoryAccount) -> Self {
        Self {
            memory,
            max_table_elements: limits.table_elements,
            max_instances: limits.instances,
            table_elements: 0,
            reached: None,
        }
    }

    fn deny(&mut self, limit: LimitReached) -> wasmtime::Result<bool> {
        self.reached.get_or_insert(limit);
        Ok(false)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Over all memories of the store.
        match self.memory.take(desired.saturating_sub(current)) {
            Ok(()) => Ok(true),
            Err(limit) => self.deny(limit),
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.max_table_elements {
            return self.deny(LimitReached::TableElements(self.max_table_elements));
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.max_instances
    }

    fn memories(&self) -> usize {
        self.max_instances
    }

    fn tables(&self) -> usize {
        self.max_instances
    }
}
