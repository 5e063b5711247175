//! StopPod, from the outside: the seed's wording, and what it does better (rows 1, 8, 9, 11, 13, 14, 19 and
//! 22 of the list of the native tools' faults).

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::support::{Spawner, connections_so_far, data, dead_pid, dead_socket, failed, hasty, patient};
use pod_tools_conformance::{FakePod, Script, Step, event};
use pod_tools_host::{ErrorKind, Reason, ToolError};
use serde_json::{Value, json};

/// A pod with an allocation in the table.
fn allocated(spawner: &Spawner, name: &str, script: Script) -> FakePod {
    let pod = FakePod::start(&spawner.place, name, script).unwrap();
    let own = i64::from(std::process::id());
    spawner.place.write_table(&[spawner.place.native_allocation(name, own)]).unwrap();
    pod
}

fn shutdown() -> Step {
    Step::line(event("shutdown", Value::Null))
}

/// What a stop that failed must have left as it was, byte for byte.
fn state(spawner: &Spawner) -> [Option<Vec<u8>>; 2] {
    [spawner.place.registry(), spawner.place.scope_lock()].map(|path| std::fs::read(path).ok())
}

const STOPPED: &str = "stopped pod `child`; reclaimed scope: write:/work/child";

#[tokio::test]
async fn a_pod_that_says_shutdown_is_stopped_and_its_scope_and_record_are_gone() {
    let spawner = Spawner::new();
    let pod = allocated(&spawner, "child", Script::new().stopping());
    spawner.place.record(spawner.place.native_record("other")).unwrap();
    let output = spawner.stop("child").await;
    assert_eq!(output.summary, STOPPED);
    assert_eq!(output.content, None);
    let scope = json!([{ "permission": "write", "target": "/work/child", "recursive": true }]);
    assert_eq!(data(&output), json!({ "pod": "child", "confirmed": true, "scope": scope }));
    assert_eq!(pod.received(), [r#"{"method":"shutdown"}"#]);
    assert_eq!(spawner.place.recorded().unwrap(), ["other"]);
    assert!(spawner.place.allocated().unwrap().is_empty());
    let expected =
        ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, "no spawned pod named `child`");
    assert_eq!(spawner.stop_fails("child").await, expected);
}

#[tokio::test]
async fn a_pod_that_is_dead_already_is_stopped() {
    for leaves_socket in [true, false] {
        let spawner = Spawner::new();
        let mut record = spawner.place.native_record("child");
        record["scope_delegated"] = json!([]);
        spawner.place.record(record).unwrap();
        spawner.place.write_table(&[spawner.place.native_allocation("child", dead_pid())]).unwrap();
        if leaves_socket {
            dead_socket(&spawner.place.socket("child"));
        }
        let output = spawner.stop("child").await;
        assert_eq!(output.summary, "stopped pod `child`; reclaimed scope: (none)");
        assert_eq!(data(&output)["confirmed"], false);
        assert!(spawner.place.recorded().unwrap().is_empty());
        assert!(spawner.place.allocated().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_pod_that_the_table_does_not_hold_can_be_stopped() {
    for table in [None, Some(""), Some("{\"allocations\":[]}")] {
        let spawner = Spawner::new();
        let _pod = FakePod::start(&spawner.place, "child", Script::new().stopping()).unwrap();
        if let Some(table) = table {
            std::fs::write(spawner.place.scope_lock(), table).unwrap();
        }
        assert_eq!(spawner.stop("child").await.summary, STOPPED);
        let text = std::fs::read_to_string(spawner.place.scope_lock()).unwrap();
        assert_eq!(text, table.unwrap_or(""), "a missing table is made, empty; others are not touched");
    }
}

#[tokio::test]
async fn what_the_pod_had_handed_on_goes_to_its_own_parent() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", Script::new().stopping()).unwrap();
    let own = i64::from(std::process::id());
    let allocation = |name: &str, parent: Value| {
        let mut allocation = spawner.place.native_allocation(name, own);
        allocation["delegated_from"] = parent;
        allocation
    };
    let (top, other) = (allocation("top", json!(null)), allocation("other", json!("top")));
    let table = [
        top.clone(),
        allocation("child", json!("top")),
        allocation("grandchild", json!("child")),
        other.clone(),
    ];
    spawner.place.write_table(&table).unwrap();
    spawner.stop("child").await;
    let table = std::fs::read_to_string(spawner.place.scope_lock()).unwrap();
    let expected = json!({ "allocations": [top, allocation("grandchild", json!("top")), other] });
    assert_eq!(table, serde_json::to_string_pretty(&expected).unwrap());
}

/// Rows 1 and 19: a pod that replays what it has buffered before it reads anything. The native tool has
/// closed the connection by then, and the pod never learns that it was to stop.
#[tokio::test]
async fn a_pod_with_much_to_replay_learns_that_it_is_to_stop() {
    let spawner = Spawner::new();
    let notification = event(
        "notification",
        json!({ "level": "warn", "source": "pod", "message": "m".repeat(16 << 10), "timestamp_ms": 1 }),
    );
    let script = Script::new().greeting(vec![Step::line(notification); 512]).stopping();
    let pod = allocated(&spawner, "child", script);
    let output = spawner.stop("child").await;
    assert_eq!(output.summary, STOPPED);
    assert_eq!(data(&output)["confirmed"], true);
    assert_eq!(pod.methods(), ["shutdown"]);
}

#[tokio::test]
async fn whatever_the_pod_says_before_it_shuts_down_is_passed_over() {
    for before in [
        Step::line(event("error", json!({ "code": "internal", "message": "Cancelled" }))),
        Step::line(event("greeting", json!({ "banner": "x".repeat(1 << 20) }))),
        Step::text("not JSON\n"),
        Step::Send(b"\xff\xfe\n".to_vec()),
        Step::text("\n\r\n[]\n"),
    ] {
        let spawner = Spawner::new();
        let steps =
            [before, Step::StopListening, Step::Pieces(b"{\"event\":\"shutdown\"}".to_vec(), 1), Step::Close];
        let _pod = allocated(&spawner, "child", Script::new().on("shutdown", steps));
        assert_eq!(spawner.stop("child").await.summary, STOPPED);
    }
}

/// Row 1: the answer says when the pod did not confirm.
#[tokio::test]
async fn a_pod_that_closes_without_a_word_is_stopped_and_that_it_did_not_confirm_is_told() {
    for last in [Step::text(""), Step::text("{\"event\":\"shut"), Step::text("not JSON\n")] {
        let spawner = Spawner::new();
        let script = Script::new().on("shutdown", [Step::StopListening, last, Step::Close]);
        let _pod = allocated(&spawner, "child", script);
        let output = spawner.stop("child").await;
        assert_eq!(output.summary, format!("{STOPPED}; the pod did not confirm"));
        assert_eq!(data(&output)["confirmed"], false);
        assert!(spawner.place.recorded().unwrap().is_empty());
        assert!(spawner.place.allocated().unwrap().is_empty());
    }
}

/// Row 22, and row 8: a pod that does neither, silent or chatty, is still running; and can be stopped later.
#[tokio::test]
async fn a_pod_that_does_not_stop_in_time_keeps_its_scope_and_its_record() {
    let still_running =
        failed(Reason::StillRunning, "stop `child`: still running after 0.3 s; nothing was released");
    let chatter = b"{\"event\":\"text_delta\",\"data\":{\"text\":\"x\"}}\n".repeat(64);
    for steps in [
        vec![Step::Hang],
        vec![Step::Repeat(chatter)],
        vec![Step::text("{\"event\":\"shut"), Step::Hang],
        // It says so, or closes the connection, and goes on taking new ones.
        vec![shutdown(), Step::Hang],
        vec![shutdown(), Step::Close],
        vec![Step::Close],
        // Methods that it does not know.
        vec![
            Step::line(event("error", json!({ "code": "internal", "message": "invalid method: x" }))),
            Step::Hang,
        ],
    ] {
        let mut spawner = Spawner::limited(hasty());
        let script = Script::new().on("shutdown", steps.clone());
        let _pod = allocated(&spawner, "child", script.stopping());
        let before = state(&spawner);
        assert_eq!(spawner.stop_fails("child").await, still_running, "{steps:?}");
        assert_eq!(state(&spawner), before, "{steps:?}");
        spawner.reopen(patient());
        assert_eq!(spawner.stop("child").await.summary, STOPPED, "{steps:?}");
        assert!(spawner.place.allocated().unwrap().is_empty(), "{steps:?}");
    }
}

#[tokio::test]
async fn a_pod_that_takes_no_connection_off_its_backlog_is_still_running() {
    let spawner = Spawner::limited(hasty());
    let _pod = allocated(&spawner, "child", Script::new().never_accepting(0));
    let _first = std::os::unix::net::UnixStream::connect(spawner.place.socket("child")).unwrap();
    let before = state(&spawner);
    let expected = "stop `child`: still running after 0.3 s; nothing was released";
    assert_eq!(spawner.stop_fails("child").await, failed(Reason::StillRunning, expected));
    assert_eq!(state(&spawner), before);
}

/// Row 9: an endless line.
#[tokio::test]
async fn a_pod_that_answers_with_an_endless_line_is_not_stopped() {
    let mut limits = patient();
    // All of it is waited for the pod to go away.
    limits.operation_time = Duration::from_secs(2);
    limits.line = 64 << 10;
    let spawner = Spawner::limited(limits);
    let _pod = allocated(&spawner, "child", Script::new().on("shutdown", [Step::Repeat(vec![b'x'; 4096])]));
    let before = state(&spawner);
    let message = "stop `child`: the pod sent a line of more than 65536 bytes (set line)";
    assert_eq!(spawner.stop_fails("child").await, ToolError::new(ErrorKind::Limit, None, message));
    assert_eq!(state(&spawner), before);
}

/// Row 22: somebody else lives under the name in the table, at another socket.
#[tokio::test]
async fn the_scope_of_another_living_pod_of_that_name_is_not_given_away() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("child")).unwrap();
    let namesake = spawner.place.base().join("namesake/sock");
    let _pod = FakePod::start_unrecorded(&namesake, "child", Script::new()).unwrap();
    let mut allocation = spawner.place.native_allocation("child", i64::from(std::process::id()));
    allocation["socket"] = json!(namesake);
    spawner.place.write_table(&[allocation]).unwrap();
    let before = state(&spawner);
    let expected = "stop `child`: pod `child` still takes connections; nothing was released";
    assert_eq!(spawner.stop_fails("child").await, failed(Reason::StillRunning, expected));
    assert_eq!(state(&spawner), before);
}

/// Row 11: a held lock blocks the native tool for ever.
#[tokio::test]
async fn a_scope_lock_that_is_held_is_an_error_that_names_it_and_the_next_try_works() {
    let mut spawner = Spawner::limited(hasty());
    dead_socket(&spawner.place.socket("child"));
    spawner.place.record(spawner.place.native_record("child")).unwrap();
    spawner.place.write_table(&[spawner.place.native_allocation("child", dead_pid())]).unwrap();
    let before = state(&spawner);
    let lock = File::open(spawner.place.scope_lock()).unwrap();
    lock.lock().unwrap();
    let error = spawner.stop_fails("child").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::LockBusy)));
    assert!(error.message.starts_with("stop `child`: "), "{error}");
    assert!(error.message.contains(&*spawner.place.scope_lock().to_string_lossy()), "{error}");
    assert_eq!(state(&spawner), before);
    lock.unlock().unwrap();
    spawner.reopen(patient());
    assert_eq!(spawner.stop("child").await.summary, STOPPED);
}

/// Row 11, for the registry's own lock: the scope is free by then, and the record is still there.
#[tokio::test]
async fn a_registry_that_is_locked_keeps_the_record_and_the_next_try_works() {
    let mut spawner = Spawner::limited(hasty());
    dead_socket(&spawner.place.socket("child"));
    spawner.place.record(spawner.place.native_record("child")).unwrap();
    let lock = File::create(spawner.place.runtime_dir().join("spawned_pods.lock")).unwrap();
    lock.lock().unwrap();
    let error = spawner.stop_fails("child").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::LockBusy)));
    assert!(error.message.starts_with("stop `child`: update spawned_pods.json: "), "{error}");
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
    lock.unlock().unwrap();
    spawner.reopen(patient());
    assert_eq!(spawner.stop("child").await.summary, STOPPED);
    assert!(spawner.place.recorded().unwrap().is_empty());
}

/// Row 13: the native tool passes over a garbled table in silence.
#[tokio::test]
async fn a_scope_lock_that_is_damaged_is_an_error_that_names_it_and_the_file_stays() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("child")).unwrap();
    let not_a_table = |spawner: &Spawner| {
        let path = spawner.place.scope_lock();
        if path.is_dir() { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) }.unwrap();
    };
    for content in
        [Some("{\"allocations\":[{\"pod_name\":\"chi"), Some("[]"), Some("{\"allocations\":7}"), None]
    {
        match content {
            Some(content) => std::fs::write(spawner.place.scope_lock(), content).unwrap(),
            None => std::fs::create_dir(spawner.place.scope_lock()).unwrap(),
        }
        let before = state(&spawner);
        let error = spawner.stop_fails("child").await;
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::LockDamaged)));
        let path = spawner.place.scope_lock();
        let beginning = format!("stop `child`: the scope lock `{}` is damaged: ", path.display());
        assert!(error.message.starts_with(&beginning), "{error}");
        assert_eq!(state(&spawner), before);
        not_a_table(&spawner);
    }
    assert_eq!(spawner.stop("child").await.summary, STOPPED, "repaired, the next try works");
}

/// Row 14: the native tools drop the fields that they do not know.
#[tokio::test]
async fn fields_that_are_not_known_are_kept_in_the_table_and_in_the_registry() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", Script::new().stopping()).unwrap();
    let own = i64::from(std::process::id());
    let mut kept = spawner.place.native_allocation("kept", own);
    kept["delegated_from"] = json!("child");
    kept["lease"] = json!({ "until": 1.50, "n": 12345678901234567890_u64 });
    kept["scope_allow"][0]["why"] = json!("because");
    let strange = json!({ "pod_name": 7, "kind": "of another generation" });
    let child = spawner.place.native_allocation("child", own);
    let table = json!({ "version": 3, "allocations": [kept, child, strange], "more": [null] });
    std::fs::write(spawner.place.scope_lock(), serde_json::to_string_pretty(&table).unwrap()).unwrap();

    let mut other = spawner.place.native_record("other");
    other["model"] = json!("m\u{e9}");
    other["scope_delegated"][0]["why"] = json!("because");
    let bad = json!({ "pod_name": "no socket", "x": 1e3 });
    for record in [&other, &bad] {
        spawner.place.record(record.clone()).unwrap();
    }
    assert_eq!(spawner.stop("child").await.summary, STOPPED);

    kept["delegated_from"] = json!(null);
    let expected = json!({ "version": 3, "allocations": [kept, strange], "more": [null] });
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&spawner.place.scope_lock()), serde_json::to_string_pretty(&expected).unwrap());
    let expected = serde_json::to_string_pretty(&json!([other, bad])).unwrap();
    assert_eq!(read(&spawner.place.registry()), expected);
}

#[tokio::test]
async fn the_last_pod_leaves_an_empty_list_as_a_native_spawner_writes_it() {
    let spawner = Spawner::new();
    let _pod = allocated(&spawner, "child", Script::new().stopping());
    spawner.stop("child").await;
    assert_eq!(std::fs::read_to_string(spawner.place.registry()).unwrap(), "[]");
    let table = std::fs::read_to_string(spawner.place.scope_lock()).unwrap();
    assert_eq!(table, "{\n  \"allocations\": []\n}");
}

#[tokio::test]
async fn the_table_is_rewritten_in_place() {
    use std::os::unix::fs::MetadataExt;

    let spawner = Spawner::new();
    let _pod = allocated(&spawner, "child", Script::new().stopping());
    // A native process that waits for the lock holds the inode that it has opened.
    let waiting = File::open(spawner.place.scope_lock()).unwrap();
    spawner.stop("child").await;
    let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let now = std::fs::metadata(spawner.place.scope_lock()).unwrap();
    assert_eq!(inode(waiting.metadata().unwrap()), inode(now));
    let left: Vec<_> =
        std::fs::read_dir(spawner.place.base()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("scope.lock.")), "{left:?}");
}

#[tokio::test]
async fn input_that_the_tool_does_not_take_is_an_invalid_argument() {
    let spawner = Spawner::new();
    let pod = allocated(&spawner, "child", Script::new().stopping());
    for input in [json!({}), json!({ "name": null }), json!(["child"]), json!("child"), json!(null)] {
        let error = spawner.call("StopPod", input.clone()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{input}");
        assert!(error.message.starts_with("invalid StopPod input: "), "{input}: {error}");
    }
    assert_eq!(connections_so_far(&pod, &spawner.place.socket("child")), 0);
}
