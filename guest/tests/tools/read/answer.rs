//! What ReadPodOutput answers: the new text, how the pod is, and what went wrong.

use pod_tools_guest::host::{Error, ErrorKind, Reason, State};
use serde_json::{Value, json};

use crate::read::reader::{assistant, cursor, gives, giving, read, then, user};
use crate::scripted::{Pod, Step, data, denied, fails, history, host, pod, says, silence};

#[test]
fn new_text_is_given_once() {
    let items = [user("hi"), assistant("one\ntwo"), assistant("three")];
    let items = [items[0].as_str(), &items[1], &items[2]];
    let host = host([giving(&items[..2])]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x`: 2 new line(s) of assistant text", Some("one\ntwo"));
    assert_eq!(
        data(&output),
        json!({"pod": "x", "state": "unknown", "new_items": 2, "remaining_items": 0,
               "continued": false, "cut": false, "rewritten": false,
               "unanswered": false})
    );

    then(&host, &items[..2]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x` running; no new assistant text", None);
    assert_eq!(data(&output)["new_items"], 0);

    then(&host, &items);
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("three"));
    assert_eq!(cursor(&host).map(|cursor| cursor.items), Some(3));
}

#[test]
fn the_state_is_asked_for_while_connected_and_before_the_history_is() {
    let host = host([giving(&[])]);
    read(&host).unwrap();
    assert_eq!(*host.asked.borrow(), ["find x Read", "open get-history", "state", "read", "close"]);
}

#[test]
fn the_state_is_told_where_it_is_known() {
    let item = assistant("a");
    for (state, word) in [(State::Idle, "idle"), (State::Running, "running"), (State::Paused, "paused")] {
        let host = host([giving(&[&item]).in_state(state)]);
        let output = read(&host).unwrap();
        gives(&output, &format!("pod `x`: 1 new line(s) of assistant text; now {word}"), Some("a"));
        assert_eq!(data(&output)["state"], word);
        then(&host, &[&item]);
        let output = read(&host).unwrap();
        gives(&output, &format!("pod `x` {word}; no new assistant text"), None);
    }
    let exhausted = Err(fails(Reason::DescriptorsExhausted, "no descriptors"));
    let output = read(&host([Pod { state: exhausted, ..giving(&[]) }])).unwrap();
    gives(&output, "pod `x` running; no new assistant text", None);
}

#[test]
fn what_a_person_is_asked_is_told_and_such_a_pod_is_paused() {
    let asks = |asked: &str| {
        let event = format!(
            "{{\"event\":\"history\",\"data\":{{\"asked\":{asked},\"items\":[],\"greeting\":{{\"asked\":\"no\"}}}}}}\n"
        );
        pod("x").answering([says(event)])
    };
    for state in [State::Idle, State::Running, State::Paused, State::Unknown] {
        let output = read(&host([asks("\"1: edit: /w/x\"").in_state(state)])).unwrap();
        gives(&output, "pod `x` paused; no new assistant text; needs an answer: 1: edit: /w/x", None);
        assert_eq!(
            (&data(&output)["state"], &data(&output)["asked"]),
            (&json!("paused"), &json!("1: edit: /w/x"))
        );
    }
    let output = read(&host([asks("\"a\\u001b[2Jb\"")])).unwrap();
    assert!(output.summary.ends_with("a\\u{1b}[2Jb"), "{}", output.summary);
    for none in ["null", "\"\"", "7", "[\"x\"]"] {
        let output = read(&host([asks(none).in_state(State::Idle)])).unwrap();
        gives(&output, "pod `x` idle; no new assistant text", None);
        assert_eq!(data(&output)["asked"], Value::Null);
    }
}

#[test]
fn an_idle_pod_whose_newest_item_is_a_user_message_has_not_answered() {
    let (question, answer) = (user("well?"), assistant("yes"));
    let host = host([giving(&[&answer, &question]).in_state(State::Idle)]);
    let output = read(&host).unwrap();
    let suffix = "; the last message has no answer";
    gives(&output, &format!("pod `x`: 1 new line(s) of assistant text; now idle{suffix}"), Some("yes"));
    assert_eq!(data(&output)["unanswered"], true);

    // The newest item lies below the cursor now, whole or in pieces.
    then(&host, &[&answer, &question]);
    gives(&read(&host).unwrap(), &format!("pod `x` idle; no new assistant text{suffix}"), None);
    let pieces = history(&[&answer, &question]).bytes().map(|byte| says([byte])).collect();
    host.pods[0].exchanges.borrow_mut().push_back(Ok(pieces));
    gives(&read(&host).unwrap(), &format!("pod `x` idle; no new assistant text{suffix}"), None);

    then(&host, &[&answer, &question, r#"{"type":"reasoning","text":"hm"}"#]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x` idle; no new assistant text", None);
    assert_eq!(data(&output)["unanswered"], false);
}

#[test]
fn a_running_pod_may_still_answer() {
    let question = user("well?");
    let output = read(&host([giving(&[&question]).in_state(State::Running)])).unwrap();
    gives(&output, "pod `x` running; no new assistant text", None);
    assert_eq!(data(&output)["unanswered"], false);
}

#[test]
fn as_many_whole_items_as_fit_are_given_and_the_rest_is_counted() {
    let long = assistant(&"l".repeat(100));
    let (a, b, q) = (assistant("aaaa"), assistant("bbbb"), user("q"));
    let items = [a.as_str(), &q, &b, &q, &long, &a, &q];
    let mut host = host([giving(&items).in_state(State::Idle)]);
    host.bounds.max_output = Some(10);
    let output = read(&host).unwrap();
    gives(
        &output,
        "pod `x`: 3 new line(s) of assistant text; now idle; 3 more item(s) to read",
        Some("aaaa\n\nbbbb"),
    );
    assert_eq!((&data(&output)["new_items"], &data(&output)["remaining_items"]), (&json!(4), &json!(3)));
    assert_eq!(data(&output)["unanswered"], false);

    // An item that is longer than an answer may be is given in parts; the one behind it waits for the next read.
    let cut = "; the text breaks off within an item, and the next read goes on from there";
    for part in 0..9 {
        then(&host, &items);
        let output = read(&host).unwrap();
        let summary =
            format!("pod `x`: 1 new line(s) of assistant text; now idle; 3 more item(s) to read{cut}");
        gives(&output, &summary, Some("llllllllll"));
        let data = data(&output);
        assert_eq!((&data["new_items"], &data["remaining_items"]), (&json!(0), &json!(3)));
        assert_eq!((&data["continued"], &data["cut"]), (&json!(part > 0), &json!(true)));
    }
    then(&host, &items);
    let output = read(&host).unwrap();
    gives(
        &output,
        "pod `x`: 1 new line(s) of assistant text; now idle; 2 more item(s) to read",
        Some("llllllllll"),
    );
    assert_eq!((&data(&output)["new_items"], &data(&output)["continued"]), (&json!(1), &json!(true)));
    then(&host, &items);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; now idle; the last message has no answer",
        Some("aaaa"),
    );
    then(&host, &items);
    gives(&read(&host).unwrap(), "pod `x` idle; no new assistant text; the last message has no answer", None);
}

#[test]
fn a_bound_that_is_reached_exactly_leaves_nothing() {
    let (a, b) = (assistant("aaaa"), assistant("bbbb"));
    for (max, content, is_cut) in [
        (10, "aaaa\n\nbbbb", false),
        (9, "aaaa", false),
        (4, "aaaa", false),
        (3, "aaa", true),
        (0, "a", true),
    ] {
        let mut host = host([giving(&[&a, &b])]);
        host.bounds.max_output = Some(max);
        let output = read(&host).unwrap();
        assert_eq!(output.content.as_deref(), Some(content), "at most {max} bytes");
        assert_eq!(data(&output)["cut"], is_cut, "at most {max} bytes");
    }
}

#[test]
fn a_pod_that_cannot_be_connected_to_is_stopped() {
    let host = host([pod("x").in_state(State::Idle)]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x` is stopped (unreachable)", None);
    assert_eq!(
        data(&output),
        json!({"pod": "x", "state": "stopped", "new_items": 0, "remaining_items": 0,
               "continued": false, "cut": false, "rewritten": false,
               "unanswered": false})
    );
    assert_eq!(host.asked(), ["find x Read", "open get-history"]);
}

#[test]
fn any_other_failure_is_an_error_and_the_cursor_stays() {
    let line = history(&[&assistant("a")]);
    let limit = Error { kind: ErrorKind::Limit, reason: None, message: "a line is too long".into() };
    for (steps, reason, message) in [
        (vec![silence()], Some(Reason::SocketTimeout), "nothing came within 5 s"),
        (vec![says(&line[..60]), silence()], Some(Reason::SocketTimeout), "nothing came within 5 s"),
        (vec![says(&line[..60]), Step::Fail(limit)], None, "a line is too long"),
        (vec![Step::Fail(fails(Reason::Closed, "reset"))], Some(Reason::Closed), "reset"),
        (vec![], Some(Reason::Closed), "connection closed before response"),
        (vec![says("{\"event\":\"shutdown\"}\n")], Some(Reason::Closed), "connection closed before response"),
        (
            vec![says(&line[..line.len() - 2])],
            Some(Reason::Closed),
            "connection closed before response, within a line",
        ),
    ] {
        let host = host([pod("x").answering(steps)]);
        let error = read(&host).unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!(error.message, format!("read `x`: {message}"));
        assert!(!host.was_asked("set-cursor"));
    }
    let timeout = fails(Reason::SocketTimeout, "the backlog stayed full");
    let error = read(&host([pod("x").refusing(timeout)])).unwrap_err();
    assert_eq!(error, fails(Reason::SocketTimeout, "read `x`: the backlog stayed full"));
    let refusal = denied("read of pod `x` is not granted");
    assert_eq!(read(&host([pod("x").refusing(refusal.clone())])).unwrap_err(), refusal);
}

#[test]
fn a_pod_that_does_not_know_the_request_is_quoted() {
    let event =
        json!({"event": "error", "data": {"message": "invalid method: get_history\n", "code": "internal"}});
    let error = read(&host([pod("x").answering([says(format!("{event}\n"))])])).unwrap_err();
    assert_eq!(error.reason, Some(Reason::PodError));
    assert_eq!(error.message, "read `x`: the pod does not give its history: invalid method: get_history\\n");
}

#[test]
fn names_are_shown_escaped() {
    let host = host([Pod { name: "a\nb".into(), ..giving(&[]) }]);
    for summary in ["pod `a\\nb` running; no new assistant text", "pod `a\\nb` is stopped (unreachable)"] {
        let output = host.call("ReadPodOutput", r#"{"name":"a\nb"}"#).unwrap();
        gives(&output, summary, None);
        assert_eq!(data(&output)["pod"], Value::from("a\nb"));
    }
}
