//! What the next process makes of a table that a killed one left, and of a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pod_tools_host::scope::{ScopeLock, ScopeLockError, Table, TransactError};
use tempfile::TempDir;

use crate::native::{self, SmallDisk};
use crate::table::allocation;

const WAIT: Duration = Duration::from_secs(10);

struct Left {
    dir: TempDir,
    old: String,
    new: String,
    /// The journal of the change from `old` to `new`.
    journal: Vec<u8>,
}

impl Left {
    fn path(&self) -> PathBuf {
        self.dir.path().join("scope.lock")
    }

    fn journal_path(&self) -> PathBuf {
        self.dir.path().join("scope.lock.next")
    }

    fn table(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn leave(&self, table: &str) {
        fs::write(self.path(), table).unwrap();
        fs::write(self.journal_path(), &self.journal).unwrap();
    }

    /// Takes the lock and changes nothing.
    fn visit(&self) -> Result<(), ScopeLockError> {
        let visited =
            ScopeLock::new(self.path()).transact(WAIT, |_, _| Ok::<_, std::convert::Infallible>(()));
        visited.map_err(|error| match error {
            TransactError::Lock(error) => error,
            TransactError::Refused(never) => match never {},
        })
    }
}

fn live(name: &str) -> pod_tools_host::scope::Allocation {
    let mut live = allocation(name, None, &[]);
    live.pid = std::process::id().into();
    live
}

/// A table of `one` and `two`, from which `one` is released.
fn left() -> Left {
    let dir = tempfile::tempdir().unwrap();
    let mut table = Table::default();
    table.register(live("one")).unwrap();
    table.register(live("two")).unwrap();
    let old = table.render().unwrap();
    table.release("one").unwrap();
    let new = table.render().unwrap();
    let journal = journal(&old, &new);
    Left { dir, old, new, journal }
}

/// The journal as it is documented in `scope/journal.rs`.
fn journal(old: &str, new: &str) -> Vec<u8> {
    let digest = |bytes: &[u8]| format!("{:032x}\n", xxhash_rust::xxh3::xxh3_128(bytes));
    let body = digest(old.as_bytes()) + new;
    (digest(body.as_bytes()) + &body).into_bytes()
}

#[test]
fn a_table_torn_at_any_byte_is_finished() {
    let left = left();
    for length in 0..left.new.len() {
        left.leave(&left.new[..length]);
        left.visit().unwrap();
        assert_eq!(left.table(), left.new, "torn at {length}");
        assert!(!left.journal_path().exists());
    }
}

#[test]
fn a_change_that_was_not_begun_is_dropped() {
    let left = left();
    left.leave(&left.old);
    left.visit().unwrap();
    assert_eq!(left.table(), left.old);
    assert!(!left.journal_path().exists());
}

/// Nobody was told that the pod is registered.
#[test]
fn a_registration_that_was_not_begun_is_dropped_though_its_process_lives() {
    let released = left();
    let left = Left { journal: journal(&released.new, &released.old), ..released };
    left.leave(&left.new);
    left.visit().unwrap();
    assert_eq!(left.table(), left.new);
    assert!(!left.journal_path().exists());
}

#[test]
fn a_change_that_is_complete_is_not_repeated() {
    let left = left();
    left.leave(&left.new);
    left.visit().unwrap();
    assert_eq!(left.table(), left.new);
    assert!(!left.journal_path().exists());
}

#[test]
fn a_journal_cut_or_garbled_anywhere_is_dropped() {
    let left = left();
    for at in 0..left.journal.len() {
        left.leave(&left.old);
        fs::write(left.journal_path(), &left.journal[..at]).unwrap();
        left.visit().unwrap();
        assert_eq!(left.table(), left.old, "cut at {at}");
        assert!(!left.journal_path().exists());

        let mut garbled = left.journal.clone();
        garbled[at] ^= 1;
        left.leave("");
        fs::write(left.journal_path(), garbled).unwrap();
        left.visit().unwrap();
        assert_eq!(left.table(), "", "garbled at {at}");
        assert!(!left.journal_path().exists());
    }
}

#[test]
fn where_a_native_process_has_written_into_a_torn_table_the_living_are_added_to_it() {
    let left = left();
    let mut table = Table::parse(left.old.as_bytes()).unwrap();
    let mut dead = allocation("dead", None, &[]);
    dead.pid = 0;
    table.register(dead).unwrap();
    let new = table.render().unwrap().replacen("\"allocations\": [", "\"allocations\": [\n    \"odd\",", 1);
    fs::write(left.journal_path(), journal("", &new)).unwrap();
    fs::write(left.path(), "").unwrap();
    native::change(&left.path(), |table| {
        let own = serde_json::to_value(live("native")).unwrap();
        table["allocations"].as_array_mut().unwrap().push(own);
    });
    left.visit().unwrap();
    let text = left.table();
    let table = Table::parse(text.as_bytes()).unwrap();
    let names: Vec<&str> = table.allocations().map(|held| held.pod_name.as_str()).collect();
    assert_eq!(names, ["native", "one", "two"]);
    assert!(text.contains("\"odd\""));
    assert!(!left.journal_path().exists());
}

#[test]
fn a_native_process_that_lost_nothing_is_left_alone() {
    let left = left();
    let mut table = Table::parse(left.new.as_bytes()).unwrap();
    table.register(live("native")).unwrap();
    let native = table.render().unwrap();
    left.leave(&native);
    left.visit().unwrap();
    assert_eq!(left.table(), native);
    assert!(!left.journal_path().exists());
}

#[test]
fn a_garbled_table_is_an_error_and_stays_with_its_journal() {
    let left = left();
    left.leave("{\"allocations\": [}");
    let error = left.visit().unwrap_err();
    assert!(matches!(&error, ScopeLockError::Damaged { .. }), "{error}");
    assert_eq!(left.table(), "{\"allocations\": [}");
    assert_eq!(fs::read(left.journal_path()).unwrap(), left.journal);
}

#[test]
fn a_journal_that_is_a_link_is_not_followed() {
    let left = left();
    fs::write(left.path(), &left.old).unwrap();
    let elsewhere = left.dir.path().join("elsewhere");
    fs::write(&elsewhere, &left.journal).unwrap();
    std::os::unix::fs::symlink(&elsewhere, left.journal_path()).unwrap();
    let error = left.visit().unwrap_err().to_string();
    assert!(error.contains("scope.lock.next") && error.contains("a symbolic link"), "{error}");
    assert_eq!(fs::read(elsewhere).unwrap(), left.journal);
}

/// Writes a table of so many allocations.
fn fill_table(path: &Path, count: usize) {
    let mut table = Table::default();
    for n in 0..count {
        table.register(live(&format!("pod-{n:04}"))).unwrap();
    }
    fs::write(path, table.render().unwrap()).unwrap();
}

#[test]
fn a_journal_that_finds_no_room_leaves_the_table_as_it_was() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let path = disk.path().join("scope.lock");
    fill_table(&path, 10);
    disk.fill(0);
    let before = fs::read(&path).unwrap();
    let lock = ScopeLock::new(&path);
    let error = lock.release("pod-0003", WAIT, |_, _| Ok::<_, String>(())).unwrap_err();
    assert!(matches!(&error, TransactError::Lock(ScopeLockError::Unwritable { .. })), "{error}");
    let message = error.to_string();
    assert!(message.contains("No space left") && message.contains("make room"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(disk.path()), ["filler", "scope.lock"]);
    disk.free();
    assert!(lock.release("pod-0003", WAIT, |_, _| Ok::<_, String>(())).unwrap());
}

#[test]
fn a_table_that_finds_no_room_is_as_it_was() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let path = disk.path().join("scope.lock");
    // One page now, two with the new allocation: the journal takes the last two.
    fill_table(&path, 20);
    let before = fs::read(&path).unwrap();
    assert!(before.len() <= 4096, "{}", before.len());
    disk.fill(2);
    let lock = ScopeLock::new(&path);
    let mut long = live("new");
    long.socket = "/x".repeat(1000).into();
    let error = lock.register(long.clone(), WAIT).unwrap_err();
    assert!(matches!(&error, TransactError::Lock(ScopeLockError::Unwritable { .. })), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(disk.path()), ["filler", "scope.lock"]);
    disk.free();
    lock.register(long, WAIT).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
