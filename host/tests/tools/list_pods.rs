//! ListPods, from the outside: the seed's wording, and what it does better (rows 10, 11, 13, 15 and 21 of
//! the list of the native tools' faults). Odd records have a file of their own, `odd_records.rs`.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::{Spawner, Zombie, connections_so_far, data, dead_pid, dead_socket, patient, tools};
use pod_tools_conformance::{FakePod, Script};
use serde_json::{Value, json};

fn record(spawner: &Spawner, name: &str, scope: Value) {
    let mut record = spawner.place.native_record(name);
    record["scope_delegated"] = scope;
    spawner.place.record(record).unwrap();
}

fn rule(permission: &str, target: &str, recursive: bool) -> Value {
    json!({ "target": target, "permission": permission, "recursive": recursive })
}

#[tokio::test]
async fn without_records_there_are_no_pods() {
    let spawner = Spawner::new();
    for present in [true, false] {
        if !present {
            std::fs::remove_file(spawner.place.registry()).unwrap();
        }
        let output = spawner.list().await;
        assert_eq!(output.summary, "no spawned pods");
        assert_eq!(output.content, None);
        assert_eq!(data(&output), json!({ "pods": [], "unreadable": 0, "stale_reclaimed": null }));
    }
    assert!(!spawner.place.registry().exists(), "asking writes nothing");
    assert!(!spawner.place.scope_lock().exists(), "asking writes nothing");
}

#[tokio::test]
async fn every_pod_has_its_line_in_the_order_of_the_registry() {
    let spawner = Spawner::new();
    let _second = FakePod::start(&spawner.place, "zeta", Script::new()).unwrap();
    record(&spawner, "gone", json!([]));
    record(
        &spawner,
        "dead",
        json!([rule("read", "/a b/ü", true), rule("write", "/c", false), rule("read", "/", false)]),
    );
    dead_socket(&spawner.place.socket("dead"));
    let _last = FakePod::start(&spawner.place, "alpha", Script::new()).unwrap();
    let output = spawner.list().await;
    assert_eq!(output.summary, "4 pod(s) known");
    assert_eq!(
        output.content.as_deref(),
        Some(
            "zeta [alive] scope=write:/work/zeta\n\
             gone [stopped] scope=(none)\n\
             dead [stopped] scope=read:/a b/ü, write:/c [non-recursive], read:/ [non-recursive]\n\
             alpha [alive] scope=write:/work/alpha"
        )
    );
    assert_eq!(
        data(&output),
        json!({
            "pods": [
                { "name": "zeta", "state": "alive", "scope": [rule("write", "/work/zeta", true)] },
                { "name": "gone", "state": "stopped", "scope": [] },
                { "name": "dead", "state": "stopped", "scope": [
                    rule("read", "/a b/ü", true), rule("write", "/c", false), rule("read", "/", false),
                ] },
                { "name": "alpha", "state": "alive", "scope": [rule("write", "/work/alpha", true)] },
            ],
            "unreadable": 0,
            "stale_reclaimed": 0,
        })
    );
}

#[tokio::test]
async fn whatever_input_there_is_does_not_matter() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    for input in ["", "null", "{}", "[]", "7", "{\"name\":1}", "not JSON", "{", "\u{0}"] {
        let answer = tools().call(&spawner.authority, "ListPods", input).await.unwrap();
        assert_eq!(answer.output().summary, "1 pod(s) known", "{input:?}");
    }
}

#[tokio::test]
async fn a_probe_asks_nothing_of_the_pod() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    spawner.list().await;
    assert_eq!(connections_so_far(&pod, &spawner.place.socket("child")), 1);
    assert_eq!(pod.methods(), ["a test looks in"], "but for the test itself");
}

/// Row 10: the native tool calls a pod stopped whose backlog is full.
#[tokio::test]
async fn a_pod_whose_backlog_is_full_is_alive() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", Script::new().never_accepting(0)).unwrap();
    let _first = UnixStream::connect(spawner.place.socket("child")).unwrap();
    assert_eq!(spawner.list().await.content.as_deref(), Some("child [alive] scope=write:/work/child"));
}

/// Row 10: the native tool waits for one pod after the other.
#[tokio::test]
async fn pods_that_would_have_to_be_waited_for_do_not_add_up() {
    let mut limits = patient();
    // One after the other, they would take ten times the time of the call.
    limits.operation_time = Duration::from_secs(10);
    limits.call_time = Duration::from_secs(30);
    let spawner = Spawner::limited(limits);
    let pods: Vec<_> = (0..30)
        .map(|i| {
            let name = format!("pod-{i}");
            let pod = FakePod::start(&spawner.place, &name, Script::new().never_accepting(0)).unwrap();
            (pod, UnixStream::connect(spawner.place.socket(&name)).unwrap())
        })
        .collect();
    let output = spawner.list().await;
    assert_eq!(output.summary, format!("{} pod(s) known", pods.len()));
    assert_eq!(output.content.unwrap().matches(" [alive] ").count(), pods.len());
}

#[tokio::test]
async fn stale_entries_are_reclaimed_where_a_pod_is_stopped_and_their_children_get_the_next_parent() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("gone")).unwrap();
    let own = i64::from(std::process::id());
    let allocation = |name: &str, pid: i64, parent: Value| {
        let mut allocation = spawner.place.native_allocation(name, pid);
        allocation["delegated_from"] = parent;
        allocation
    };
    let table = [
        allocation("top", own, json!(null)),
        allocation("gone", dead_pid(), json!("top")),
        allocation("also gone", dead_pid(), json!("gone")),
        allocation("grandchild", own, json!("also gone")),
        allocation("orphan", own, json!("nobody")),
    ];
    spawner.place.write_table(&table).unwrap();
    let output = spawner.list().await;
    assert_eq!(output.summary, "1 pod(s) known");
    assert_eq!(data(&output)["stale_reclaimed"], 2);
    let expected = [table[0].clone(), allocation("grandchild", own, json!("top")), table[4].clone()];
    let text = std::fs::read_to_string(spawner.place.scope_lock()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ "allocations": expected }));
    assert_eq!(
        text,
        serde_json::to_string_pretty(&json!({ "allocations": expected })).unwrap(),
        "to the letter"
    );
    assert_eq!(spawner.place.recorded().unwrap(), ["gone"], "a record goes with StopPod only");
}

#[tokio::test]
async fn where_every_pod_is_alive_the_scope_lock_is_not_looked_at() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    spawner.place.write_table(&[spawner.place.native_allocation("stale", dead_pid())]).unwrap();
    let output = spawner.list().await;
    assert_eq!(data(&output)["stale_reclaimed"], Value::Null);
    assert_eq!(spawner.place.allocated().unwrap(), ["stale"]);
}

/// Rows 15 and 21: the native tools take pid 4294967295 for −1, pid 0 for their own group, and a zombie for
/// a living process.
#[tokio::test]
async fn numbers_that_no_process_has_and_zombies_are_stale() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("gone")).unwrap();
    let zombie = Zombie::new();
    let allocations = [
        ("none", 0),
        ("unsigned minus one", 4_294_967_295),
        ("minus one", -1),
        ("beyond", 2_147_483_648),
        ("zombie", zombie.pid()),
        ("dead", dead_pid()),
        ("alive", i64::from(std::process::id())),
        ("the first process", 1),
    ]
    .map(|(name, pid)| spawner.place.native_allocation(name, pid));
    spawner.place.write_table(&allocations).unwrap();
    assert_eq!(data(&spawner.list().await)["stale_reclaimed"], 6);
    assert_eq!(spawner.place.allocated().unwrap(), ["alive", "the first process"]);
}

/// Row 11: a held lock blocks the native tool for ever.
#[tokio::test]
async fn a_scope_lock_that_is_held_is_told_and_the_listing_stands() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("gone")).unwrap();
    spawner.place.write_table(&[spawner.place.native_allocation("gone", dead_pid())]).unwrap();
    let lock = File::open(spawner.place.scope_lock()).unwrap();
    lock.lock().unwrap();
    let output = spawner.list().await;
    assert_eq!(output.summary, "1 pod(s) known; scope lock busy, stale entries not reclaimed");
    assert_eq!(output.content.as_deref(), Some("gone [stopped] scope=write:/work/gone"));
    assert_eq!(data(&output)["stale_reclaimed"], Value::Null);
    assert_eq!(spawner.place.allocated().unwrap(), ["gone"]);
    lock.unlock().unwrap();
    assert_eq!(spawner.list().await.summary, "1 pod(s) known");
    assert!(spawner.place.allocated().unwrap().is_empty());
}

/// Row 13: the native tools pass over a garbled table in silence.
#[tokio::test]
async fn a_scope_lock_that_is_damaged_is_told_and_left_as_it_is() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("gone")).unwrap();
    for content in ["{\"allocations\":[", "[]", "{}", "x"] {
        std::fs::write(spawner.place.scope_lock(), content).unwrap();
        let output = spawner.list().await;
        assert_eq!(output.summary, "1 pod(s) known; scope lock damaged, stale entries not reclaimed");
        assert_eq!(std::fs::read_to_string(spawner.place.scope_lock()).unwrap(), content);
    }
    std::fs::write(spawner.place.scope_lock(), "").unwrap();
    assert_eq!(spawner.list().await.summary, "1 pod(s) known", "an empty one is an empty table");
}
