//! A process is killed at each of its system calls in turn, by `strace`; the state on disk must be the old or
//! the new one for the next process, which must work.
//!
//! The process is this test binary, started again with the operation in its environment. Only system calls
//! that have to do with the files of state are counted: those of the test harness come from another thread,
//! are as many, and would always be first.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use pod_tools_host::registry::{FileRegistry, Record, Registry, StoredCursor};
use pod_tools_host::scope::{Allocation, ScopeLock, ScopeLockError, Table, TransactError};

const WAIT: Duration = Duration::from_secs(10);

/// Every system call that changes a file or a lock. Those marked with `?` do not exist on every machine.
const CALLS: [&str; 13] = [
    "openat",
    "write",
    "pwrite64",
    "ftruncate",
    "fdatasync",
    "flock",
    "?rename",
    "renameat",
    "renameat2",
    "?unlink",
    "unlinkat",
    "?mkdir",
    "mkdirat",
];

fn allocation(name: &str, parent: Option<&str>) -> Allocation {
    Allocation {
        pod_name: name.into(),
        // A process that lives as long as the machine.
        pid: 1,
        socket: format!("/run/{name}/sock").into(),
        scope_allow: Vec::new(),
        delegated_from: parent.map(str::to_owned),
        holder: None,
    }
}

fn record() -> Record {
    Record {
        pod_name: "x".into(),
        socket_path: "/run/x/sock".into(),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    }
}

fn cursor(items: u64) -> StoredCursor {
    StoredCursor { items, digest: "d".into() }
}

fn lock(dir: &Path) -> ScopeLock {
    ScopeLock::new(dir.join("base/scope.lock"))
}

fn release(dir: &Path) -> Result<bool, TransactError<String>> {
    lock(dir).release("one", WAIT, |_, _| Ok(()))
}

fn registry(dir: &Path) -> FileRegistry {
    FileRegistry::open(dir).unwrap()
}

/// The operations, by name, as the killed process does them.
fn operate(operation: &str, dir: &Path) {
    match operation {
        "visit" => drop(lock(dir).reclaim_stale(WAIT).unwrap()),
        "register" => lock(dir).register(allocation("one", None), WAIT).unwrap(),
        "release" => drop(release(dir).unwrap()),
        "release, unwritable" => {
            let failed = release(dir).unwrap_err();
            assert!(matches!(&failed, TransactError::Lock(ScopeLockError::Unwritable { .. })), "{failed}");
        }
        "release, torn" => {
            let failed = release(dir).unwrap_err();
            assert!(matches!(&failed, TransactError::Lock(ScopeLockError::Torn { .. })), "{failed}");
        }
        "add" => registry(dir).add(&record(), WAIT).unwrap(),
        "remove" => registry(dir).remove(&record(), WAIT).unwrap(),
        "set cursor" => registry(dir).set_cursor(None, "x", Some(&cursor(1)), cursor(2), WAIT).unwrap(),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn does_what_the_environment_says() {
    if let (Ok(operation), Some(dir)) = (std::env::var("CRASH_OPERATION"), std::env::var_os("CRASH_DIR")) {
        operate(&operation, Path::new(&dir));
    }
}

/// The files that an operation may touch, and their directories.
const PATHS: [&str; 10] = [
    "",
    "base",
    "base/scope.lock",
    "base/scope.lock.next",
    "base/scope.lock.next.new",
    "spawned_pods.json",
    "spawned_pods.lock",
    ".spawned_pods.new",
    "read_cursors.json",
    ".read_cursors.new",
];

/// Does the operation in a process of its own, with `strace` injecting a fault into what it does to the files.
fn inject(fault: &str, operation: &str, dir: &Path) -> std::io::Result<Output> {
    // `strace` compares with the paths that the kernel tells.
    let dir = dir.canonicalize()?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={fault}")]);
    for path in PATHS {
        strace.arg("-P").arg(if path.is_empty() { dir.clone() } else { dir.join(path) });
    }
    strace
        .arg(std::env::current_exe()?)
        .args(["--exact", "does_what_the_environment_says"])
        .env("CRASH_OPERATION", operation)
        .env("CRASH_DIR", dir)
        .output()
}

/// Whether faults can be injected here.
fn can_inject() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let killed = inject("openat:signal=KILL:when=1", "visit", dir.path());
    let can = killed.as_ref().is_ok_and(|output| output.status.signal() == Some(9));
    if !can {
        println!("not run: strace cannot kill a process here: {killed:?}");
    }
    can
}

/// Kills the operation at each system call in turn; after each kill `check` looks at what is left, and says
/// in a word what it saw. All the words together.
fn kill_everywhere(
    operation: &str,
    prepare: impl Fn(&Path),
    check: impl Fn(&Path) -> &'static str,
) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    for call in CALLS {
        for n in 1.. {
            let dir = tempfile::tempdir().unwrap();
            prepare(dir.path());
            let output = inject(&format!("{call}:signal=KILL:when={n}"), operation, dir.path()).unwrap();
            if output.status.success() {
                break;
            }
            assert_eq!(output.status.signal(), Some(9), "{call} {n}: {output:?}");
            let word = check(dir.path());
            println!("{operation}, killed at {call} {n}: {word}");
            seen.insert(word);
        }
    }
    seen
}

fn table(allocations: &[Allocation]) -> String {
    let mut table = Table::default();
    for allocation in allocations {
        table.register(allocation.clone()).unwrap();
    }
    table.render().unwrap()
}

/// The journal as it is documented in `scope/journal.rs`.
fn journal(old: &str, new: &str) -> String {
    let digest = |text: &str| format!("{:032x}\n", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    let body = digest(old) + new;
    digest(&body) + &body
}

fn leave(dir: &Path, table: &str, journal: Option<String>) {
    fs::create_dir(dir.join("base")).unwrap();
    fs::write(dir.join("base/scope.lock"), table).unwrap();
    if let Some(journal) = journal {
        fs::write(dir.join("base/scope.lock.next"), journal).unwrap();
    }
}

fn read_table(dir: &Path) -> String {
    fs::read_to_string(dir.join("base/scope.lock")).unwrap_or_default()
}

#[test]
fn a_release_killed_anywhere_leaves_the_old_table_or_the_new_one() {
    if !can_inject() {
        return;
    }
    let old = table(&[allocation("one", None), allocation("two", Some("one"))]);
    let new = table(&[allocation("two", None)]);
    let new = new.as_str();
    // A reparented allocation is laid out in full like any other.
    let seen = kill_everywhere(
        "release",
        |dir| leave(dir, &old, None),
        |dir| {
            let left = read_table(dir);
            lock(dir).reclaim_stale(WAIT).unwrap();
            let recovered = read_table(dir);
            assert!(recovered == old || recovered == new, "{recovered}");
            assert!(!dir.join("base/scope.lock.next").exists());
            release(dir).unwrap();
            assert_eq!(read_table(dir), new);
            match left.as_str() {
                left if left == old => "old",
                left if left == new => "new",
                _ => {
                    assert_eq!(recovered, new, "a change that was begun is finished");
                    "torn"
                }
            }
        },
    );
    assert_eq!(seen, BTreeSet::from(["new", "old", "torn"]));
}

#[test]
fn a_first_registration_killed_anywhere_can_be_repeated() {
    if !can_inject() {
        return;
    }
    let new = table(&[allocation("one", None)]);
    let seen = kill_everywhere(
        "register",
        |_| {},
        |dir| {
            lock(dir).reclaim_stale(WAIT).unwrap();
            let recovered = read_table(dir);
            if recovered == new {
                return "new";
            }
            assert_eq!(recovered, "");
            operate("register", dir);
            assert_eq!(read_table(dir), new);
            "old"
        },
    );
    assert_eq!(seen, BTreeSet::from(["new", "old"]));
}

#[test]
fn a_recovery_killed_anywhere_is_taken_up_by_the_next() {
    if !can_inject() {
        return;
    }
    let new = table(&[allocation("one", None), allocation("two", Some("one"))]);
    for torn in ["", &new[..new.len() / 2]] {
        kill_everywhere(
            "visit",
            |dir| leave(dir, torn, Some(journal("old", &new))),
            |dir| {
                operate("visit", dir);
                assert_eq!(read_table(dir), new);
                "new"
            },
        );
    }
}

#[test]
fn a_merge_killed_anywhere_loses_neither_our_pods_nor_native_ones() {
    if !can_inject() {
        return;
    }
    let lost = table(&[allocation("one", None), allocation("two", Some("one"))]);
    let native = table(&[allocation("native", None)]);
    let merged =
        table(&[allocation("native", None), allocation("one", None), allocation("two", Some("one"))]);
    let seen = kill_everywhere(
        "visit",
        |dir| leave(dir, &native, Some(journal("old", &lost))),
        |dir| {
            let left = read_table(dir);
            operate("visit", dir);
            assert_eq!(read_table(dir), merged);
            assert!(!dir.join("base/scope.lock.next").exists());
            match left.as_str() {
                left if left == native => "native",
                left if left == merged => "merged",
                _ => "torn",
            }
        },
    );
    assert_eq!(seen, BTreeSet::from(["merged", "native", "torn"]));
}

#[test]
fn a_table_that_cannot_be_rewritten_is_restored_or_finished_later() {
    if !can_inject() {
        return;
    }
    let old = table(&[allocation("one", None), allocation("two", None)]);
    let new = table(&[allocation("two", None)]);

    let once = tempfile::tempdir().unwrap();
    leave(once.path(), &old, None);
    let output = inject("pwrite64:error=ENOSPC:when=1", "release, unwritable", once.path()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read_table(once.path()), old);
    assert!(!once.path().join("base/scope.lock.next").exists());

    let always = tempfile::tempdir().unwrap();
    leave(always.path(), &old, None);
    let output = inject("pwrite64:error=ENOSPC", "release, torn", always.path()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read_table(always.path()), "");
    operate("visit", always.path());
    assert_eq!(read_table(always.path()), new);
}

#[test]
fn a_record_removed_by_a_killed_process_is_there_or_gone_and_leaves_no_cursor() {
    if !can_inject() {
        return;
    }
    let other = Record { pod_name: "y".into(), ..record() };
    let seen = kill_everywhere(
        "remove",
        |dir| {
            for record in [&record(), &other] {
                registry(dir).add(record, WAIT).unwrap();
                registry(dir).set_cursor(None, &record.pod_name, None, cursor(1), WAIT).unwrap();
            }
        },
        |dir| {
            let state = |dir| {
                let registry = registry(dir);
                let has_record = registry.load().unwrap().get("x").is_some();
                (has_record, registry.cursor(None, "x").unwrap().is_some())
            };
            let word = match state(dir) {
                (true, true) => "old",
                (true, false) => "no cursor",
                (false, false) => "new",
                (false, true) => panic!("the next pod of that name would lose text"),
            };
            operate("remove", dir);
            assert_eq!(state(dir), (false, false));
            assert_eq!(registry(dir).load().unwrap().records, [Arc::new(other.clone())]);
            assert_eq!(registry(dir).cursor(None, "y").unwrap(), Some(cursor(1)));
            word
        },
    );
    assert_eq!(seen, BTreeSet::from(["new", "no cursor", "old"]));
}

#[test]
fn a_record_or_a_cursor_written_by_a_killed_process_is_the_old_or_the_new_one() {
    if !can_inject() {
        return;
    }
    let added = kill_everywhere(
        "add",
        |_| {},
        |dir| match registry(dir).load().unwrap().records.len() {
            0 => {
                operate("add", dir);
                assert_eq!(registry(dir).load().unwrap().records, [Arc::new(record())]);
                assert!(!dir.join(".spawned_pods.new").exists());
                "old"
            }
            _ => "new",
        },
    );
    assert_eq!(added, BTreeSet::from(["new", "old"]));
    let moved = kill_everywhere(
        "set cursor",
        |dir| {
            registry(dir).add(&record(), WAIT).unwrap();
            registry(dir).set_cursor(None, "x", None, cursor(1), WAIT).unwrap();
        },
        |dir| {
            let items = registry(dir).cursor(None, "x").unwrap().unwrap().items;
            operate("set cursor", dir);
            assert_eq!(registry(dir).cursor(None, "x").unwrap(), Some(cursor(2)));
            if items == 1 { "old" } else { "new" }
        },
    );
    assert_eq!(moved, BTreeSet::from(["new", "old"]));
}
