//! Each limit reached alone, by the bundled component, while another call with normal limits is under way: the
//! error names the limit, its value and its option, and the other call does not notice.

#![allow(clippy::unwrap_used)]

#[path = "support/remedy.rs"]
mod remedy;

use std::sync::OnceLock;
use std::time::Duration;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use pod_tools_host::{Authority, ErrorKind, Grant, Ledger, Limits, PodTools, Reason, ToolError};
use remedy::remedy;
use serde_json::{Value, json};

fn tools() -> &'static PodTools {
    static TOOLS: OnceLock<PodTools> = OnceLock::new();
    TOOLS.get_or_init(|| PodTools::builder().cache_dir(None).load().unwrap())
}

fn authority(place: &Place, limits: Limits) -> Authority {
    Authority::builder()
        .remedy(remedy)
        .allow_sockets(place.base())
        .runtime_dir(place.runtime_dir())
        .scope_lock(place.scope_lock())
        .grant(Grant::all())
        .limits(limits)
        .build()
        .unwrap()
}

/// Makes the call that must fail while another one, of an authority with normal limits on a pod of its own,
/// waits for that pod; which then answers.
async fn tripped(limits: Limits, script: Script, tool: &str, input: Value) -> ToolError {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", script).unwrap();
    let answer = Step::line(history(&[assistant("undisturbed")]));
    let slow = Script::new().on("get_history", [Step::Wait("gate".to_owned()), answer]);
    let other = FakePod::start(&place, "other", slow).unwrap();
    let normal = authority(&place, Limits::default());
    let undisturbed = tokio::spawn(async move {
        let answer = tools().call(&normal, "ReadPodOutput", r#"{"name":"other"}"#).await.unwrap();
        answer.output().content.clone()
    });
    let other = tokio::task::spawn_blocking(move || {
        other.await_lines(1);
        other
    });
    let other = other.await.unwrap();

    let limited = authority(&place, limits);
    let error = tools().call(&limited, tool, &input.to_string()).await.unwrap_err();

    other.open_gate("gate");
    assert_eq!(undisturbed.await.unwrap().as_deref(), Some("undisturbed"));
    // And the same call with normal limits is not the worse for it.
    tools().call(&authority(&place, Limits::default()), "ListPods", "").await.unwrap();
    error
}

fn read() -> (&'static str, Value) {
    ("ReadPodOutput", json!({"name": "child"}))
}

/// A pod with a history of this many items, each of this many bytes of text.
fn with_history(items: usize, bytes: usize) -> Script {
    let item = assistant(&"x".repeat(bytes));
    Script::new().on("get_history", [Step::line(history(&vec![item; items]))])
}

/// Sees to it that the error is of the limit of that option, and names its value.
fn assert_names(error: &ToolError, remedy: &str, value: &str) {
    assert_eq!((error.kind, error.reason), (ErrorKind::Limit, None), "{error}");
    assert!(error.message.ends_with(remedy), "{error}");
    assert!(error.message.contains(value), "{value}: {error}");
}

/// The defaults, with one of them changed.
fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[tokio::test(flavor = "multi_thread")]
async fn operation_time_is_an_execution_failed_that_says_it_of_the_pod() {
    let limits = limits(|limits| limits.operation_time = Duration::from_millis(300));
    let (tool, input) = read();
    let error = tripped(limits, Script::new(), tool, input).await;
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::SocketTimeout)));
    assert!(error.message.contains("timed out after 300ms (set operation time)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn call_time_is_a_timeout_and_a_chatty_pod_cannot_stretch_it() {
    let limits = limits(|limits| limits.call_time = Duration::from_millis(500));
    let (tool, input) = read();
    let error = tripped(limits.clone(), Script::new(), tool, input.clone()).await;
    assert_eq!((error.kind, error.reason), (ErrorKind::Timeout, None), "{error}");
    assert_eq!(error.message, "the call took longer than 500ms (set call time)");

    // Line after line, each well within the time of one operation.
    let line = "{\"event\":\"text_delta\",\"data\":{\"text\":\"still thinking\"}}\n";
    let chatty =
        Script::new().on("get_history", [Step::Pieces(line.repeat(1 << 20).into_bytes(), line.len())]);
    let error = tripped(limits, chatty, tool, input).await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_time_is_what_the_plugin_computes() {
    let limits = limits(|limits| limits.cpu_time = Duration::from_millis(1));
    let (tool, input) = read();
    let error = tripped(limits, with_history(1 << 18, 64), tool, input).await;
    assert_names(&error, "(set CPU time)", "1ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_time_does_not_pass_while_the_plugin_waits() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let limits = limits(|limits| {
        limits.cpu_time = Duration::from_secs(2);
        limits.operation_time = Duration::from_secs(3);
    });
    let error =
        tools().call(&authority(&place, limits), "ReadPodOutput", r#"{"name":"child"}"#).await.unwrap_err();
    assert_eq!(error.reason, Some(Reason::SocketTimeout), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_too_small_to_begin_with() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.memory = 64 << 10), Script::new(), tool, input).await;
    assert_names(&error, "(set memory)", "65536 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_a_long_answer_outgrows() {
    let limits = limits(|limits| limits.memory = 4 << 20);
    let (tool, input) = read();
    let error = tripped(limits, with_history(8, 1 << 20), tool, input).await;
    assert_names(&error, "(set memory)", "4194304 bytes");
}

/// The text grows where it is: neither moved, nor doubled.
#[tokio::test(flavor = "multi_thread")]
async fn memory_for_a_long_answer_is_little_more_than_its_text() {
    for (items, bytes) in [(16, 1 << 20), (1 << 16, 256)] {
        let place = Place::new().unwrap();
        let _pod = FakePod::start(&place, "child", with_history(items, bytes)).unwrap();
        let authority = authority(&place, limits(|limits| limits.memory = 24 << 20));
        let answer = tools().call(&authority, "ReadPodOutput", r#"{"name":"child"}"#).await.unwrap();
        assert_eq!(answer.output().content.as_ref().unwrap().len(), items * (bytes + 2) - 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn table_elements() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.table_elements = 1), Script::new(), tool, input).await;
    assert_names(&error, "(set table elements)", "more than 1 table elements");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.instances = 1), Script::new(), tool, input).await;
    assert_names(&error, "(set instances)", "more than 1 instances");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.host_calls = 2), with_history(1, 1), tool, input).await;
    assert_names(&error, "(set host calls)", "more than 2 host calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls_to_the_last_one() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new()).unwrap();
    for allowed in [0, 1] {
        let ledger = Ledger::new();
        let limited = authority(&place, limits(|limits| limits.host_calls = allowed)).recorded_in(&ledger);
        let error = tools().call(&limited, "ListPods", "").await.unwrap_err();
        assert_names(&error, "(set host calls)", &format!("more than {allowed} host calls"));
        assert_eq!(ledger.requests().len() as u64, allowed, "{:?}", ledger.requests());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles() {
    for handles in [0, 1] {
        let (tool, input) = read();
        let error = tripped(limits(|limits| limits.handles = handles), with_history(1, 1), tool, input).await;
        assert_names(&error, "(set handles)", &format!("more than {handles} handles"));
    }
    // Two pods are recorded.
    let error = tripped(limits(|limits| limits.handles = 1), Script::new(), "ListPods", json!({})).await;
    assert_names(&error, "(set handles)", "more than 1 handles");
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.exchanges = 0), with_history(1, 1), tool, input).await;
    assert_names(&error, "(set exchanges)", "has 0 exchanges open");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_line() {
    let (tool, input) = read();
    let error = tripped(limits(|limits| limits.line = 1000), with_history(1, 1000), tool, input).await;
    assert_names(&error, "(set line)", "more than 1000 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_exactly_the_limit_is_not_over_it() {
    let line = history(&[assistant(&"x".repeat(1000))]).to_string();
    for (limit, fits) in [(line.len() as u64, true), (line.len() as u64 - 1, false)] {
        let place = Place::new().unwrap();
        let script = Script::new().on("get_history", [Step::text(format!("{line}\n"))]);
        let _pod = FakePod::start(&place, "child", script).unwrap();
        let authority = authority(&place, limits(|limits| limits.line = limit));
        let read = tools().call(&authority, "ReadPodOutput", r#"{"name":"child"}"#).await;
        assert_eq!(read.is_ok(), fits, "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_plugin_hands_over_in_a_request_and_in_its_answer() {
    let limits = limits(|limits| limits.transfer = 1000);
    let message = "x".repeat(2000);
    let input = json!({"name": "child", "message": message});
    let error = tripped(limits.clone(), Script::new(), "SendToPod", input).await;
    assert_names(&error, "(set transfer)", "more than 1000 bytes");

    let (tool, input) = read();
    let error = tripped(limits, with_history(1, 2000), tool, input).await;
    assert_names(&error, "(set transfer)", "more than 1000 bytes");
}
