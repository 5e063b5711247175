//! The registry, on disk and in memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use pod_tools_host::registry::{
    FileRegistry, MemoryRegistry, Record, Registry, RegistryError, StoredCursor, Unreadable,
};
use pod_tools_host::scope::{Permission, ScopeRule};
use pod_tools_host::{Setting, ToolError};
use tempfile::TempDir;

use crate::native::{self, Holder, SmallDisk};

const WAIT: Duration = Duration::from_secs(60);

fn record(name: &str) -> Record {
    Record {
        pod_name: name.into(),
        socket_path: format!("/run/{name}/sock").into(),
        scope_delegated: vec![ScopeRule {
            target: "/work/src".into(),
            permission: Permission::Write,
            recursive: true,
        }],
        callback_address: Some("/run/spawner/sock".into()),
        fence: None,
    }
}

fn cursor(items: u64) -> StoredCursor {
    StoredCursor { items, digest: format!("digest of {items}") }
}

fn opened() -> (TempDir, FileRegistry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = FileRegistry::open(dir.path()).unwrap();
    (dir, registry)
}

fn names(registry: &dyn Registry) -> Vec<String> {
    registry.load().unwrap().records.iter().map(|record| record.pod_name.clone()).collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_files_are_made_for_their_owner_alone() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    registry.set_cursor(None, "x", None, cursor(1), WAIT).unwrap();
    let made = files(dir.path());
    assert_eq!(made, ["read_cursors.json", "spawned_pods.json", "spawned_pods.lock"]);
    for name in made {
        let mode = fs::metadata(dir.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn no_file_is_no_pods_and_reading_makes_none() {
    let (dir, registry) = opened();
    assert_eq!(registry.load().unwrap(), Default::default());
    assert_eq!(registry.cursor(None, "x").unwrap(), None);
    assert!(files(dir.path()).is_empty());
}

#[test]
fn a_missing_directory_is_an_error_that_names_it_and_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("gone");
    let error = ToolError::from(FileRegistry::open(&missing).unwrap_err());
    assert!(error.message.contains(missing.to_str().unwrap()), "{error}");
    assert_eq!(error.setting, Some(Setting::RuntimeDir));
}

#[test]
fn a_directory_removed_while_open_is_not_taken_for_an_empty_registry() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    dir.close().unwrap();
    assert!(matches!(registry.load(), Err(RegistryError::Directory { .. })));
}

#[test]
fn a_directory_renamed_while_open_is_still_the_same_registry() {
    let parent = tempfile::tempdir().unwrap();
    let (here, there) = (parent.path().join("here"), parent.path().join("there"));
    fs::create_dir(&here).unwrap();
    let registry = FileRegistry::open(&here).unwrap();
    fs::rename(&here, &there).unwrap();
    fs::create_dir(&here).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    assert!(there.join("spawned_pods.json").exists());
    assert!(files(&here).is_empty());
}

#[test]
fn records_are_written_as_native_spawners_write_them() {
    let (dir, registry) = opened();
    registry.add(&record("child"), WAIT).unwrap();
    let expected = r#"[
  {
    "pod_name": "child",
    "socket_path": "/run/child/sock",
    "scope_delegated": [
      {
        "target": "/work/src",
        "permission": "write",
        "recursive": true
      }
    ],
    "callback_address": "/run/spawner/sock"
  }
]"#;
    let path = dir.path().join("spawned_pods.json");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    registry.remove(&record("child"), WAIT).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    assert_eq!(files(dir.path()), ["spawned_pods.json", "spawned_pods.lock"]);
}

#[test]
fn a_bad_record_takes_no_other_with_it_and_stays_to_the_letter() {
    let (dir, registry) = opened();
    let path = dir.path().join("spawned_pods.json");
    let odd = r#"{"pod_name": "odd",   "socket_path": 1.50}"#;
    let known = |name: &str| {
        format!(
            r#"{{"socket_path":"/s","pod_name":"{name}","scope_delegated":[],"age":1e2,"callback_address":7}}"#
        )
    };
    fs::write(&path, format!("[{},{odd},null,{}]", known("a"), known("b"))).unwrap();
    let records = registry.load().unwrap();
    assert_eq!(records.records.len(), 2);
    assert_eq!(records.get("a").unwrap().callback_address, None);
    assert_eq!(records.unreadable, [Unreadable { name: Some("odd".into()) }, Unreadable { name: None }]);
    registry.remove(records.get("a").unwrap(), WAIT).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("[\n  {odd},\n  null,\n  {}\n]", known("b")));
}

#[test]
fn where_names_repeat_the_first_is_found_and_only_its_record_is_removed() {
    let (_dir, registry) = opened();
    let second = Record { socket_path: "/elsewhere".into(), ..record("twin") };
    registry.add(&record("twin"), WAIT).unwrap();
    registry.add(&second, WAIT).unwrap();
    assert_eq!(registry.load().unwrap().get("twin").map(|found| &**found), Some(&record("twin")));
    registry.remove(&record("twin"), WAIT).unwrap();
    assert_eq!(registry.load().unwrap().get("twin").map(|found| &**found), Some(&second));
    registry.remove(&record("twin"), WAIT).unwrap();
    assert_eq!(names(&registry), ["twin"]);
}

#[test]
fn garbage_is_an_error_that_names_the_file_and_changes_nothing() {
    let (dir, registry) = opened();
    let path = dir.path().join("spawned_pods.json");
    // No text, in a member that nobody reads.
    let unseen = b"[{\"pod_name\":\"x\",\"socket_path\":\"/x\",\"scope_delegated\":[],\"more\":\"\xff\"}]";
    for garbage in [&b""[..], b"[", b"{}", b"null", b"\xff", b"[\"\xff\"]", b"[] []", unseen] {
        fs::write(&path, garbage).unwrap();
        let attempts = [
            registry.load().map(drop),
            registry.add(&record("x"), WAIT),
            registry.remove(&record("x"), WAIT),
        ];
        for error in attempts.map(|attempt| attempt.unwrap_err()) {
            assert!(matches!(&error, RegistryError::Damaged { .. }), "{error}");
            let message = error.to_string();
            let beginning = format!("the registry file `{}` is damaged: ", path.display());
            assert!(message.starts_with(&beginning), "{message}");
            let end = "it was left as it is; repair it, or delete it to forget all pods";
            assert!(message.ends_with(end), "{message}");
        }
        assert_eq!(fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn what_is_no_file_is_not_opened_for_long_nor_followed() {
    let (dir, registry) = opened();
    let path = dir.path().join("spawned_pods.json");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    assert!(registry.load().unwrap_err().to_string().contains("a FIFO"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(registry.load().unwrap_err().to_string().contains("a directory"));
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(registry.load().unwrap_err().to_string().contains("a symbolic link"));
    fs::remove_file(&path).unwrap();
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(registry.load().unwrap_err().to_string().contains("larger than 64 MiB"));
}

#[test]
fn a_held_lock_is_waited_for_so_long_and_reading_does_not_mind() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    let Some(holder) = Holder::start(&dir.path().join("spawned_pods.lock")) else { return };
    assert_eq!(names(&registry), ["x"]);
    assert_eq!(registry.cursor(None, "x").unwrap(), None);
    let short = Duration::from_millis(30);
    for attempt in
        [registry.remove(&record("x"), short), registry.set_cursor(None, "x", None, cursor(1), short)]
    {
        let error = attempt.unwrap_err();
        assert!(matches!(&error, RegistryError::Busy { waited, .. } if *waited >= short), "{error}");
        assert!(error.to_string().contains("spawned_pods.lock"), "{error}");
    }
    drop(holder);
    registry.remove(&record("x"), Duration::ZERO).unwrap();
    assert!(names(&registry).is_empty());
}

#[test]
fn a_lock_replaced_during_the_wait_is_opened_again() {
    let (dir, registry) = opened();
    let path = dir.path().join("spawned_pods.lock");
    // By another one, so that this one opens the lock when it waits for it.
    FileRegistry::open(dir.path()).unwrap().add(&record("x"), WAIT).unwrap();
    let Some(holder) = Holder::start(&path) else { return };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| registry.add(&record("y"), WAIT));
        native::await_opened(&path, || waiting.is_finished());
        fs::remove_file(&path).unwrap();
        let Some(new_holder) = Holder::start(&path) else { return };
        drop(holder);
        // The lock on the removed file is free, the one that counts is not.
        native::await_opened(&path, || waiting.is_finished());
        assert_eq!(names(&registry), ["x"]);
        drop(new_holder);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(names(&registry), ["x", "y"]);
}

#[test]
fn writers_that_share_a_registry_lose_no_update() {
    let (dir, _registry) = opened();
    std::thread::scope(|scope| {
        for writer in ["a", "b", "c"] {
            let path = dir.path();
            scope.spawn(move || {
                // A lock of its own: flock binds open files, not threads.
                let registry = FileRegistry::open(path).unwrap();
                for n in 0..20 {
                    let name = format!("{writer}{n}");
                    registry.add(&record(&name), WAIT).unwrap();
                    registry.set_cursor(None, &name, None, cursor(n), WAIT).unwrap();
                    if n % 2 == 1 {
                        registry.remove(&record(&name), WAIT).unwrap();
                    }
                }
            });
        }
    });
    let registry = FileRegistry::open(dir.path()).unwrap();
    assert_eq!(names(&registry).len(), 30);
    for writer in ["a", "b", "c"] {
        for n in 0..20 {
            let kept = (n % 2 == 0).then(|| cursor(n));
            assert_eq!(registry.cursor(None, &format!("{writer}{n}")).unwrap(), kept);
        }
    }
}

/// The rules of cursors, for every kind of registry.
fn cursors_follow_their_rules(registry: &dyn Registry) {
    let set = |base: Option<u64>, new| {
        registry.set_cursor(None, "x", base.map(cursor).as_ref(), cursor(new), WAIT).unwrap();
        registry.cursor(None, "x").unwrap().map(|cursor| cursor.items)
    };
    assert_eq!(set(None, 5), Some(5));
    assert_eq!(set(Some(5), 3), Some(3), "a history that was rewritten");
    assert_eq!(set(Some(5), 2), Some(3), "moved meanwhile: the one with more items stays");
    assert_eq!(set(Some(5), 9), Some(9));
    assert_eq!(set(None, 4), Some(9));
    registry.remove(&record("x"), WAIT).unwrap();
    assert_eq!(set(Some(9), 10), None, "a pod that is gone gets no cursor");
    assert_eq!(set(None, 10), None);
}

#[test]
fn cursors_are_kept_on_disk_across_registries() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    registry.add(&record("y \u{1b}\"\n"), WAIT).unwrap();
    registry.set_cursor(None, "y \u{1b}\"\n", None, cursor(u64::MAX), WAIT).unwrap();
    cursors_follow_their_rules(&registry);
    let again = FileRegistry::open(dir.path()).unwrap();
    assert_eq!(again.cursor(None, "y \u{1b}\"\n").unwrap(), Some(cursor(u64::MAX)));
}

#[test]
fn cursors_are_kept_in_memory() {
    let registry = MemoryRegistry::new();
    registry.add(record("x"));
    registry.add(record("y"));
    cursors_follow_their_rules(&registry);
    assert_eq!(names(&registry), ["y"]);
}

#[test]
fn a_cursor_removed_meanwhile_is_not_brought_back() {
    let (_dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    registry.set_cursor(None, "x", None, cursor(5), WAIT).unwrap();
    registry.remove(&record("x"), WAIT).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    registry.set_cursor(None, "x", Some(&cursor(5)), cursor(6), WAIT).unwrap();
    assert_eq!(registry.cursor(None, "x").unwrap(), None);
}

#[test]
fn cursors_are_added_to_a_file_that_stays_the_same_until_it_has_many_lines_and_is_written_anew() {
    let (dir, registry) = opened();
    for name in ["x", "y"] {
        registry.add(&record(name), WAIT).unwrap();
        registry.set_cursor(None, name, None, cursor(0), WAIT).unwrap();
    }
    let path = dir.path().join("read_cursors.json");
    let mut lengths = Vec::new();
    for n in 1..2000 {
        let before = fs::read_to_string(&path).unwrap();
        registry.set_cursor(None, "x", Some(&cursor(n - 1)), cursor(n), WAIT).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        assert!(after.starts_with(&before) || after.lines().count() == 3, "{after}");
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(n)));
        lengths.push(after.lines().count());
    }
    assert!((500..600).contains(lengths.iter().max().unwrap()), "{:?}", lengths.iter().max());
    let again = FileRegistry::open(dir.path()).unwrap();
    assert_eq!(again.cursor(None, "x").unwrap(), Some(cursor(1999)));
    assert_eq!(again.cursor(None, "y").unwrap(), Some(cursor(0)));
}

#[test]
fn a_line_that_a_killed_process_began_counts_for_nothing_and_is_in_nobodys_way() {
    let (dir, registry) = opened();
    for name in ["x", "y"] {
        registry.add(&record(name), WAIT).unwrap();
        registry.set_cursor(None, name, None, cursor(1), WAIT).unwrap();
    }
    let path = dir.path().join("read_cursors.json");
    let whole = fs::read_to_string(&path).unwrap();
    let line = r#"{"pod":"x","items":2,"digest":"digest of 2"}"#;
    for length in 1..=line.len() {
        fs::write(&path, whole.clone() + &line[..length]).unwrap();
        for registry in [&registry, &FileRegistry::open(dir.path()).unwrap()] {
            assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(1)));
            assert_eq!(registry.cursor(None, "y").unwrap(), Some(cursor(1)));
        }
        registry.set_cursor(None, "x", Some(&cursor(1)), cursor(3), WAIT).unwrap();
        let expected = whole.clone() + "{\"pod\":\"x\",\"items\":3,\"digest\":\"digest of 3\"}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}

#[test]
fn what_another_process_adds_or_puts_in_its_place_is_seen_at_once() {
    let (dir, registry) = opened();
    let other = FileRegistry::open(dir.path()).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    let path = dir.path().join("read_cursors.json");
    let mut now = None;
    for n in 0..1500 {
        let (writer, reader) = if n % 3 == 0 { (&registry, &other) } else { (&other, &registry) };
        writer.set_cursor(None, "x", now.as_ref(), cursor(n), WAIT).unwrap();
        now = Some(cursor(n));
        assert_eq!(reader.cursor(None, "x").unwrap(), now);
        if n % 100 == 99 {
            fs::remove_file(&path).unwrap();
            for registry in [&registry, &other] {
                assert_eq!(registry.cursor(None, "x").unwrap(), None);
            }
            now = None;
        }
    }
}

#[test]
fn cursors_of_format_1_are_read_and_become_lines_with_the_next_change() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    registry.add(&record("bad"), WAIT).unwrap();
    let path = dir.path().join("read_cursors.json");
    let found = r#"{"version":1,"pods":{"gone":{},"bad":{"items":-1},"x":{"at":1e2,"items":3,"digest":"digest of 3"}}}"#;
    for found in [found.to_owned(), found.replace('{', "{\n  ")] {
        fs::write(&path, found).unwrap();
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(3)));
        assert!(matches!(registry.cursor(None, "bad"), Err(RegistryError::Damaged { .. })));
        registry.set_cursor(None, "x", Some(&cursor(3)), cursor(4), WAIT).unwrap();
        let written = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 3, "{written}");
        assert_eq!(lines[0], r#"{"version":2}"#);
        assert!(lines[1].starts_with(r#"{"pod":"bad","#), "{written}");
        assert_eq!(lines[2], r#"{"pod":"x","items":4,"digest":"digest of 4"}"#);
        for registry in [&registry, &FileRegistry::open(dir.path()).unwrap()] {
            assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(4)));
            assert!(matches!(registry.cursor(None, "bad"), Err(RegistryError::Damaged { .. })));
        }
    }
}

#[test]
fn a_pod_is_removed_with_its_cursor_also_where_the_cursors_are_written_anew() {
    let (dir, registry) = opened();
    let path = dir.path().join("read_cursors.json");
    let format_1 = r#"{"version":1,"pods":{"x":{"items":3,"digest":"d"},"y":{"items":1,"digest":"d"}}}"#;
    let many = r#"{"pod":"x","items":3,"digest":"d"}"#.to_owned() + "\n";
    let long = "{\"version\":2}\n".to_owned() + &many.repeat(2000) + &many.replace('x', "y");
    for found in [format_1, &long] {
        for name in ["x", "y"] {
            registry.add(&record(name), WAIT).unwrap();
        }
        fs::write(&path, found).unwrap();
        registry.remove(&record("x"), WAIT).unwrap();
        assert_eq!(names(&registry), ["y"]);
        assert_eq!(registry.cursor(None, "x").unwrap(), None);
        assert!(registry.cursor(None, "y").unwrap().is_some());
        assert_eq!(files(dir.path()), ["read_cursors.json", "spawned_pods.json", "spawned_pods.lock"]);
        registry.remove(&record("y"), WAIT).unwrap();
    }
}

#[test]
fn the_cursor_of_a_removed_pod_is_forgotten_by_a_line_behind_it() {
    let (dir, registry) = opened();
    for name in ["x", "y"] {
        registry.add(&record(name), WAIT).unwrap();
        registry.set_cursor(None, name, None, cursor(1), WAIT).unwrap();
    }
    let path = dir.path().join("read_cursors.json");
    let before = fs::read_to_string(&path).unwrap();
    registry.remove(&record("x"), WAIT).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), before + "{\"forgotten\":\"x\"}\n");
}

#[test]
fn a_cursor_that_cannot_be_read_is_an_error_for_its_pod_alone_and_stays() {
    let (dir, registry) = opened();
    registry.add(&record("x"), WAIT).unwrap();
    registry.add(&record("bad"), WAIT).unwrap();
    let path = dir.path().join("read_cursors.json");
    let bad = "{\"pod\":\"bad\",\"items\":-1,\"why\":1.50}\n";
    fs::write(&path, format!("{{\"version\":2}}\n{bad}")).unwrap();
    for n in 0..1200_u64 {
        let base = n.checked_sub(1).map(cursor);
        registry.set_cursor(None, "x", base.as_ref(), cursor(n), WAIT).unwrap();
    }
    assert!(matches!(registry.cursor(None, "bad"), Err(RegistryError::Damaged { .. })));
    assert!(fs::read_to_string(&path).unwrap().contains(bad));
}

#[test]
fn cursors_of_pods_that_a_native_spawner_forgot_are_dropped() {
    let (dir, registry) = opened();
    for name in ["x", "y"] {
        registry.add(&record(name), WAIT).unwrap();
        registry.set_cursor(None, name, None, cursor(1), WAIT).unwrap();
    }
    let list = serde_json::to_string(&[record("x")]).unwrap();
    fs::write(dir.path().join("spawned_pods.json"), list).unwrap();
    registry.set_cursor(None, "x", Some(&cursor(1)), cursor(2), WAIT).unwrap();
    for registry in [&registry, &FileRegistry::open(dir.path()).unwrap()] {
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(2)));
        assert_eq!(registry.cursor(None, "y").unwrap(), None);
    }
}

#[test]
fn a_file_that_may_not_be_written_to_is_replaced_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        let (dir, registry) = opened();
        registry.add(&record("x"), WAIT).unwrap();
        registry.set_cursor(None, "x", None, cursor(1), WAIT).unwrap();
        let path = dir.path().join("read_cursors.json");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
        let registry = FileRegistry::open(dir.path()).unwrap();
        registry.set_cursor(None, "x", Some(&cursor(1)), cursor(2), WAIT).unwrap();
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(2)));
    } else {
        println!("not run: root may write to any file");
    }
}

#[test]
fn garbled_cursors_are_an_error_and_keep_no_record_alive() {
    let (dir, registry) = opened();
    let path = dir.path().join("read_cursors.json");
    for garbage in [
        "",
        "[]",
        "{",
        "\n",
        "{\"version\":2",
        r#"{"version":2,"pods":{}}"#,
        r#"{"version":3,"pods":{}}"#,
        "{\"version\":3}\n",
        r#"{"pods":{}}"#,
        r#"{"version":1}"#,
        "{\"version\":2}\n{}\n",
        "{\"version\":2}\n\n",
        "{\"version\":2}\n[]\n",
        "{\"version\":2}\n{\"pod\":\"x\",\"forgotten\":\"x\"}\n",
        "{\"version\":2}\nx\n{\"pod\":\"x\",\"items\":1,\"digest\":\"\"}\n",
    ] {
        registry.add(&record("x"), WAIT).unwrap();
        fs::write(&path, garbage).unwrap();
        for error in [
            registry.cursor(None, "x").unwrap_err(),
            registry.set_cursor(None, "x", None, cursor(1), WAIT).unwrap_err(),
        ] {
            assert!(matches!(&error, RegistryError::Damaged { .. }), "{error}");
            let message = error.to_string();
            let beginning = format!("the registry file `{}` is damaged: ", path.display());
            assert!(message.starts_with(&beginning), "{message}");
            let end = "it was left as it is; delete it, and every pod's output is given from its start again";
            assert!(message.ends_with(end), "{message}");
        }
        registry.remove(&record("x"), WAIT).unwrap();
        assert!(names(&registry).is_empty());
        assert_eq!(fs::read_to_string(&path).unwrap(), garbage);
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let registry = FileRegistry::open(disk.path()).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    registry.set_cursor(None, "x", None, cursor(1), WAIT).unwrap();
    registry.add(&record("y"), WAIT).unwrap();
    disk.fill(0);
    for attempt in [
        registry.remove(&record("y"), WAIT),
        registry.remove(&record("x"), WAIT),
        registry.add(&record("z"), WAIT),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(&error, RegistryError::Unwritable { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("No space left") && message.contains("make room"), "{message}");
    }
    assert_eq!(names(&registry), ["x", "y"]);
    // There is room for a few lines where there are lines already.
    let mut stored = 1;
    let error = loop {
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(stored)));
        match registry.set_cursor(None, "x", Some(&cursor(stored)), cursor(stored + 1), WAIT) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the disk is not full");
    };
    assert!(matches!(&error, RegistryError::Unwritable { .. }), "{error}");
    for registry in [&registry, &FileRegistry::open(disk.path()).unwrap()] {
        assert_eq!(registry.cursor(None, "x").unwrap(), Some(cursor(stored)));
    }
    let left = ["filler", "read_cursors.json", "spawned_pods.json", "spawned_pods.lock"];
    assert_eq!(files(disk.path()), left);
    disk.free();
    registry.remove(&record("x"), WAIT).unwrap();
    assert_eq!(names(&registry), ["y"]);
}

#[test]
fn what_a_killed_process_left_is_taken_over() {
    let (dir, registry) = opened();
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    let new = dir.path().join(".spawned_pods.new");
    std::os::unix::fs::symlink(&elsewhere, &new).unwrap();
    registry.add(&record("x"), WAIT).unwrap();
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "precious");
    assert_eq!(names(&registry), ["x"]);
    assert!(!new.exists());
}
