//! The tools as messages: the adapter `nats`, in a host that hands them over.

use std::fs;
use std::path::PathBuf;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use serde_json::{Value, json};

use crate::cli::call_with;
use crate::host::Gateway;
use crate::message_host::MessageHost;

const READ: &str = r#"{"name":"worker"}"#;

/// A pod `worker` whose history is that text.
fn worker(place: &Place, text: &str) -> FakePod {
    let line = history(&[assistant(text)]).to_string() + "\n";
    let begun = Step::text(event("turn_start", json!({ "turn": 0 })).to_string() + "\n");
    let script = Script::new().on("get_history", [Step::text(line), Step::Close]).on("run", [begun]);
    FakePod::start(place, "worker", script).unwrap()
}

fn cursors(place: &Place) -> PathBuf {
    place.runtime_dir().join("read_cursors.json")
}

/// What a line answers, or what it refuses.
fn answer(line: &str) -> (Value, Value) {
    let mut line: Value = serde_json::from_str(line).unwrap();
    (line["ok"].take(), line["err"].take())
}

#[test]
fn an_answer_is_the_line_that_the_command_line_prints() {
    let place = Place::new().unwrap();
    let _pod = worker(&place, "te\"xt\n\u{1}\u{e4}");
    let options = ["--grant", "list,read,send"];
    let gateway = Gateway::start(&place, options);
    let mut host = MessageHost::of(&gateway);
    for (tool, input) in [
        ("ListPods", ""),
        ("SendToPod", r#"{"name":"worker","message":"hello"}"#),
        ("ReadPodOutput", r#"{"name":"nobody"}"#),
        ("StopPod", READ),
        ("Nonsense", "{}"),
        ("SendToPod", "no JSON"),
        ("ReadPodOutput", READ),
    ] {
        let in_process = call_with(&place, tool, input, &options).stdout;
        if input == READ && tool == "ReadPodOutput" {
            fs::remove_file(cursors(&place)).unwrap();
        }
        assert_eq!(host.call(tool, input) + "\n", in_process);
    }
}

#[test]
fn where_a_limit_ends_the_call_no_answer_is_given_that_knew_only_of_a_failure() {
    let place = Place::new().unwrap();
    let _pod = worker(&place, "text");
    drop(FakePod::start(&place, "gone", Script::new()).unwrap());
    let calls = [("ListPods", ""), ("SendToPod", r#"{"name":"worker","message":"hello"}"#)];
    let unlimited = calls.map(|(tool, input)| call_with(&place, tool, input, &[]).stdout);
    let mut limits = 0;
    for host_calls in 1..=10 {
        let gateway = Gateway::start(&place, ["--host-calls", &host_calls.to_string()]);
        for ((tool, input), answer) in calls.iter().zip(&unlimited) {
            let line = MessageHost::of(&gateway).call(tool, input) + "\n";
            if line != *answer {
                assert!(line.contains(&format!("more than {host_calls} host calls")), "{line}");
                limits += 1;
            }
        }
    }
    assert!((4..20).contains(&limits), "{limits} of 20 calls reached the limit");
}

#[test]
fn a_cursor_moves_when_the_answer_was_published_and_not_before() {
    let place = Place::new().unwrap();
    let _pod = worker(&place, "text");
    let gateway = Gateway::start(&place, [""; 0]);
    let mut host = MessageHost::of(&gateway);
    host.watch(cursors(&place));

    host.refuse(true);
    let (returned, published) = host.hand("ReadPodOutput", READ.as_bytes(), Some("reply"));
    assert!(returned.unwrap_err().contains("nobody takes it"));
    assert!(published[0].body.contains("text"), "{}", published[0].body);
    assert!(!cursors(&place).exists());

    host.refuse(false);
    let (returned, published) = host.hand("ReadPodOutput", READ.as_bytes(), Some("reply"));
    assert_eq!(returned, Ok(()));
    assert_eq!(answer(&published[0].body).0["content"], "text");
    assert!(!published[0].watched_was_there);
    assert!(cursors(&place).exists());
    assert_eq!(answer(&host.call("ReadPodOutput", READ)).0["content"], Value::Null);
}

#[test]
fn an_answer_that_the_server_would_not_take_is_told_and_given_later() {
    let place = Place::new().unwrap();
    let _pod = worker(&place, &"text ".repeat(1000));
    let gateway = Gateway::start(&place, [""; 0]);
    let line = MessageHost::with(&gateway, &[("POD_TOOLS_MAX_PAYLOAD", "4096")]).call("ReadPodOutput", READ);
    assert!(line.len() <= 4096);
    let (_, error) = answer(&line);
    assert_eq!((&error["kind"], &error["reason"]), (&json!("limit"), &Value::Null));
    for part in ["takes 4096 (POD_TOOLS_MAX_PAYLOAD", "counts as not read", "--max-output"] {
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    assert!(!cursors(&place).exists());

    // It would take it if the text is bounded, and if it were told otherwise.
    let bounded = Gateway::start(&place, ["--max-output", "1KiB"]);
    let (ok, _) = answer(
        &MessageHost::with(&bounded, &[("POD_TOOLS_MAX_PAYLOAD", "4096")]).call("ReadPodOutput", READ),
    );
    let begun = ok["content"].as_str().unwrap().to_owned();
    let (ok, _) = answer(&MessageHost::of(&gateway).call("ReadPodOutput", READ));
    assert_eq!(begun + ok["content"].as_str().unwrap(), "text ".repeat(1000));
}

#[test]
fn an_error_that_the_server_would_not_take_is_one_that_it_takes() {
    let place = Place::new().unwrap();
    let gateway = Gateway::start(&place, [""; 0]);
    let input = json!({ "name": "x".repeat(4096) }).to_string();
    let line =
        MessageHost::with(&gateway, &[("POD_TOOLS_MAX_PAYLOAD", "1024")]).call("ReadPodOutput", &input);
    assert!(line.len() <= 1024, "{line}");
    assert_eq!(answer(&line).1["kind"], "limit");
}

#[test]
fn a_message_whose_answer_nobody_would_get_calls_nothing() {
    let place = Place::new().unwrap();
    let pod = worker(&place, "text");
    let gateway = Gateway::start(&place, [""; 0]);
    let mut host = MessageHost::of(&gateway);
    let input = br#"{"name":"worker","message":"hello"}"#;
    let (returned, published) = host.hand("pods.v1.node.caller.SendToPod", input, None);
    let reason = returned.unwrap_err();
    assert!(reason.contains("`pods.v1.node.caller.SendToPod` was not called"), "{reason}");
    assert!(reason.contains("no reply subject"), "{reason}");
    assert_eq!((published.len(), pod.received()), (0, vec![]));
}

#[test]
fn what_is_no_call_is_answered() {
    let place = Place::new().unwrap();
    let mut gateway = Gateway::start(&place, [""; 0]);
    let mut host = MessageHost::of(&gateway);
    let (_, published) = host.hand("a.ListPods", b"\xff", Some("reply"));
    let error = answer(&published[0].body).1;
    assert_eq!(error["kind"], "invalid-argument");
    assert!(error["message"].as_str().unwrap().contains("not in UTF-8"), "{error}");
    let (_, published) = host.hand("a.b.", b"{}", Some("reply"));
    assert_eq!(answer(&published[0].body).1["kind"], "unknown-tool");

    let mut wrong = MessageHost::with(&gateway, &[("POD_TOOLS_MAX_PAYLOAD", "1 MiB")]);
    let error = answer(&wrong.call("ListPods", "")).1;
    assert_eq!(error["kind"], "execution-failed");
    assert!(error["message"].as_str().unwrap().contains("POD_TOOLS_MAX_PAYLOAD is `1 MiB`"), "{error}");

    gateway.kill();
    let error = answer(&host.call("ListPods", "")).1;
    assert_eq!(error["kind"], "execution-failed");
    assert!(error["message"].as_str().unwrap().contains("no gateway can be reached"), "{error}");
}
