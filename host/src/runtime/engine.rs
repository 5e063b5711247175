//! The wasmtime engine: what it compiles, and how instances are laid out.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::authority::limits::Limits;

/// How much of an idle instance's memory may stay resident, and of each of its tables: what a call writes that
/// sends a message of 64 KiB. Of all instances of a pool that was once used whole, that is some 36 MiB.
const KEPT_OF_MEMORY: usize = 256 << 10;
const KEPT_OF_TABLE: usize = 8 << 10;

/// What a component is compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    /// Code of the processor, in executable memory.
    Native,
    /// Code of wasmtime's interpreter, Pulley, which is some ten times as slow and lies in plain memory.
    Interpreted,
}

impl Execution {
    /// A configuration for it.
    fn config(self) -> wasmtime::Result<Config> {
        let mut config = Config::new();
        if self == Self::Interpreted {
            let endian = if cfg!(target_endian = "big") { "be" } else { "" };
            config.target(&format!("pulley{}{endian}", usize::BITS))?;
        }
        Ok(config)
    }
}

/// An engine for `calls` calls at once.
pub(super) fn new(execution: Execution, calls: u32) -> wasmtime::Result<Engine> {
    let base = base(execution.config()?);
    // The pool reserves address space for every instance beforehand: 4 GiB each, none of it memory.
    Engine::new(&pooled(&base, calls, Reset::InPlace))
        .or_else(|_| Engine::new(&pooled(&base, calls, Reset::ByUnmapping)))
        .or_else(|error| {
            tracing::info!("no pool of instances ({error:#}); each call allocates its own");
            Engine::new(&unpooled(&base))
        })
}

/// How an instance's memory becomes what it was before it was used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reset {
    /// The kernel says which pages were written, and these are restored. A small call's are some dozen: next
    /// to unmapping them it saves three system calls and a page fault for each. Needs Linux 6.7.
    InPlace,
    ByUnmapping,
}

fn base(mut config: Config) -> Config {
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // The contract is synchronous.
        .concurrency_support(false);
    config
}

fn pooled(base: &Config, calls: u32, reset: Reset) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    // A component built from Rust is one module with a memory and a table, and two small ones that tie it to its
    // imports.
    pool.total_component_instances(calls)
        .total_core_instances(calls * 4)
        .total_memories(calls)
        .total_tables(calls * 3)
        .total_stacks(calls)
        .table_elements(Limits::MAX_TABLE_ELEMENTS);
    if reset == Reset::InPlace {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_OF_MEMORY)
            .table_keep_resident(KEPT_OF_TABLE);
    }
    let mut config = base.clone();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn unpooled(base: &Config) -> Config {
    let mut config = base.clone();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_reservation_for_growth(1 << 20);
    config
}
