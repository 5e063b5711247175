//! A process that is out of file descriptors knows nothing of its files, and says so.

use std::process::Command;
use std::time::Duration;

use pod_tools_host::registry::{FileRegistry, Registry, RegistryError};
use pod_tools_host::scope::{ScopeLock, ScopeLockError};
use rustix::process::{Resource, Rlimit};

/// In a process of its own: the limit binds all of its threads.
#[test]
fn asks_without_descriptors_if_the_environment_says_so() {
    let Some(dir) = std::env::var_os("STATE_DESCRIPTORS") else { return };
    let registry = FileRegistry::open(&dir).unwrap();
    let lock = ScopeLock::new(std::path::Path::new(&dir).join("scope.lock"));
    let none = Rlimit { current: Some(3), maximum: Some(3) };
    rustix::process::setrlimit(Resource::Nofile, none).unwrap();
    assert!(matches!(registry.load(), Err(RegistryError::Descriptors { .. })));
    let set = lock.reclaim_stale(Duration::ZERO);
    assert!(matches!(set, Err(ScopeLockError::Descriptors { .. })), "{set:?}");
}

#[test]
fn without_descriptors_no_file_is_called_missing_or_damaged() {
    for table in [None, Some("")] {
        let dir = tempfile::tempdir().unwrap();
        if let Some(table) = table {
            std::fs::write(dir.path().join("scope.lock"), table).unwrap();
        }
        let asked = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "descriptors::asks_without_descriptors_if_the_environment_says_so"])
            .env("STATE_DESCRIPTORS", dir.path())
            .output()
            .unwrap();
        assert!(asked.status.success(), "{asked:?}");
    }
}
