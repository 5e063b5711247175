//! The wasmtime engine: what it compiles, how instances are laid out, and where compiled code is kept.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

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

/// An engine for `calls` calls at once, with compiled code kept beneath `cache` if there is such a place.
pub(super) fn new(execution: Execution, calls: u32, cache: Option<&Path>) -> wasmtime::Result<Engine> {
    let base = base(execution.config()?, cache.and_then(open_cache));
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

fn base(mut config: Config, cache: Option<Cache>) -> Config {
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // The contract is synchronous.
        .concurrency_support(false)
        .cache(cache);
    config
}

fn pooled(base: &Config, calls: u32, reset: Reset) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    // A component built with Rust's standard library is one module with a memory and a table, and two small
    // ones that tie it to its imports.
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

/// Where compiled code is kept when nothing else is said: `$XDG_CACHE_HOME/pod-tools`, else
/// `~/.cache/pod-tools`.
pub(super) fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let base = std::env::var_os("XDG_CACHE_HOME")
        .and_then(absolute)
        .or_else(|| std::env::var_os("HOME").and_then(absolute).map(|home| home.join(".cache")))?;
    Some(base.join("pod-tools"))
}

/// Opens the cache, or says in the log why there is none: a cache is never needed.
fn open_cache(directory: &Path) -> Option<Cache> {
    let opened = private_directory(directory).and_then(|directory| {
        let mut config = CacheConfig::new();
        config.with_directory(directory);
        Cache::new(config).map_err(|error| format!("{error:#}"))
    });
    opened.inspect_err(|why| tracing::warn!("no compilation cache in {}: {why}", directory.display())).ok()
}

/// Makes sure that the directory is ours alone. What lies in it is run as native code: a user who can
/// write there can do anything in our name.
fn private_directory(directory: &Path) -> Result<PathBuf, String> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| error.to_string())?;
    let directory = std::fs::canonicalize(directory).map_err(|error| error.to_string())?;
    let metadata = std::fs::metadata(&directory).map_err(|error| error.to_string())?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to user {}", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err("others may write to it (chmod go-w)".to_owned());
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_cache_that_others_can_write_to_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        private_directory(&cache).unwrap();
        assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o770)).unwrap();
        private_directory(&cache).unwrap_err();
    }
}
