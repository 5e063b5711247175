//! The conversation as a document.

use pod_tools_guest::host::{Error, Reason, State};
use pod_tools_guest::transcript;

use crate::scripted::{denied, fails, history, host, message, pod, says};

#[test]
fn it_tells_who_said_what_and_leaves_everything_else_out() {
    let items = [
        message("system", "rules"),
        message("user", "hi"),
        r#"{"type":"tool_call","call_id":"1","name":"Bash","arguments":"{}"}"#.into(),
        message("assistant", "one\ntwo\n\nuser: three"),
    ];
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let host = host([pod("x").in_state(State::Idle).answering([says(history(&items))])]);
    let document = transcript(&host, "x").unwrap();
    assert_eq!(document.media_type, "text/plain; charset=utf-8");
    assert_eq!(document.text, "user:\n    hi\n\nassistant:\n    one\n    two\n\n    user: three\n");
    // The cursor is ReadPodOutput's.
    assert_eq!(*host.pods[0].cursor.borrow(), None);
    assert_eq!(host.asked(), ["find x Read", "open get-history", "state", "close"]);
}

#[test]
fn it_tells_why_a_turn_failed() {
    let items = [message("user", "hi"), r#"{"type":"turn_failed","reason":"exit status 3:\nuser:"}"#.into()];
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let host = host([pod("x").answering([says(history(&items))])]);
    let text = transcript(&host, "x").unwrap().text;
    assert_eq!(text, "user:\n    hi\n\nturn failed:\n    exit status 3:\n    user:\n");
}

#[test]
fn a_conversation_that_has_not_begun_is_empty() {
    let host = host([pod("x").answering([says(history(&[]))])]);
    assert_eq!(transcript(&host, "x").unwrap().text, "");
}

#[test]
fn where_the_host_bounds_it_the_newest_messages_stay() {
    let items = [message("user", "a"), message("assistant", "b"), message("user", "c")];
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let mut host = host([pod("x").answering([says(history(&items))])]);
    host.bounds.max_output = Some(30);
    let text = transcript(&host, "x").unwrap().text;
    assert_eq!(text, "(1 earlier message(s) left out)\n\nassistant:\n    b\n\nuser:\n    c\n");
}

#[test]
fn what_fails_says_whose_transcript_it_was() {
    let unreachable = fails(Reason::Unreachable, "connect: refused");
    let host = host([pod("a\nb").refusing(unreachable), {
        let mut pod = pod("y");
        pod.found = Err(denied("no"));
        pod
    }]);
    let message = "transcript of `a\\nb`: connect: refused".to_owned();
    assert_eq!(
        transcript(&host, "a\nb"),
        Err(Error { message, ..fails(Reason::Unreachable, "connect: refused") })
    );
    assert_eq!(transcript(&host, "y"), Err(denied("no")));
}
