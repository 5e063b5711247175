//! The conversation with a pod as a document, through the component.

use std::time::Duration;

use pod_tools_conformance::{FakePod, Script, Step, assistant, history, user};
use pod_tools_host::{ErrorKind, Reason};

use crate::support::{Spawner, patient, tools};

#[tokio::test]
async fn it_is_given_whole_each_time_and_moves_no_cursor() {
    let spawner = Spawner::with(&["read:child"], patient());
    let items = [user("hello"), assistant("one\ntwo")];
    let script = Script::new().on("get_history", [Step::line(history(&items))]);
    let pod = FakePod::start(&spawner.place, "child", script).unwrap();
    for _ in 0..2 {
        let document = tools().transcript(&spawner.authority, "child").await.unwrap();
        assert_eq!(document.text, "user:\n    hello\n\nassistant:\n    one\n    two\n");
        assert_eq!(document.media_type, "text/plain; charset=utf-8");
    }
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("one\ntwo"));
    assert_eq!(pod.received(), [r#"{"method":"get_history"}"#; 3]);
}

#[tokio::test]
async fn it_needs_a_grant_to_read_and_a_pod_that_lives() {
    let spawner = Spawner::with(&["list,send,stop", "read:gone"], patient());
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    let error = tools().transcript(&spawner.authority, "child").await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
    assert_eq!(pod.connections(), 0);
    let error = tools().transcript(&spawner.authority, "gone").await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::InvalidArgument, Some(Reason::UnknownPod)));
    let gone = FakePod::start(&spawner.place, "gone", Script::new()).unwrap();
    drop(gone);
    let error = tools().transcript(&spawner.authority, "gone").await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Unreachable)));
    assert!(error.message.starts_with("transcript of `gone`: "), "{}", error.message);
}

#[tokio::test]
async fn the_limits_of_a_call_hold_for_it() {
    let mut limits = patient();
    limits.call_time = Duration::from_millis(300);
    let spawner = Spawner::with(&["read"], limits);
    let _silent = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    let error = tools().transcript(&spawner.authority, "child").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
}
