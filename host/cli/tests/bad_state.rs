//! State on disk that is bad, held by somebody else, or cannot be written: the error, and that nothing is lost.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{call, call_changes_nothing, call_with, place_with, run, snapshot, tools_on};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

#[test]
fn spawned_pods_json_that_is_missing_is_no_pods() {
    let place = Place::new().unwrap();
    fs::remove_file(place.registry()).unwrap();
    let listed = call_changes_nothing(&place, "ListPods", "", &[]).ok();
    assert_eq!((&listed["summary"], &listed["content"]), (&json!("no spawned pods"), &Value::Null));
    for (tool, input) in tools_on("child") {
        let error = call_changes_nothing(&place, tool, &input, &[]).err();
        assert_eq!(error.words(), ("invalid-argument", "unknown-pod"), "{tool}");
    }
}

#[test]
fn spawned_pods_json_that_is_garbled_is_an_error_that_names_it_and_it_is_left_as_it_is() {
    let (place, pod) = place_with(Script::new());
    for garbled in ["", "[", "{}", "null", "\"pods\"", "[]]", "[{\"pod_name\":\"child\""] {
        place.write_registry(garbled).unwrap();
        let list = ("ListPods", String::new());
        for (tool, input) in tools_on("child").into_iter().chain([list]) {
            let error = call_changes_nothing(&place, tool, &input, &[]).err();
            assert_eq!(error.words(), ("execution-failed", "registry-damaged"), "{tool} on {garbled:?}");
            let file = place.registry().display().to_string();
            assert!(error.message.contains(&file), "{garbled:?}: {}", error.message);
            assert!(error.message.contains("repair it, or delete it"), "{garbled:?}: {}", error.message);
        }
    }
    fs::remove_file(place.registry()).unwrap();
    fs::create_dir(place.registry()).unwrap();
    let error = call_changes_nothing(&place, "ListPods", "", &[]).err();
    assert_eq!(error.words(), ("execution-failed", "registry-damaged"));
    assert!(error.message.contains("it is a directory"), "{}", error.message);
    assert_eq!(pod.connections(), 0);
}

#[test]
fn one_bad_record_takes_no_other_with_it_and_stays_when_the_registry_is_rewritten() {
    for bad in
        [json!({"pod_name": "bad"}), json!(7), json!({"pod_name": 7, "socket_path": "/x"}), json!(null)]
    {
        let place = Place::new().unwrap();
        place.record(place.native_record("first")).unwrap();
        place.record(bad.clone()).unwrap();
        let _pod = FakePod::start(&place, "last", Script::new().stopping()).unwrap();
        let listed = call(&place, "ListPods", &json!({})).ok();
        assert_eq!(listed["summary"], "2 pod(s) known; 1 record could not be read", "{bad}");
        assert_eq!(listed["data"]["unreadable"], 1);
        call(&place, "StopPod", &json!({"name": "last"})).ok();
        let left: Value = serde_json::from_str(&fs::read_to_string(place.registry()).unwrap()).unwrap();
        assert_eq!(left, json!([place.native_record("first"), bad]));
    }
}

#[test]
fn a_runtime_directory_that_does_not_exist_is_named_and_nothing_is_made() {
    let place = Place::new().unwrap();
    let before = snapshot(place.root());
    for option in [&["--runtime-dir", "/nowhere/spawner"][..], &["--spawner", "nobody"]] {
        let mut command = cli::bare();
        command.args(["call", "ListPods", "--json"]).arg("--base-dir").arg(place.base()).args(option);
        let error = run(command).err();
        assert_eq!(error.words(), ("execution-failed", "registry-damaged"));
        for part in [option[1], "--runtime-dir or --spawner"] {
            assert!(error.message.contains(part), "{part}: {}", error.message);
        }
    }
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn spawned_pods_json_is_not_followed_through_a_link() {
    let place = Place::new().unwrap();
    fs::write(place.root().join("elsewhere.json"), "[]").unwrap();
    fs::remove_file(place.registry()).unwrap();
    symlink(place.root().join("elsewhere.json"), place.registry()).unwrap();
    let error = call_changes_nothing(&place, "ListPods", "", &[]).err();
    assert_eq!(error.words(), ("execution-failed", "registry-damaged"));
    assert!(error.message.contains("symbolic link"), "{}", error.message);
}
#[test]
fn an_empty_scope_lock_is_an_empty_table_a_missing_one_is_created_and_both_let_a_pod_be_stopped() {
    for lock in [Some(""), None, Some(r#"{"allocations":[]}"#)] {
        let place = Place::new().unwrap();
        let _pod = FakePod::start(&place, "child", Script::new().stopping()).unwrap();
        match lock {
            Some(text) => fs::write(place.scope_lock(), text).unwrap(),
            None => assert!(!place.scope_lock().exists()),
        }
        call(&place, "StopPod", &json!({"name": "child"})).ok();
        assert_eq!(place.recorded().unwrap(), Vec::<String>::new());
        let text = fs::read_to_string(place.scope_lock()).unwrap();
        assert_eq!(text, lock.unwrap_or(""), "a table that has not changed is not rewritten");
        if lock.is_none() {
            let mode = fs::metadata(place.scope_lock()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[test]
fn a_pod_that_the_table_does_not_hold_can_be_stopped_and_the_others_entries_stay() {
    let (place, _pod) = place_with(Script::new().stopping());
    let other = place.native_allocation("other", i64::from(std::process::id()));
    place.write_table(std::slice::from_ref(&other)).unwrap();
    let before = fs::read(place.scope_lock()).unwrap();
    call(&place, "StopPod", &json!({"name": "child"})).ok();
    assert_eq!(fs::read(place.scope_lock()).unwrap(), before);
}

/// Opens the scope lock's file and takes its `flock`, as a native process does. Dropped, it lets go.
fn hold(place: &Place) -> fs::File {
    let file = fs::File::options().read(true).write(true).open(place.scope_lock()).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn while_another_process_holds_the_lock_stop_pod_is_refused_keeps_the_record_and_works_the_second_time() {
    let (place, _pod) = place_with(Script::new().stopping());
    let held = hold(&place);
    let table = fs::read(place.scope_lock()).unwrap();
    let stop = || call_with(&place, "StopPod", r#"{"name":"child"}"#, &["--op-timeout", "300ms"]);
    let error = stop().err();
    assert_eq!(error.words(), ("execution-failed", "lock-busy"));
    assert!(error.message.starts_with("stop `child`: "), "{}", error.message);
    assert!(error.message.contains(&place.scope_lock().display().to_string()), "{}", error.message);
    assert_eq!(place.recorded().unwrap(), ["child"]);
    assert_eq!(fs::read(place.scope_lock()).unwrap(), table);

    drop(held);
    let stopped = stop().ok();
    assert_eq!(stopped["summary"], "stopped pod `child`; reclaimed scope: write:/work/child");
    assert_eq!((place.recorded().unwrap(), place.allocated().unwrap()), (vec![], vec![]));
}

#[test]
fn list_pods_answers_although_the_lock_is_held_and_says_what_it_could_not_do() {
    let place = Place::new().unwrap();
    place.record(place.native_record("gone")).unwrap();
    // 2^31 is no process.
    place.write_table(&[place.native_allocation("gone", 1 << 31)]).unwrap();
    let held = hold(&place);
    let listed = call_changes_nothing(&place, "ListPods", "", &[]).ok();
    assert_eq!(listed["summary"], "1 pod(s) known; scope lock busy, stale entries not reclaimed");
    assert_eq!(listed["content"], "gone [stopped] scope=write:/work/gone");
    assert_eq!(listed["data"]["stale_reclaimed"], Value::Null);
    drop(held);
    let listed = call(&place, "ListPods", &json!({})).ok();
    assert_eq!(listed["summary"], "1 pod(s) known");
    assert_eq!(listed["data"]["stale_reclaimed"], 1);
    assert_eq!(place.allocated().unwrap(), Vec::<String>::new());
}

/// Sees to it that StopPod fails for the sake of the table, that ListPods says so behind its answer, and that
/// neither changes anything.
fn assert_table_damaged(place: &Place, why: &str, run: impl Fn(&str, &str) -> cli::Outcome) {
    let before = snapshot(place.root());
    let error = run("StopPod", r#"{"name":"gone"}"#).err();
    assert_eq!(error.words(), ("execution-failed", "lock-damaged"), "{}", error.message);
    assert!(error.message.starts_with("stop `gone`: "), "{}", error.message);
    let file = place.scope_lock().display().to_string();
    for part in [file.as_str(), why] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    let listed = run("ListPods", "").ok();
    assert_eq!(listed["summary"], "1 pod(s) known; scope lock damaged, stale entries not reclaimed");
    assert_eq!(snapshot(place.root()), before);
}

/// A place with a pod that is gone, and no table yet.
fn place_of_a_dead_pod() -> Place {
    let place = Place::new().unwrap();
    place.record(place.native_record("gone")).unwrap();
    place
}

#[test]
fn a_garbled_scope_lock_is_an_error_that_names_it_and_it_is_left_as_it_is() {
    for garbled in
        ["garbled", "{", "[]", "{}", "null", "{\"allocations\":7}", "{\"allocations\":[]}}", " \u{0}"]
    {
        let place = place_of_a_dead_pod();
        fs::write(place.scope_lock(), garbled).unwrap();
        assert_table_damaged(&place, "it was left as it is; repair it", |tool, input| {
            call_with(&place, tool, input, &[])
        });
    }
}

#[test]
fn a_scope_lock_that_is_a_directory_is_an_error_that_says_so() {
    let place = place_of_a_dead_pod();
    fs::create_dir(place.scope_lock()).unwrap();
    assert_table_damaged(
        &place,
        "it is a directory, not a regular file; remove what is there",
        |tool, input| call_with(&place, tool, input, &[]),
    );
}

#[test]
fn a_scope_lock_that_cannot_be_read_is_an_error_that_says_so() {
    let place = place_of_a_dead_pod();
    place.write_table(&[place.native_allocation("gone", 1 << 31)]).unwrap();
    fs::set_permissions(place.scope_lock(), fs::Permissions::from_mode(0o000)).unwrap();
    let without_override = ["--bounding-set=-dac_override,-dac_read_search", "--"];
    let as_root = rustix::process::geteuid().is_root();
    if as_root
        && !Command::new("setpriv").args(without_override).arg("true").status().is_ok_and(|s| s.success())
    {
        println!("not run: root reads every file, and setpriv(1) is not there to take that right away");
        return;
    }
    let table = || {
        fs::set_permissions(place.scope_lock(), fs::Permissions::from_mode(0o600)).unwrap();
        let table = fs::read(place.scope_lock()).unwrap();
        fs::set_permissions(place.scope_lock(), fs::Permissions::from_mode(0o000)).unwrap();
        table
    };
    let before = table();
    let call = |tool: &str, input: &str| {
        let command = cli::at(&place, ["call", tool, input, "--json"]);
        if !as_root {
            return run(command);
        }
        let mut confined = Command::new("setpriv");
        confined.args(without_override).arg(command.get_program()).args(command.get_args()).env_clear();
        confined.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(confined)
    };
    let error = call("StopPod", r#"{"name":"gone"}"#).err();
    assert_eq!(error.words(), ("execution-failed", "lock-damaged"), "{}", error.message);
    assert!(error.message.contains("Permission denied"), "{}", error.message);
    let listed = call("ListPods", "").ok();
    assert_eq!(listed["summary"], "1 pod(s) known; scope lock damaged, stale entries not reclaimed");
    assert_eq!((place.recorded().unwrap(), table()), (vec!["gone".to_owned()], before));
}

/// A small file system of its own. Dropped, it is unmounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a word about it, where this process may not mount anything.
    fn mount(at: &Path) -> Option<Self> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            _ => {
                println!("not run: a full disk takes the right to mount one");
                None
            }
        }
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let blocks = std::iter::repeat_n([b'x'; 4096], 64).flatten().collect::<Vec<u8>>();
        fs::write(self.0.join("filler"), blocks).unwrap_err();
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_the_table_stays_as_it_is_and_the_pod_can_be_stopped_when_there_is_room() {
    let place = Place::new().unwrap();
    let directory = place.root().join("disk");
    fs::create_dir(&directory).unwrap();
    let Some(disk) = SmallDisk::mount(&directory) else { return };
    let lock = directory.join("scope.lock");
    let _pod = FakePod::start(&place, "child", Script::new().stopping()).unwrap();
    place.write_table(&[place.native_allocation("child", i64::from(std::process::id()))]).unwrap();
    fs::rename(place.scope_lock(), place.root().join("table")).unwrap();
    fs::copy(place.root().join("table"), &lock).unwrap();
    disk.fill();
    let before = snapshot(&directory);

    let lock_option = lock.display().to_string();
    let stop = || {
        let mut command = cli::bare();
        command.args(["call", "StopPod", r#"{"name":"child"}"#, "--json", "--scope-lock", &lock_option]);
        command.arg("--base-dir").arg(place.base()).arg("--runtime-dir").arg(place.runtime_dir());
        run(command)
    };
    let error = stop().err();
    assert_eq!(error.words(), ("execution-failed", "state-unwritable"), "{}", error.message);
    for part in ["stop `child`: ", &lock_option, "No space left", "make room"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert_eq!(snapshot(&directory), before);
    assert_eq!(place.recorded().unwrap(), ["child"]);

    disk.make_room();
    assert_eq!(stop().ok()["summary"], "stopped pod `child`; reclaimed scope: write:/work/child");
    let table: Value = serde_json::from_str(&fs::read_to_string(&lock).unwrap()).unwrap();
    assert_eq!(table, json!({"allocations": []}));
    assert_eq!(place.recorded().unwrap(), Vec::<String>::new());
}

/// A place whose spawner's directory is on a small disk.
fn place_on_a_small_disk() -> Option<(Place, SmallDisk)> {
    let place = Place::new().unwrap();
    let disk = SmallDisk::mount(&place.runtime_dir())?;
    place.write_registry("[]").unwrap();
    Some((place, disk))
}

#[test]
fn on_a_full_disk_the_record_of_a_stopped_pod_stays_until_there_is_room() {
    let Some((place, disk)) = place_on_a_small_disk() else { return };
    let _pod = FakePod::start(&place, "child", Script::new().stopping()).unwrap();
    place.record(place.native_record("other")).unwrap();
    disk.fill();
    let before = fs::read(place.registry()).unwrap();
    let stop = || call(&place, "StopPod", &json!({"name": "child"}));
    let error = stop().err();
    assert_eq!(error.words(), ("execution-failed", "state-unwritable"), "{}", error.message);
    for part in ["stop `child`: update spawned_pods.json: ", "No space left", "make room"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert_eq!(fs::read(place.registry()).unwrap(), before);

    disk.make_room();
    stop().ok();
    assert_eq!(place.recorded().unwrap(), ["other"]);
}

#[test]
fn on_a_full_disk_the_text_is_given_with_a_warning_and_given_again() {
    let Some((place, disk)) = place_on_a_small_disk() else { return };
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("precious")]))]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    disk.fill();
    let before = snapshot(&place.runtime_dir());
    let read = || call(&place, "ReadPodOutput", &json!({"name": "child"}));
    for _ in 0..2 {
        let given = read();
        assert_eq!(given.ok()["content"], "precious");
        for part in ["warning: the read cursor of pod `child` was not stored", "given again", "No space left"]
        {
            assert!(given.stderr.contains(part), "{part}: {}", given.stderr);
        }
        let mut after = snapshot(&place.runtime_dir());
        // The lock's own file takes no room.
        after.retain(|path, _| !path.ends_with("spawned_pods.lock"));
        assert_eq!(after, before);
    }
    disk.make_room();
    assert_eq!(read().ok()["content"], "precious");
    assert_eq!(read().ok()["content"], Value::Null);
}
