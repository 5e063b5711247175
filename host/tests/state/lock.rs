//! The scope lock's file: made, waited for, refused, and shared with other processes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pod_tools_host::scope::{Allocation, RegisterError, ScopeLock, ScopeLockError, Table, TransactError};
use pod_tools_host::{Setting, ToolError};

use crate::native::{self, Holder};
use crate::table::allocation;

const WAIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

fn live(name: &str, writes: &[&str]) -> Allocation {
    let mut live = allocation(name, None, writes);
    live.pid = std::process::id().into();
    live
}

fn names(path: &Path) -> Vec<String> {
    let table = Table::parse(&fs::read(path).unwrap()).unwrap();
    table.allocations().map(|held| held.pod_name.clone()).collect()
}

#[test]
fn a_missing_file_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/base/scope.lock");
    assert_eq!(ScopeLock::new(&path).reclaim_stale(WAIT).unwrap(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn the_dead_are_reclaimed_and_the_file_stays_the_same_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    let mut dead = live("dead", &["/work"]);
    dead.pid = 0;
    let table = serde_json::json!({"allocations": [dead, live("living", &["/doc"])]}).to_string();
    fs::write(&path, table).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(ScopeLock::new(&path).reclaim_stale(WAIT).unwrap(), 1);
    assert_eq!(names(&path), ["living"]);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn a_visit_that_changes_nothing_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    let odd = format!("{{\"allocations\":   [{}]}}\n", serde_json::to_string(&live("x", &[])).unwrap());
    fs::write(&path, &odd).unwrap();
    let lock = ScopeLock::new(&path);
    assert_eq!(lock.reclaim_stale(WAIT).unwrap(), 0);
    assert!(!lock.release("nobody", WAIT, |_, _| Ok::<_, String>(())).unwrap());
    let refused = lock.release("x", WAIT, |held, _| Err(format!("{} still runs", held.unwrap().pod_name)));
    assert!(matches!(refused, Err(TransactError::Refused(reason)) if reason == "x still runs"));
    assert_eq!(fs::read_to_string(&path).unwrap(), odd);
}

#[test]
fn the_dead_are_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    let mut dead = live("x", &["/work"]);
    dead.pid = -1;
    fs::write(&path, serde_json::json!({ "allocations": [dead] }).to_string()).unwrap();
    let lock = ScopeLock::new(&path);
    lock.register(live("x", &["/work"]), WAIT).unwrap();
    let refused = lock.register(live("y", &["/work/src"]), WAIT);
    assert!(matches!(refused, Err(TransactError::Refused(RegisterError::Conflict { .. }))));
    assert_eq!(names(&path), ["x"]);
}

#[test]
fn a_held_lock_is_waited_for_so_long_and_works_when_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    let lock = ScopeLock::new(&path);
    lock.register(live("x", &[]), WAIT).unwrap();
    let Some(holder) = Holder::start(&path) else { return };
    let before = fs::read(&path).unwrap();
    for wait in [Duration::ZERO, SHORT] {
        match lock.release("x", wait, |_, _| Ok::<_, String>(())) {
            Err(TransactError::Lock(ScopeLockError::Busy { path: named, waited })) => {
                assert_eq!(named, path);
                assert!(waited >= wait);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(holder);
    assert!(lock.release("x", Duration::ZERO, |_, _| Ok::<_, String>(())).unwrap());
    assert!(names(&path).is_empty());
}

#[test]
fn the_lock_is_let_go_when_the_change_panics() {
    let dir = tempfile::tempdir().unwrap();
    let lock = ScopeLock::new(dir.path().join("scope.lock"));
    let panicked = std::panic::catch_unwind(|| {
        let _ = lock.transact(WAIT, |_, _| -> Result<(), String> { panic!("on purpose") });
    });
    assert!(panicked.is_err());
    lock.reclaim_stale(Duration::ZERO).unwrap();
}

#[test]
fn a_file_replaced_during_the_wait_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    fs::write(&path, "").unwrap();
    let lock = ScopeLock::new(&path);
    let Some(holder) = Holder::start(&path) else { return };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.register(live("x", &[]), WAIT));
        native::await_opened(&path, || waiting.is_finished());
        fs::remove_file(&path).unwrap();
        let Some(new_holder) = Holder::start(&path) else { return };
        drop(holder);
        // The lock on the removed file is free, the one that counts is not.
        native::await_opened(&path, || waiting.is_finished());
        assert_eq!(fs::read(&path).unwrap(), b"");
        drop(new_holder);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(names(&path), ["x"]);
}

#[test]
fn what_is_no_file_is_named_and_nothing_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let directory = dir.path().join("directory");
    fs::create_dir(&directory).unwrap();
    for (path, says) in [
        (directory, "it is a directory, not a regular file; remove what is there"),
        (fifo, "a FIFO"),
        (socket, "a socket"),
        (file.join("scope.lock"), "Not a directory (os error 20); give permission to read and write it"),
        ("/".into(), "a directory"),
    ] {
        let error = ScopeLock::new(&path).reclaim_stale(WAIT).unwrap_err();
        assert!(matches!(&error, ScopeLockError::Unusable { .. }), "{error}");
        let message = error.to_string();
        assert_eq!(ToolError::from(error).setting, Some(Setting::ScopeLock));
        assert!(message.contains(says) && message.contains(&path.display().to_string()), "{message}");
    }
}

#[test]
fn a_garbled_file_is_an_error_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    for garbled in ["{\"allocations\": [", "null", "\0\0"] {
        fs::write(&path, garbled).unwrap();
        let error = ScopeLock::new(&path).reclaim_stale(WAIT).unwrap_err();
        assert!(matches!(&error, ScopeLockError::Damaged { .. }), "{error}");
        let message = error.to_string();
        let beginning = format!("the scope lock `{}` is damaged: ", path.display());
        assert!(message.starts_with(&beginning), "{message}");
        let end = "it was left as it is; repair it, or empty it when no pod runs";
        assert!(message.ends_with(end), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), garbled);
    }
}

#[test]
fn a_file_beyond_the_bound_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = ScopeLock::new(&path).reclaim_stale(WAIT).unwrap_err().to_string();
    assert!(error.contains("larger than 64 MiB"), "{error}");
}

#[test]
fn the_operators_own_link_leads_to_the_same_lock_and_journal() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = dir.path().join("link.lock");
    std::os::unix::fs::symlink(real.join("scope.lock"), &link).unwrap();
    let lock = ScopeLock::new(&link);
    lock.register(live("x", &[]), WAIT).unwrap();
    assert_eq!(names(&real.join("scope.lock")), ["x"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // A table torn by a process that came by the real path is finished by one that comes by the link.
    let new = fs::read(real.join("scope.lock")).unwrap();
    let digest = |bytes: &[u8]| format!("{:032x}\n", xxhash_rust::xxh3::xxh3_128(bytes));
    let body = digest(b"old") + &String::from_utf8(new.clone()).unwrap();
    fs::write(real.join("scope.lock.next"), digest(body.as_bytes()) + &body).unwrap();
    fs::write(real.join("scope.lock"), "").unwrap();
    lock.reclaim_stale(WAIT).unwrap();
    assert_eq!(fs::read(real.join("scope.lock")).unwrap(), new);
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_before_the_table_is_touched() {
    if rustix::process::geteuid().is_root() {
        println!("not run: permissions do not bind root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    let lock = ScopeLock::new(&path);
    lock.register(live("x", &[]), WAIT).unwrap();
    let before = fs::read(&path).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = lock.release("x", WAIT, |_, _| Ok::<_, String>(())).unwrap_err();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(&error, TransactError::Lock(ScopeLockError::Unwritable { .. })), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// What a child process of the next test does: this test binary, started with the path in its environment.
#[test]
fn registers_what_the_environment_says() {
    let (Some(path), Ok(prefix)) = (std::env::var_os("STATE_LOCK"), std::env::var("STATE_PREFIX")) else {
        return;
    };
    let pid: i64 = std::env::var("STATE_PID").unwrap().parse().unwrap();
    let lock = ScopeLock::new(path);
    for n in 0..20 {
        let mut held = allocation(&format!("{prefix}{n}"), None, &[]);
        held.pid = pid;
        lock.register(held, WAIT).unwrap();
        if n % 2 == 1 {
            assert!(lock.release(&format!("{prefix}{n}"), WAIT, |_, _| Ok::<_, String>(())).unwrap());
        }
    }
}

#[test]
fn processes_of_ours_and_native_ones_lose_no_update() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scope.lock");
    fs::write(&path, "").unwrap();
    let children: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|prefix| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "lock::registers_what_the_environment_says"])
                .env("STATE_LOCK", &path)
                .env("STATE_PREFIX", prefix)
                .env("STATE_PID", std::process::id().to_string())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for n in 0..20 {
        native::change(&path, |table| {
            let own = serde_json::to_value(live(&format!("native{n}"), &[])).unwrap();
            table["allocations"].as_array_mut().unwrap().push(own);
        });
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut names = names(&path);
    names.sort();
    let mut expected: Vec<String> = (0..20).map(|n| format!("native{n}")).collect();
    for prefix in ["a", "b", "c"] {
        expected.extend((0..20).step_by(2).map(|n| format!("{prefix}{n}")));
    }
    expected.sort();
    assert_eq!(names, expected);
}
