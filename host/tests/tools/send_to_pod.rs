//! SendToPod, from the outside: the seed's wording, and what it does better (rows 2, 3, 8, 9 and 19 of the
//! list of the native tools' faults).

use crate::support::{Spawner, connections_so_far, data, dead_socket, failed, hasty, patient};
use pod_tools_conformance::{FakePod, Script, Step, event};
use pod_tools_host::{ErrorKind, Reason, ToolError};
use serde_json::{Value, json};

fn turn_start() -> Step {
    Step::line(event("turn_start", json!({ "turn": 0 })))
}

fn error_event(code: &str, message: &str) -> Value {
    event("error", json!({ "code": code, "message": message }))
}

fn already_running() -> Step {
    Step::line(error_event("already_running", "Pod is already executing a turn"))
}

/// A pod that answers a message with these steps.
fn answering(spawner: &Spawner, steps: impl IntoIterator<Item = Step>) -> FakePod {
    FakePod::start(&spawner.place, "child", Script::new().on("run", steps)).unwrap()
}

const BUSY: &str = "pod `child` is already running a turn; wait for it to finish and retry";

#[tokio::test]
async fn a_message_that_starts_a_turn_is_sent() {
    let spawner = Spawner::new();
    let pod = answering(&spawner, [turn_start()]);
    let output = spawner.send("child", "hello").await;
    assert_eq!(output.summary, "sent message to `child`");
    assert_eq!(output.content, None);
    assert_eq!(data(&output), json!({ "pod": "child" }));
    assert_eq!(pod.received(), [r#"{"method":"run","params":{"input":"hello"}}"#]);
    assert_eq!(pod.connections(), 1);
}

#[tokio::test]
async fn a_message_stays_one_line_and_one_method_whatever_it_holds() {
    let spawner = Spawner::new();
    let pod = answering(&spawner, [turn_start()]);
    let message = "\"}}\n{\"method\":\"shutdown\"}\r\n\u{0}\u{2028}\\ ä \u{1f600}";
    spawner.send("child", message).await;
    let [line] = &pod.received()[..] else { panic!("{:?}", pod.received()) };
    let method: Value = serde_json::from_str(line).unwrap();
    assert_eq!(method, json!({ "method": "run", "params": { "input": message } }));
}

#[tokio::test]
async fn a_pod_that_runs_a_turn_refuses_the_message() {
    let spawner = Spawner::new();
    let _pod = answering(&spawner, [already_running()]);
    assert_eq!(spawner.send_fails("child", "hello").await, failed(Reason::AlreadyRunning, BUSY));
}

#[tokio::test]
async fn what_is_replayed_before_the_answer_is_passed_over() {
    let spawner = Spawner::new();
    let notification =
        event("notification", json!({ "level": "warn", "source": "pod", "message": "m", "timestamp_ms": 1 }));
    let script = Script::new()
        .greeting([Step::line(notification.clone()), Step::line(notification)])
        .on("run", [Step::line(error_event("not_paused", "another client's")), turn_start()]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    assert_eq!(spawner.send("child", "hello").await.summary, "sent message to `child`");
}

/// Row 2: the native tool takes any `turn_start` for its own.
#[tokio::test]
async fn while_the_pod_is_not_known_to_be_idle_a_refusal_behind_another_clients_turn_wins() {
    for status in ["running", "paused", "asleep"] {
        let spawner = Spawner::new();
        let both = format!(
            "{}\n{}\n",
            event("turn_start", json!({ "turn": 3 })),
            error_event("already_running", "Pod is already executing a turn"),
        );
        let pod = answering(&spawner, [Step::text(both)]);
        pod.set_status(status).unwrap();
        let error = spawner.send_fails("child", "hello").await;
        assert_eq!(error, failed(Reason::AlreadyRunning, BUSY), "{status}");
    }
}

/// Row 2: where no refusal follows, the turn was ours.
#[tokio::test]
async fn a_turn_of_a_pod_whose_state_is_not_known_is_ours_when_no_refusal_follows() {
    for rest in [
        Step::Hang,
        Step::Close,
        Step::line(error_event("not_running", "another client's")),
        Step::text("not JSON\n"),
        Step::Repeat(b"{\"event\":\"text_delta\",\"data\":{\"text\":\"x\"}}\n".to_vec()),
    ] {
        let spawner = Spawner::new();
        let _pod = answering(&spawner, [turn_start(), rest]);
        std::fs::remove_file(spawner.place.base().join("child/status.json")).unwrap();
        assert_eq!(spawner.send("child", "hello").await.summary, "sent message to `child`");
    }
}

/// Row 2: an idle pod's first turn is ours; a refusal behind it is another client's.
#[tokio::test]
async fn the_first_turn_of_an_idle_pod_is_ours_whatever_follows() {
    let spawner = Spawner::new();
    let both = format!(
        "{}\n{}\n",
        event("turn_start", json!({ "turn": 0 })),
        error_event("already_running", "Pod is already executing a turn"),
    );
    let _pod = answering(&spawner, [Step::text(both)]);
    assert_eq!(spawner.send("child", "hello").await.summary, "sent message to `child`");
}

/// Row 3: pods of another generation.
#[tokio::test]
async fn events_and_fields_of_other_generations_are_passed_over() {
    let spawner = Spawner::new();
    let greeting = event(
        "greeting",
        json!({ "pod_name": "child", "banner": "x".repeat(1 << 20), "v": [1, { "a": null }] }),
    );
    let script = Script::new().greeting([Step::line(greeting)]).on(
        "run",
        [
            Step::line(event("user_message", json!({ "text": "hello" }))),
            Step::line(event("error", json!({ "code": "a_new_code", "message": 7 }))),
            Step::line(json!({ "event": "usage", "data": { "input_tokens": "many" }, "version": 2 })),
            Step::line(json!({ "event": "turn_end", "data": 3 })),
            Step::line(json!({ "v": 9, "data": { "turn": "first", "new": {} }, "event": "turn_start" })),
        ],
    );
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    assert_eq!(spawner.send("child", "hello").await.summary, "sent message to `child`");
}

#[tokio::test]
async fn lines_may_be_blank_or_end_as_on_other_systems_or_not_at_all_and_come_in_any_pieces() {
    let stream =
        b"\n\r\n{\"event\":\"text_done\",\"data\":{\"text\":\"\xc3\xa4\"}}\r\n \n{\"event\":\"turn_start\"}";
    for size in [1, 2, 3, stream.len()] {
        let spawner = Spawner::new();
        let _pod = answering(&spawner, [Step::Pieces(stream.to_vec(), size), Step::Close]);
        assert_eq!(
            spawner.send("child", "hello").await.summary,
            "sent message to `child`",
            "pieces of {size}"
        );
    }
}

#[tokio::test]
async fn a_pod_that_there_is_not_is_an_invalid_argument() {
    let spawner = Spawner::new();
    let message = "no spawned pod named `nobody\\n`";
    let expected = ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, message);
    assert_eq!(spawner.send_fails("nobody\n", "hello").await, expected);
}

#[tokio::test]
async fn input_that_the_tool_does_not_take_is_an_invalid_argument() {
    let spawner = Spawner::new();
    let pod = answering(&spawner, [turn_start()]);
    for input in [
        json!({ "name": "child" }),
        json!({ "message": "hello" }),
        json!({ "name": "child", "message": null }),
        json!({ "name": 1, "message": "hello" }),
        json!(["child", "hello"]),
        json!("child"),
        json!(null),
    ] {
        let error = spawner.call("SendToPod", input.clone()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{input}");
        assert!(error.message.starts_with("invalid SendToPod input: "), "{input}: {error}");
    }
    assert_eq!(connections_so_far(&pod, &spawner.place.socket("child")), 0);
}

#[tokio::test]
async fn a_pod_that_is_gone_cannot_be_sent_to() {
    let spawner = Spawner::new();
    spawner.place.record(spawner.place.native_record("gone")).unwrap();
    spawner.place.record(spawner.place.native_record("dead")).unwrap();
    dead_socket(&spawner.place.socket("dead"));
    assert_eq!(
        spawner.send_fails("gone", "hello").await,
        failed(Reason::Unreachable, "send to `gone`: connect: No such file or directory (os error 2)")
    );
    assert_eq!(
        spawner.send_fails("dead", "hello").await,
        failed(Reason::Unreachable, "send to `dead`: connect: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn an_end_before_the_answer_is_told_apart_from_an_end_within_it() {
    for (sent, message) in [
        (Step::text(""), "send to `child`: connection closed before response"),
        (Step::text("{\"event\":\"usage\"}\n"), "send to `child`: connection closed before response"),
        (
            Step::text("{\"event\":\"turn_st"),
            "send to `child`: connection closed before response, within a line",
        ),
    ] {
        let spawner = Spawner::new();
        let _pod = answering(&spawner, [sent, Step::Close]);
        assert_eq!(spawner.send_fails("child", "hello").await, failed(Reason::Closed, message));
    }
}

#[tokio::test]
async fn a_pod_that_shuts_down_has_not_taken_the_message() {
    let spawner = Spawner::new();
    let _pod = answering(&spawner, [Step::line(event("shutdown", Value::Null)), Step::Hang]);
    let expected = failed(Reason::Closed, "send to `child`: the pod is shutting down");
    assert_eq!(spawner.send_fails("child", "hello").await, expected);
}

#[tokio::test]
async fn a_pod_that_does_not_know_the_method_is_an_error_that_quotes_it() {
    let spawner = Spawner::new();
    let answer = error_event("internal", "invalid method: unknown variant `run`\n");
    let _pod = answering(&spawner, [Step::line(answer), Step::Hang]);
    let message = "send to `child`: the pod does not take messages: invalid method: unknown variant `run`\\n";
    assert_eq!(spawner.send_fails("child", "hello").await, failed(Reason::PodError, message));
}

#[tokio::test]
async fn what_is_not_the_protocol_is_an_error_that_shows_it() {
    for (line, what) in [
        (b"turn_start\n".as_slice(), "not JSON"),
        (b"{\"event\":\"turn_start\",}\n", "not JSON"),
        (b"{\"event\":\"\xff\xfe\"}\n", "not UTF-8"),
        (b"[]\n", "not an object"),
        (b"{\"data\":{}}\n", "has no `event`"),
        (b"{\"event\":1}\n", "has no `event`"),
    ] {
        let spawner = Spawner::new();
        let _pod = answering(&spawner, [Step::Send(line.to_vec()), Step::Hang]);
        let error = spawner.send_fails("child", "hello").await;
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Protocol)));
        assert!(error.message.starts_with("send to `child`: the pod sent a line that is not"), "{error}");
        assert!(error.message.contains(what), "{error}");
    }
}

#[tokio::test]
async fn silence_and_half_a_line_run_out_of_time() {
    for half in ["", "{\"event\":\"turn_start\""] {
        let spawner = Spawner::limited(hasty());
        let _pod = answering(&spawner, [Step::text(half), Step::Hang]);
        let message = "send to `child`: read timed out after 300ms (set operation time)";
        assert_eq!(spawner.send_fails("child", "hello").await, failed(Reason::SocketTimeout, message));
    }
}

#[tokio::test]
async fn a_full_backlog_runs_out_of_time_while_connecting() {
    let spawner = Spawner::limited(hasty());
    let _pod = FakePod::start(&spawner.place, "child", Script::new().never_accepting(0)).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(spawner.place.socket("child")).unwrap();
    let message = "send to `child`: connect timed out after 300ms (set operation time)";
    assert_eq!(spawner.send_fails("child", "hello").await, failed(Reason::SocketTimeout, message));
}

#[tokio::test]
async fn a_message_that_the_pod_does_not_take_off_the_socket_runs_out_of_time_while_writing() {
    let spawner = Spawner::limited(hasty());
    let script = Script::new().greeting([Step::Hang]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let message = "send to `child`: write timed out after 300ms (set operation time)";
    let error = spawner.send_fails("child", &"x".repeat(8 << 20)).await;
    assert_eq!(error, failed(Reason::SocketTimeout, message));
}

/// Row 8: a chatty pod holds a call of the native tool for ever.
#[tokio::test]
async fn a_pod_that_goes_on_talking_runs_out_of_the_calls_time() {
    let mut limits = patient();
    limits.call_time = std::time::Duration::from_millis(500);
    let spawner = Spawner::limited(limits);
    let chatter = b"{\"event\":\"text_delta\",\"data\":{\"text\":\"x\"}}\n".repeat(64);
    let _pod = answering(&spawner, [Step::Repeat(chatter)]);
    let error = spawner.send_fails("child", "hello").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::Timeout, None));
    assert!(error.message.contains("the call took longer than 500ms"), "{error}");
}

/// Row 9: an endless line fills the memory of the native tool.
#[tokio::test]
async fn a_line_without_an_end_reaches_the_limit() {
    let mut limits = patient();
    limits.line = 1 << 20;
    let spawner = Spawner::limited(limits);
    let _pod = answering(&spawner, [Step::text("{\"event\":\""), Step::Repeat(vec![b'x'; 4096])]);
    let error = spawner.send_fails("child", "hello").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::Limit, None));
    assert_eq!(error.message, "send to `child`: the pod sent a line of more than 1048576 bytes (set line)");
}

/// Row 19: the native tool writes first and reads afterwards.
#[tokio::test]
async fn a_pod_that_has_much_to_say_before_it_listens_gets_a_large_message_all_the_same() {
    let spawner = Spawner::new();
    let notification = event(
        "notification",
        json!({ "level": "warn", "source": "pod", "message": "m".repeat(16 << 10), "timestamp_ms": 1 }),
    );
    let script = Script::new().greeting(vec![Step::line(notification); 512]).on("run", [turn_start()]);
    let pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let message = "x".repeat(8 << 20);
    assert_eq!(spawner.send("child", &message).await.summary, "sent message to `child`");
    let line: Value = serde_json::from_str(&pod.received()[0]).unwrap();
    assert_eq!(line["params"]["input"].as_str().map(str::len), Some(message.len()));
}
