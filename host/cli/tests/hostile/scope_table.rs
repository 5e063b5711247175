//! The scope table and its journal, which others plant, write to, or would take a scope by.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use pod_tools_conformance::Place;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::cli::{self, call};
use crate::stranger::{give_away, mode, place, refused};

/// A place with a pod of which nothing is left but its record and its allocation, which a living process may hold: to
/// stop it takes the table alone.
fn place_with_record() -> Place {
    let place = place();
    place.record(place.native_record("child")).unwrap();
    place.write_table(&[place.native_allocation("child", i64::from(std::process::id()))]).unwrap();
    for file in [place.registry(), place.scope_lock()] {
        mode(file, 0o644);
    }
    place
}

fn journal(old: &str, new: &str) -> String {
    let digest = |text: &str| format!("{:032x}\n", xxh3_128(text.as_bytes()));
    let body = digest(old) + new;
    digest(&body) + &body
}

/// A place where a journal waits to be carried out that puts an allocation of a living process into any table.
fn place_with_a_forged_journal() -> Place {
    let place = place_with_record();
    let forged = place.native_allocation("forged", i64::from(std::process::id()));
    let forged = journal("another table", &json!({ "allocations": [forged] }).to_string());
    fs::write(place.scope_journal(), forged).unwrap();
    place
}

/// Stopping the pod, which takes the table, is refused for that file, with that remedy, and the table is as it was.
fn is_not_believed(place: &Place, named: &Path, remedy: &str) {
    refused(place, "StopPod", &json!({ "name": "child" }), "lock-damaged", named, remedy);
    assert_eq!(place.allocated().unwrap(), ["child"]);
}

#[test]
fn plants_a_journal_in_a_directory_that_others_can_write_to() {
    let place = place_with_a_forged_journal();
    mode(place.base(), 0o777);
    is_not_believed(&place, &place.scope_lock(), &format!("chmod go-w {}`", place.base().display()));
}

#[test]
fn plants_a_journal_of_his_own() {
    let place = place_with_a_forged_journal();
    if give_away(place.scope_journal()) {
        is_not_believed(&place, &place.scope_journal(), "another user (54321)");
    }
}

#[test]
fn writes_to_a_journal_that_was_left_open_to_others() {
    let place = place_with_a_forged_journal();
    mode(place.scope_journal(), 0o666);
    is_not_believed(&place, &place.scope_journal(), "chmod go-w");
}

#[test]
fn plants_a_table_or_writes_to_it() {
    let place = place_with_record();
    for open in [0o666, 0o646, 0o664, 0o622] {
        mode(place.scope_lock(), open);
        is_not_believed(&place, &place.scope_lock(), "chmod go-w");
    }
    mode(place.scope_lock(), 0o644);
    if give_away(place.scope_lock()) {
        is_not_believed(&place, &place.scope_lock(), "another user");
    }
}

#[test]
fn has_a_table_made_where_a_link_of_his_leads() {
    let place = place();
    place.record(place.native_record("child")).unwrap();
    let precious = place.root().join("precious");
    symlink(&precious, place.scope_lock()).unwrap();
    mode(place.base(), 0o777);
    let error = call(&place, "StopPod", &json!({ "name": "child" })).err();
    assert_eq!(error.words(), ("execution-failed", "lock-damaged"), "{error:?}");
    assert!(!precious.exists());
}

#[test]
fn takes_the_scope_of_a_pod_that_is_starting() {
    let place = place();
    let work = place.root().join("work");
    fs::create_dir(&work).unwrap();
    let scope = format!("write:{}", work.display());
    let pod = |name: &str| {
        let mut pod = cli::at(&place, ["pod", name, "--scope", &scope]);
        pod.args(["--", "cat"]);
        pod
    };
    // Between its entry in the table and its listening, for ten seconds.
    let mut slow = Command::new("strace");
    slow.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=bind", "-e", "inject=bind:delay_enter=10s"]);
    let starting = pod("starting");
    slow.arg(starting.get_program()).args(starting.get_args()).stderr(Stdio::piped());
    let Ok(mut slow) = slow.spawn() else {
        println!("not run: there is no strace on this machine");
        return;
    };
    while place.allocated().unwrap().is_empty() {
        assert!(slow.try_wait().unwrap().is_none(), "it ended before it had an entry");
        std::thread::yield_now();
    }
    assert!(!place.socket("starting").exists(), "it listens too early for this attack");
    let other = cli::run(pod("other"));
    assert_ne!(other.code, Some(0), "{other:?}");
    assert!(other.stderr.contains("conflicts with"), "{other:?}");
    call(&place, "ListPods", &json!({})).ok();
    let stopped = cli::call_with(&place, "StopPod", r#"{"name":"starting"}"#, &["--op-timeout", "1s"]);
    assert_ne!(stopped.code, Some(0), "{stopped:?}");
    assert_eq!(place.allocated().unwrap(), ["starting"]);
    // `strace` hands the signal on.
    slow.kill().unwrap();
    slow.wait().unwrap();
}
