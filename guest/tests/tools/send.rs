//! SendToPod.

use pod_tools_guest::Output;
use pod_tools_guest::host::{Error, ErrorKind, Reason, State};
use serde_json::json;

use crate::scripted::{Pod, Script, Step, data, denied, fails, host, pod, says, silence};

const TURN_START: &str = "{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n";
const ALREADY_RUNNING: &str = "{\"event\":\"error\",\"data\":{\"code\":\"already_running\",\"message\":\"Pod is already executing a turn\"}}\n";
const DELTA: &str = "{\"event\":\"text_delta\",\"data\":{\"text\":\"…\"}}\n";
const SHUTDOWN: &str = "{\"event\":\"shutdown\"}\n";

fn error_event(code: &str, message: &str) -> String {
    format!("{}\n", json!({"event": "error", "data": {"code": code, "message": message}}))
}

fn send(host: &Script) -> Result<Output, Error> {
    host.call("SendToPod", r#"{"name":"x","message":"hello"}"#)
}

/// Sends to a pod that is idle and answers so.
fn idle(steps: impl IntoIterator<Item = Step>) -> Result<Output, Error> {
    send(&host([pod("x").in_state(State::Idle).answering(steps)]))
}

/// Sends to a pod whose state is not known.
fn unknown(steps: impl IntoIterator<Item = Step>) -> Result<Output, Error> {
    send(&host([pod("x").answering(steps)]))
}

#[track_caller]
fn is_already_running(answer: Result<Output, Error>) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::AlreadyRunning)));
    assert_eq!(error.message, "pod `x` is already running a turn; wait for it to finish and retry");
}

#[test]
fn an_idle_pod_that_starts_a_turn_has_taken_the_message() {
    let host = host([pod("x").in_state(State::Idle).answering([says(TURN_START), silence()])]);
    let output = send(&host).unwrap();
    assert_eq!((output.summary.as_str(), &output.content), ("sent message to `x`", &None));
    assert_eq!(data(&output), json!({"pod": "x"}));
    // The state is asked for while connected and before the message is written.
    assert_eq!(*host.asked.borrow(), ["find x Send", "open run hello", "state", "read", "close"]);
}

#[test]
fn a_pod_that_refuses_is_already_running() {
    for state in [State::Idle, State::Running, State::Paused] {
        is_already_running(send(&host([pod("x").in_state(state).answering([says(ALREADY_RUNNING)])])));
    }
    is_already_running(unknown([says(ALREADY_RUNNING)]));
}

#[test]
fn a_refusal_behind_the_turn_of_another_client_wins() {
    let both = || format!("{TURN_START}{DELTA}{ALREADY_RUNNING}");
    is_already_running(unknown([says(both())]));
    is_already_running(unknown([says(TURN_START), says(DELTA), says(ALREADY_RUNNING)]));
    is_already_running(send(&host([pod("x").in_state(State::Running).answering([says(both())])])));
    // In single bytes, the last line without its end.
    let bytes = both().into_bytes();
    is_already_running(unknown(bytes[..bytes.len() - 1].iter().map(|&byte| says([byte]))));
}

#[test]
fn an_idle_pod_is_not_asked_twice() {
    let output = idle([says(format!("{TURN_START}{ALREADY_RUNNING}"))]).unwrap();
    assert_eq!(output.summary, "sent message to `x`");
}

#[test]
fn where_no_refusal_follows_the_message_was_taken() {
    for end in [
        vec![silence()],
        vec![],
        vec![says(DELTA), silence()],
        vec![Step::Fail(fails(Reason::Closed, "reset"))],
        vec![says("not JSON\n"), silence()],
        vec![says(SHUTDOWN)],
    ] {
        let host = host([pod("x").answering([says(TURN_START)].into_iter().chain(end))]);
        assert_eq!(send(&host).unwrap().summary, "sent message to `x`");
        assert!(host.was_asked("read within 20"));
    }
}

#[test]
fn a_pod_that_talks_without_end_does_not_hold_the_answer_up() {
    let host =
        host([pod("x").answering([says(TURN_START)].into_iter().chain((0..500).map(|_| says(DELTA))))]);
    assert_eq!(send(&host).unwrap().summary, "sent message to `x`");
    let reads = host.asked.borrow().iter().filter(|asked| *asked == "read within 20").count();
    assert!((1..=16).contains(&reads), "{reads} reads");
}

#[test]
fn what_comes_before_the_answer_is_passed_over() {
    let notification =
        r#"{"event":"notification","data":{"level":"warn","source":"pod","message":"m","timestamp_ms":1}}"#;
    let before = format!(
        "{notification}\r\n\n  \r\n{}{}{}{{\"event\":\"brand_new\",\"data\":[1,[2]],\"x\":null}}\n{DELTA}",
        error_event("provider_error", "overloaded"),
        error_event("internal", "Cancelled"),
        error_event("a_new_code", "?"),
    );
    assert!(idle([says(format!("{before}{TURN_START}"))]).is_ok());
    assert!(unknown([says(before.clone()), says(TURN_START)]).is_ok());
    is_already_running(idle([says(before), says(ALREADY_RUNNING)]));
}

#[test]
fn a_pod_that_shuts_down_has_not_taken_the_message() {
    let error = idle([says(SHUTDOWN)]).unwrap_err();
    assert_eq!(error.reason, Some(Reason::Closed));
    assert_eq!(error.message, "send to `x`: the pod is shutting down");
}

#[test]
fn the_end_before_the_answer_is_an_error() {
    for steps in [vec![], vec![says(DELTA)], vec![says("\n \r\n")]] {
        let error = idle(steps).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Closed)));
        assert_eq!(error.message, "send to `x`: connection closed before response");
    }
    let error = idle([says(&TURN_START[..20])]).unwrap_err();
    assert_eq!(error.reason, Some(Reason::Closed));
    assert_eq!(error.message, "send to `x`: connection closed before response, within a line");
}

#[test]
fn a_last_line_needs_no_end() {
    let start = TURN_START.trim_end();
    assert!(idle([says(start)]).is_ok());
    assert!(unknown([says(start)]).is_ok());
}

#[test]
fn a_pod_that_does_not_know_the_request_is_quoted() {
    let event = error_event("internal", &format!("invalid method: \u{1b}{}", "y".repeat(500)));
    let error = idle([says(event)]).unwrap_err();
    assert_eq!(error.reason, Some(Reason::PodError));
    let begins = "send to `x`: the pod does not take messages: invalid method: \\u{1b}yyy";
    assert!(error.message.starts_with(begins), "{error}");
    assert!(error.message.ends_with("y…") && error.message.chars().count() < 300, "{error}");
}

#[test]
fn what_is_not_the_protocol_is_an_error() {
    for line in
        ["hello\n", "[]\n", "{\"data\":1}\n", "{\"event\":5}\n", "\"turn_start\"\n", "{\"event\":\"a\"}}\n"]
    {
        let error = idle([says(line)]).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Protocol)));
        assert!(error.message.starts_with("send to `x`: read: the pod sent a line that is not "), "{error}");
    }
}

#[test]
fn the_errors_of_the_host_keep_their_kind_and_reason() {
    let error = idle([silence()]).unwrap_err();
    assert_eq!(error.reason, Some(Reason::SocketTimeout));
    assert_eq!(error.message, "send to `x`: nothing came within 5 s");

    let error = send(&host([pod("x")])).unwrap_err();
    assert_eq!(error.reason, Some(Reason::Unreachable));
    assert_eq!(error.message, "send to `x`: nothing takes connections");

    let error = send(&host([pod("x").refusing(denied("send to pod `x` is not granted"))])).unwrap_err();
    assert_eq!(error, denied("send to pod `x` is not granted"));

    let found = Pod { found: Err(fails(Reason::RegistryDamaged, "it is garbled")), ..pod("x") };
    let error = send(&host([found])).unwrap_err();
    assert_eq!(error, fails(Reason::RegistryDamaged, "send to `x`: it is garbled"));
}

#[test]
fn a_state_that_cannot_be_had_is_unknown() {
    let exhausted = fails(Reason::DescriptorsExhausted, "no descriptors");
    let pod = Pod { state: Err(exhausted), ..pod("x").answering([says(TURN_START), says(ALREADY_RUNNING)]) };
    is_already_running(send(&host([pod])));
}

#[test]
fn names_are_shown_escaped() {
    let host = host([pod("a\nb").in_state(State::Idle).answering([says(TURN_START)])]);
    let output = host.call("SendToPod", r#"{"name":"a\nb","message":""}"#).unwrap();
    assert_eq!(output.summary, "sent message to `a\\nb`");
    assert_eq!(data(&output)["pod"], "a\nb");
    let error = host.call("SendToPod", r#"{"name":"a\nb","message":""}"#).unwrap_err();
    assert!(error.message.starts_with("send to `a\\nb`: "));
}
