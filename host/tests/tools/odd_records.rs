//! Odd records in the registry, from the outside (rows 16 and 17 of the list of the native tools' faults):
//! names that hold anything, names that repeat, records that cannot be read, a registry that is none.

use crate::support::{Spawner, data};
use pod_tools_conformance::{FakePod, Script, Step, assistant, event, history};
use pod_tools_host::{ErrorKind, Reason};
use serde_json::{Value, json};

/// A pod that does whatever it is asked for, and says its name.
fn obliging(name: &str) -> Script {
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
        .on("get_history", [Step::line(history(&[assistant(name)]))])
        .stopping()
}

/// A pod of any name, which listens in the directory `at`.
fn named(spawner: &Spawner, name: &str, at: &str) -> FakePod {
    let mut record = spawner.place.native_record(name);
    record["socket_path"] = json!(spawner.place.socket(at));
    record["scope_delegated"] = json!([]);
    spawner.place.record(record).unwrap();
    FakePod::start_unrecorded(&spawner.place.socket(at), name, obliging(name)).unwrap()
}

/// Row 16: a newline in a name forges a line of the native ListPods.
#[tokio::test]
async fn control_characters_in_names_and_paths_are_shown_escaped() {
    let spawner = Spawner::new();
    let name = "x [alive] scope=(none)\ny\t\u{1b}[2J\r\u{0}\u{7f}\u{85}\u{2028}\u{202e}\u{2066}é`\\";
    let shown =
        "x [alive] scope=(none)\\ny\\t\\u{1b}[2J\\r\\u{0}\\u{7f}\\u{85}\\u{2028}\\u{202e}\\u{2066}é`\\";
    let _pod = named(&spawner, name, "pod");
    let mut records: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(spawner.place.registry()).unwrap()).unwrap();
    records[0]["scope_delegated"] = json!([
        { "target": "/a\nb [alive] scope=(none)", "permission": "read", "recursive": true },
        { "target": "/c, write:/", "permission": "read", "recursive": false },
    ]);
    spawner.place.write_registry(&json!(records).to_string()).unwrap();
    let scope = "read:/a\\nb [alive] scope=(none), read:/c, write:/ [non-recursive]";

    let list = spawner.list().await;
    assert_eq!(list.content, Some(format!("{shown} [alive] scope={scope}")));
    assert_eq!(data(&list)["pods"][0]["name"], name, "programs get it as it is");
    assert_eq!(spawner.send(name, "hello").await.summary, format!("sent message to `{shown}`"));
    let read = spawner.read(name).await;
    assert_eq!(read.summary, format!("pod `{shown}`: 2 new line(s) of assistant text; now idle"));
    assert_eq!(read.content.as_deref(), Some(name), "what the assistant says is not touched");
    let stop = spawner.stop(name).await;
    assert_eq!(stop.summary, format!("stopped pod `{shown}`; reclaimed scope: {scope}"));
    let error = spawner.stop_fails(name).await;
    assert_eq!(error.message, format!("no spawned pod named `{shown}`"));
}

/// Row 16: a name never becomes a path.
#[tokio::test]
async fn a_name_that_looks_like_a_path_leads_nowhere() {
    for name in
        ["../spawner", "..", ".", "", "/etc/passwd", "a/b", "spawned_pods.json", "pod/../../base", " "]
    {
        let spawner = Spawner::new();
        let _pod = named(&spawner, name, "pod");
        assert_eq!(spawner.list().await.content, Some(format!("{name} [alive] scope=(none)")));
        assert_eq!(spawner.send(name, "hello").await.summary, format!("sent message to `{name}`"));
        assert_eq!(spawner.read(name).await.content.as_deref().unwrap_or(""), name);
        let stopped = format!("stopped pod `{name}`; reclaimed scope: (none)");
        assert_eq!(spawner.stop(name).await.summary, stopped);
        let mut left: Vec<_> = std::fs::read_dir(spawner.place.runtime_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["read_cursors.json", "spawned_pods.json", "spawned_pods.lock"], "{name:?}");
        assert_eq!(std::fs::read_dir(spawner.place.root()).unwrap().count(), 1, "{name:?}");
    }
}

#[tokio::test]
async fn of_records_with_the_same_name_all_are_listed_and_the_first_is_meant() {
    let spawner = Spawner::new();
    let first = named(&spawner, "twin", "first");
    let second = named(&spawner, "twin", "second");
    let _other = named(&spawner, "other", "other");
    let list = spawner.list().await;
    assert_eq!(list.summary, "3 pod(s) known");
    let lines = "twin [alive] scope=(none)\ntwin [alive] scope=(none)\nother [alive] scope=(none)";
    assert_eq!(list.content.as_deref(), Some(lines));
    spawner.send("twin", "hello").await;
    spawner.read("twin").await;
    spawner.stop("twin").await;
    assert_eq!(first.methods(), ["run", "get_history", "shutdown"]);
    assert!(second.methods().is_empty());
    // The second one is not forgotten with the first: it is the next that is meant.
    assert_eq!(spawner.place.recorded().unwrap(), ["twin", "other"]);
    assert_eq!(spawner.read("twin").await.content.as_deref(), Some("twin"));
    assert_eq!(second.methods(), ["get_history"]);
}

/// Row 17: the native registry is unreadable where one record is bad.
#[tokio::test]
async fn a_record_that_cannot_be_read_takes_no_other_with_it_and_is_kept() {
    let spawner = Spawner::new();
    let bad = [
        json!({}),
        json!(7),
        json!(null),
        json!({ "pod_name": "bad", "socket_path": 7, "scope_delegated": [] }),
        json!({ "pod_name": "bad", "socket_path": spawner.place.socket("good"), "scope_delegated": [{ "target": "/", "permission": "execute", "recursive": true }] }),
    ];
    for (count, record) in bad.iter().enumerate() {
        spawner.place.record(record.clone()).unwrap();
        let expected = match count {
            0 => "no spawned pods; 1 record could not be read".to_owned(),
            more => format!("no spawned pods; {} records could not be read", more + 1),
        };
        assert_eq!(spawner.list().await.summary, expected);
    }
    let _good = named(&spawner, "good", "good");
    let list = spawner.list().await;
    assert_eq!(list.summary, "1 pod(s) known; 5 records could not be read");
    assert_eq!(list.content.as_deref(), Some("good [alive] scope=(none)"));
    assert_eq!(data(&list)["unreadable"], 5);
    assert_eq!(spawner.send("good", "hello").await.summary, "sent message to `good`");
    assert_eq!(spawner.read("good").await.content.as_deref(), Some("good"));
    assert_eq!(spawner.stop_fails("bad").await.reason, Some(Reason::UnknownPod));
    spawner.stop("good").await;
    let text = std::fs::read_to_string(spawner.place.registry()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!(bad));

    let spawner = Spawner::new();
    spawner.place.record(json!({})).unwrap();
    let _good = named(&spawner, "good", "good");
    assert_eq!(spawner.list().await.summary, "1 pod(s) known; 1 record could not be read");
}

#[tokio::test]
async fn fields_that_are_missing_or_unknown_do_not_make_a_record_unreadable() {
    let spawner = Spawner::new();
    let _pod = FakePod::start_unrecorded(&spawner.place.socket("pod"), "pod", obliging("pod")).unwrap();
    for (name, callback) in [("none", None), ("null", Some(Value::Null)), ("number", Some(json!(7)))] {
        let mut record = spawner.place.native_record(name);
        record["socket_path"] = json!(spawner.place.socket("pod"));
        record["of another generation"] = json!({ "pod_name": [1] });
        record.as_object_mut().unwrap().remove("callback_address");
        if let Some(callback) = callback {
            record["callback_address"] = callback;
        }
        spawner.place.record(record).unwrap();
    }
    assert_eq!(spawner.list().await.summary, "3 pod(s) known");
}

/// Row 17, the other half: a restart forgets the native tools' children.
#[tokio::test]
async fn what_a_spawner_writes_meanwhile_is_seen_by_the_next_call() {
    let spawner = Spawner::new();
    assert_eq!(spawner.list().await.summary, "no spawned pods");
    let _pod = named(&spawner, "late", "late");
    assert_eq!(spawner.list().await.summary, "1 pod(s) known");
    // As native spawners write it: a new file under the old name.
    let new = spawner.place.runtime_dir().join("new");
    std::fs::write(&new, "[]").unwrap();
    std::fs::rename(new, spawner.place.registry()).unwrap();
    assert_eq!(spawner.list().await.summary, "no spawned pods");
}

#[tokio::test]
async fn a_registry_that_is_none_is_an_error_that_names_it_and_it_is_left_as_it_is() {
    let spawner = Spawner::new();
    let path = spawner.place.registry();
    for content in ["", "{}", "[{\"pod_name\":\"a\"", "null", "[]]", "\u{feff}[]"] {
        spawner.place.write_registry(content).unwrap();
        for (tool, prefix) in [
            ("ListPods", ""),
            ("SendToPod", "send to `a`: "),
            ("ReadPodOutput", "read `a`: "),
            ("StopPod", "stop `a`: "),
        ] {
            let error = spawner.call(tool, json!({ "name": "a", "message": "m" })).await.unwrap_err();
            assert_eq!(
                (error.kind, error.reason),
                (ErrorKind::ExecutionFailed, Some(Reason::RegistryDamaged))
            );
            let beginning = format!("{prefix}the registry file `{}` is damaged: ", path.display());
            assert!(error.message.starts_with(&beginning), "{tool} with {content:?}: {error}");
            let end = "it was left as it is; repair it, or delete it to forget all pods";
            assert!(error.message.ends_with(end), "{tool} with {content:?}: {error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}
