//! Memory, tables and instances of one store; and which of them ran out, for the error of the call.

use wasmtime::ResourceLimiter;

use crate::authority::limits::{LimitReached, Limits};

/// Enforces the limits on a store's memory, tables and instances.
#[derive(Debug)]
pub(super) struct Limiter {
    max_memory: usize,
    max_table_elements: usize,
    max_instances: usize,
    memory: usize,
    table_elements: usize,
    /// The first limit that was reached. A guest that is denied memory traps somewhere else; this tells why.
    pub(super) reached: Option<LimitReached>,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_memory: limits.memory,
            max_table_elements: limits.table_elements,
            max_instances: limits.instances,
            memory: 0,
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
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.max_memory {
            return self.deny(LimitReached::Memory(self.max_memory));
        }
        self.memory = total;
        Ok(true)
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
