//! Bad input, and what it gets: the kind of error, a message that helps, nothing written, nothing lost. And
//! what is no error, although it looks like one.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use cli::{call, call_changes_nothing, place_with, tools_on};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use serde_json::{Value, json};

#[test]
fn an_unknown_tool_is_named_and_so_are_those_that_there_are() {
    let place = Place::new().unwrap();
    for tool in ["Fly", "", "listpods", "ListPods ", "a\nb"] {
        let error = call_changes_nothing(&place, tool, "{}", &[]).err();
        assert_eq!(error.words(), ("unknown-tool", ""), "{tool:?}");
        assert!(error.message.contains(&tool.replace('\n', "\\n")), "{tool:?}: {}", error.message);
        for known in ["ListPods", "SendToPod", "ReadPodOutput", "StopPod"] {
            assert!(error.message.contains(known), "{tool:?}: {}", error.message);
        }
    }
}

#[test]
fn input_that_the_tool_does_not_take_is_an_invalid_argument_in_the_native_tools_words() {
    let (place, pod) = place_with(Script::new());
    for (tool, input, why) in [
        ("SendToPod", "hello", "expected value"),
        ("SendToPod", "{", "EOF"),
        ("SendToPod", "{\"name\":\"child\"} x", "missing field `message`"),
        ("SendToPod", "[\"child\",\"hello\"]", "expected an object"),
        ("SendToPod", "\"child\"", "expected an object"),
        ("SendToPod", "7", "expected an object"),
        ("SendToPod", r#"{"name":"child"}"#, "missing field `message`"),
        ("SendToPod", r#"{"message":"hello"}"#, "missing field `name`"),
        ("SendToPod", r#"{"name":"child","message":7}"#, "expected a string"),
        ("SendToPod", r#"{"name":null,"message":"hello"}"#, "expected a string"),
        ("ReadPodOutput", r#"{"name":["child"]}"#, "expected a string"),
        ("ReadPodOutput", r#"{"Name":"child"}"#, "missing field `name`"),
        ("StopPod", r#"{"name":true}"#, "expected a string"),
        ("StopPod", r#"{"name":"child","name":"child"}"#, "duplicate field"),
        ("StopPod", "{'name':'child'}", "key must be a string"),
    ] {
        let error = call_changes_nothing(&place, tool, input, &[]).err();
        assert_eq!(error.words(), ("invalid-argument", ""), "{tool} {input}");
        assert!(error.message.starts_with(&format!("invalid {tool} input: ")), "{input}: {}", error.message);
        assert!(error.message.contains(why), "{tool} {input}: {}", error.message);
    }
    assert_eq!(pod.connections(), 0);
}

#[test]
fn a_pod_that_is_not_in_the_registry_is_an_invalid_argument() {
    let (place, _pod) = place_with(Script::new());
    for name in ["nobody", "", "Child", "child ", "../child", "a\nb"] {
        for (tool, input) in tools_on(name) {
            let error = call_changes_nothing(&place, tool, &input, &[]).err();
            assert_eq!(error.words(), ("invalid-argument", "unknown-pod"), "{tool} {name:?}");
            let shown = name.replace('\n', "\\n");
            assert_eq!(error.message, format!("no spawned pod named `{shown}`"));
        }
    }
}

#[test]
fn what_no_grant_covers_is_denied_and_nothing_is_connected() {
    let (place, pod) = place_with(Script::new());
    for (tool, input) in tools_on("child") {
        let verb = match tool {
            "SendToPod" => "send",
            "ReadPodOutput" => "read",
            _ => "stop",
        };
        let others: Vec<&str> = ["list", "send", "read", "stop"].into_iter().filter(|v| *v != verb).collect();
        for grant in [others.join(","), format!("{verb}:other"), format!("{verb}:chil")] {
            let error = call_changes_nothing(&place, tool, &input, &["--grant", &grant]).err();
            assert_eq!(error.words(), ("denied", "not-granted"), "{tool} with {grant}");
            for named in ["`child`", &format!("`{verb}:child`")] {
                assert!(error.message.contains(named), "{tool} with {grant}: {}", error.message);
            }
        }
        // Whether there is such a pod, a refusal does not tell.
        let [there, not_there] = ["child", "nobody"].map(|name| {
            let (_, input) = tools_on(name).into_iter().find(|(other, _)| *other == tool).unwrap();
            let error = call_changes_nothing(&place, tool, &input, &["--grant", "list"]).err();
            (error.kind, error.reason, error.message.replace(name, "NAME"))
        });
        assert_eq!(there, not_there);
    }
    let error = call_changes_nothing(&place, "ListPods", "", &["--grant", "send,read,stop"]).err();
    assert_eq!(error.words(), ("denied", "not-granted"));
    assert!(error.message.contains("`list`"), "{}", error.message);
    assert_eq!(pod.connections(), 0);

    // A grant for other pods is one: this pod is not shown, nor counted.
    let other = call_changes_nothing(&place, "ListPods", "", &["--grant", "list:other"]).ok();
    assert_eq!((&other["summary"], &other["content"]), (&json!("no spawned pods"), &Value::Null));
    assert_eq!(pod.connections(), 0);
}

/// Sees to it that the tools refuse this pod's socket, and that ListPods shows it as denied.
fn assert_socket_refused(place: &Place, name: &str, why: &str) {
    for (tool, input) in tools_on(name) {
        let error = call_changes_nothing(place, tool, &input, &[]).err();
        assert_eq!(error.words(), ("denied", "socket-refused"), "{tool}: {}", error.message);
        assert!(error.message.contains(&format!("pod `{name}`")), "{tool}: {}", error.message);
        assert!(error.message.contains(why), "{tool}: {}", error.message);
    }
    let listed = call_changes_nothing(place, "ListPods", "", &[]).ok();
    assert_eq!(listed["content"], format!("{name} [denied] scope=write:/work/{name}"));
    assert_eq!(listed["data"]["pods"][0]["state"], "denied");
}

/// Records a pod whose socket is said to be there.
fn record_at(place: &Place, name: &str, socket: &std::path::Path) {
    let mut record = place.native_record(name);
    record["socket_path"] = json!(socket);
    place.record(record).unwrap();
    place.write_table(&[place.native_allocation(name, i64::from(std::process::id()))]).unwrap();
}

#[test]
fn a_socket_outside_the_granted_directories_is_denied() {
    let place = Place::new().unwrap();
    let outside = place.root().join("outside/sock");
    let pod = FakePod::start_unrecorded(&outside, "child", Script::new().stopping()).unwrap();
    record_at(&place, "child", &outside);
    assert_socket_refused(
        &place,
        "child",
        "outside the granted directories (grant one with --allow-sockets)",
    );

    let place = Place::new().unwrap();
    record_at(&place, "child", &place.base().join("x/../../outside/sock"));
    assert_socket_refused(&place, "child", "plain names");
    assert_eq!(pod.connections(), 0);
}

#[test]
fn a_socket_behind_a_symbolic_link_is_denied_wherever_the_link_is() {
    for (link, target, path) in [
        ("away", "../outside", "away/sock"),
        ("alias", "real", "alias/sock"),
        ("real/link", "sock", "real/link"),
    ] {
        let place = Place::new().unwrap();
        let outside =
            FakePod::start_unrecorded(&place.root().join("outside/sock"), "x", Script::new()).unwrap();
        let inside = FakePod::start_unrecorded(&place.base().join("real/sock"), "x", Script::new()).unwrap();
        symlink(target, place.base().join(link)).unwrap();
        record_at(&place, "child", &place.base().join(path));
        assert_socket_refused(&place, "child", "a symbolic link");
        assert_eq!((outside.connections(), inside.connections()), (0, 0), "{link}");
    }
}

#[test]
fn what_is_no_socket_is_denied() {
    let place = Place::new().unwrap();
    let file = place.socket("child");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "not a socket").unwrap();
    record_at(&place, "child", &file);
    assert_socket_refused(&place, "child", "is not a socket");

    let place = Place::new().unwrap();
    fs::create_dir_all(place.socket("child")).unwrap();
    record_at(&place, "child", &place.socket("child"));
    assert_socket_refused(&place, "child", "is not a socket");
}

#[test]
fn a_socket_of_somebody_else_is_denied() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can make a socket that belongs to somebody else");
        return;
    }
    let place = Place::new().unwrap();
    fs::create_dir(place.base().join("child")).unwrap();
    let _listener = UnixListener::bind(place.socket("child")).unwrap();
    std::os::unix::fs::chown(place.socket("child"), Some(12345), None).unwrap();
    record_at(&place, "child", &place.socket("child"));
    assert_socket_refused(&place, "child", "belongs to user 12345");
}

/// What SendToPod and ReadPodOutput get from a pod that does this whenever it is asked for something.
fn assert_exchange_fails(steps: &[Step], words: (&str, &str), why: &str) {
    let (place, pod) = place_with(Script::new().on("*", steps.to_vec()));
    for (tool, input) in &tools_on("child")[..2] {
        let options = ["--op-timeout", "300ms", "--max-line", "1MiB"];
        let outcome = call_changes_nothing(&place, tool, input, &options);
        let error = outcome.err();
        assert_eq!(error.words(), words, "{tool}: {}", error.message);
        let verb = if *tool == "SendToPod" { "send to" } else { "read" };
        assert!(error.message.starts_with(&format!("{verb} `child`: ")), "{tool}: {}", error.message);
        assert!(error.message.contains(why), "{tool}: {}", error.message);
    }
    assert_eq!(pod.methods(), ["run", "get_history"]);
}

#[test]
fn a_silent_pod_is_a_time_out_of_one_operation() {
    assert_exchange_fails(&[], ("execution-failed", "socket-timeout"), "timed out after 300ms");
}

#[test]
fn half_a_line_and_then_nothing_is_a_time_out_too() {
    let half = [Step::text(r#"{"event":"turn_st"#), Step::Hang];
    assert_exchange_fails(&half, ("execution-failed", "socket-timeout"), "timed out after 300ms");
}

#[test]
fn an_endless_line_reaches_the_limit_that_the_message_names() {
    let endless = [Step::text(r#"{"event":"text_delta","data":{"text":""#), Step::Flood(1 << 40)];
    assert_exchange_fails(
        &endless,
        ("limit", ""),
        "a line of more than 1048576 bytes (raise it with --max-line)",
    );
}

#[test]
fn what_is_not_the_protocol_is_an_error_that_says_so() {
    for line in
        ["not json\n", "{\"event\":\n", "[]\n", "{}\n", "{\"event\":7}\n", "{\"event\":\"turn_start\"\n"]
    {
        assert_exchange_fails(&[Step::text(line), Step::Hang], ("execution-failed", "protocol"), "");
    }
    let bad_utf8 =
        [b"{\"event\":\"text_delta\",\"data\":{\"text\":\"\xff\xfe\"}}\n".to_vec(), b"\xff\xfe\n".to_vec()];
    for line in bad_utf8 {
        assert_exchange_fails(&[Step::Send(line), Step::Hang], ("execution-failed", "protocol"), "");
    }
}

#[test]
fn an_end_before_the_answer_is_an_error_that_says_so() {
    let closed = ("execution-failed", "closed");
    assert_exchange_fails(&[Step::Close], closed, "connection closed before response");
    let usage = event("usage", json!({"input_tokens": 1, "output_tokens": 1}));
    assert_exchange_fails(&[Step::line(usage), Step::Close], closed, "connection closed before response");
    let half = [Step::text("{\"event\":\"hist"), Step::Close];
    assert_exchange_fails(&half, closed, "connection closed before response, within a line");
}

#[test]
fn a_history_that_is_none_is_an_error_and_the_cursor_stays() {
    for data in [
        json!(null),
        json!([]),
        json!({}),
        json!({"items": null}),
        json!({"items": {}}),
        json!({"items": "none"}),
        json!({"items": 7, "greeting": {}}),
    ] {
        let script = Script::new()
            .on("get_history", [Step::line(history(&[assistant("first")]))])
            .on("get_history", [Step::line(json!({"event": "history", "data": data})), Step::Hang])
            .on("get_history", [Step::line(history(&[assistant("first"), assistant("second")]))]);
        let (place, _pod) = place_with(script);
        let read = || call(&place, "ReadPodOutput", &json!({"name": "child"}));
        assert_eq!(read().ok()["content"], "first");
        let error = call_changes_nothing(&place, "ReadPodOutput", r#"{"name":"child"}"#, &[]).err();
        assert_eq!(error.words(), ("execution-failed", "protocol"), "{data}: {}", error.message);
        assert!(error.message.starts_with("read `child`: "), "{data}: {}", error.message);
        assert_eq!(read().ok()["content"], "second", "{data}");
    }
}

#[test]
fn a_pod_that_talks_nonsense_can_be_stopped_and_one_that_stays_keeps_record_and_scope() {
    for nonsense in [&b"not json\n"[..], b"\xff\xfe\n", b"[]\n"] {
        let steps = [Step::Send(nonsense.to_vec()), Step::StopListening, Step::Close];
        let (place, _pod) = place_with(Script::new().on("shutdown", steps));
        let stopped = call(&place, "StopPod", &json!({"name": "child"})).ok();
        assert_eq!(
            stopped["summary"],
            "stopped pod `child`; reclaimed scope: write:/work/child; the pod did not confirm"
        );
        assert_eq!((place.recorded().unwrap(), place.allocated().unwrap()), (vec![], vec![]));
    }
    for steps in [
        vec![],
        vec![Step::text("{\"event\":\"shut"), Step::Hang],
        vec![Step::Close],
        vec![Step::line(event("shutdown", Value::Null)), Step::Close],
    ] {
        let (place, _pod) = place_with(Script::new().on("shutdown", steps.clone()));
        let stop = r#"{"name":"child"}"#;
        let error = call_changes_nothing(&place, "StopPod", stop, &["--op-timeout", "300ms"]).err();
        assert_eq!(error.words(), ("execution-failed", "still-running"), "{steps:?}");
        assert_eq!(error.message, "stop `child`: still running after 0.3 s; nothing was released");
    }
    let endless = Script::new().on("shutdown", [Step::Flood(1 << 40)]);
    let (place, _pod) = place_with(endless);
    let options = ["--op-timeout", "300ms", "--max-line", "1MiB"];
    let error = call_changes_nothing(&place, "StopPod", r#"{"name":"child"}"#, &options).err();
    assert_eq!(error.words(), ("limit", ""), "{}", error.message);
    assert!(error.message.contains("--max-line"), "{}", error.message);
}

// What is no error.

#[test]
fn a_dead_socket_is_stopped_to_read_and_list_a_success_to_stop_and_an_error_to_send_only() {
    let place = Place::new().unwrap();
    // A pod that was killed leaves its socket behind; one that ended, nothing; one whose directory is gone.
    fs::create_dir(place.base().join("killed")).unwrap();
    drop(UnixListener::bind(place.socket("killed")).unwrap());
    fs::create_dir(place.base().join("ended")).unwrap();
    let names = ["killed", "ended", "gone"];
    for name in names {
        place.record(place.native_record(name)).unwrap();
    }
    for name in names {
        let [(_, send), (_, read), _] = tools_on(name);
        let error = call_changes_nothing(&place, "SendToPod", &send, &[]).err();
        assert_eq!(error.words(), ("execution-failed", "unreachable"), "{}", error.message);
        assert!(error.message.starts_with(&format!("send to `{name}`: connect: ")), "{}", error.message);
        let read = call_changes_nothing(&place, "ReadPodOutput", &read, &[]).ok();
        assert_eq!(read["summary"], format!("pod `{name}` is stopped (unreachable)"));
        assert_eq!((&read["content"], &read["data"]["state"]), (&Value::Null, &json!("stopped")));
    }
    let listed = call(&place, "ListPods", &json!({})).ok();
    let lines = names.map(|name| format!("{name} [stopped] scope=write:/work/{name}"));
    assert_eq!(listed["content"], lines.join("\n"));
    for name in names {
        let stopped = call(&place, "StopPod", &json!({"name": name})).ok();
        assert_eq!(stopped["summary"], format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}"));
    }
    assert_eq!(place.recorded().unwrap(), Vec::<String>::new());
}

#[test]
fn list_pods_takes_whatever_input_it_is_given() {
    let place = Place::new().unwrap();
    for input in ["", "null", "[]", "7", "{", "not json", r#"{"name":"child","more":[1,2]}"#] {
        let listed = call_changes_nothing(&place, "ListPods", input, &[]).ok();
        assert_eq!(listed["summary"], "no spawned pods", "{input:?}");
    }
}
