//! ReadPodOutput.

use pod_tools_guest::Output;
use pod_tools_guest::host::{Cursor, Error, ErrorKind, Reason, State};
use serde_json::{Value, json};

use crate::scripted::{Pod, Script, Step, data, denied, fails, history, host, message, pod, says, silence};

fn read(host: &Script) -> Result<Output, Error> {
    host.call("ReadPodOutput", r#"{"name":"x"}"#)
}

/// A pod that gives these items, once.
fn giving(items: &[&str]) -> Pod {
    pod("x").answering([says(history(items))])
}

/// Lets the pod answer another read with these items.
fn then(host: &Script, items: &[&str]) {
    host.pods[0].exchanges.borrow_mut().push_back(Ok(vec![says(history(items))]));
}

fn cursor(host: &Script) -> Option<Cursor> {
    host.pods[0].cursor.borrow().clone()
}

#[track_caller]
fn gives(output: &Output, summary: &str, content: Option<&str>) {
    assert_eq!((output.summary.as_str(), output.content.as_deref()), (summary, content));
}

fn user(text: &str) -> String {
    message("user", text)
}

fn assistant(text: &str) -> String {
    message("assistant", text)
}

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
               "rewritten": false, "unanswered": false})
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
fn text_parts_and_messages_are_joined_by_an_empty_line() {
    let items = [
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":""}]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"},{"type":"text","text":""}]}"#,
        r#"{"content":[{"text":"b \"\u00e9\ud83d\ude00\/\\","type":"text"}],"role":"assistant","type":"message","status":"completed","id":"m1","new":{}}"#,
        r#"{"type":"message","role":"system","content":[{"type":"text","text":"s"}]}"#,
        r#"{"type":"message","role":"assistant","content":[],"id":null,"status":null}"#,
    ];
    let output = read(&host([giving(&items)])).unwrap();
    gives(&output, "pod `x`: 5 new line(s) of assistant text", Some("a\n\n\n\nb \"é😀/\\"));
    assert_eq!(data(&output)["new_items"], 5);
}

#[test]
fn an_item_of_an_unknown_shape_is_passed_over_alone_and_counted() {
    let odd = [
        "null",
        "17",
        "\"assistant\"",
        "[]",
        "{}",
        r#"["message","assistant",[{"type":"text","text":"array"}]]"#,
        r#"{"type":"message","role":"assistant"}"#,
        r#"{"type":"message","role":"assistant","content":"text"}"#,
        r#"{"type":"message","role":"robot","content":[{"type":"text","text":"n"}]}"#,
        r#"{"type":"message","role":["assistant"],"content":[{"type":"text","text":"n"}]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"n"},{"type":"image","url":"u"}]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":5}]}"#,
        r#"{"type":"message","role":"assistant","content":[["text","n"]]}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"n"}],"status":"odd"}"#,
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"n"}],"id":7}"#,
        r#"{"type":"message","role":"assistant","role":"user","content":[{"type":"text","text":"n"}]}"#,
        r#"{"type":"tool_call","call_id":"c","name":"n","arguments":"{}"}"#,
        r#"{"type":"tool_result","call_id":"c","summary":"s","content":"long"}"#,
        r#"{"type":"reasoning","text":"hm"}"#,
        r#"{"type":"audio","role":"assistant","content":[{"type":"text","text":"n"}]}"#,
        r#"{"role":"assistant","content":[{"type":"text","text":"n"}]}"#,
    ];
    let known = assistant("yes");
    for item in odd {
        let output = read(&host([giving(&[item, &known, item])])).unwrap();
        gives(&output, "pod `x`: 1 new line(s) of assistant text", Some("yes"));
        assert_eq!(data(&output)["new_items"], 3, "{item}");
    }
}

#[test]
fn a_surrogate_without_its_pair_costs_one_character() {
    let item =
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"a\ud800b\udc00\ud83d"}]}"#;
    let output = read(&host([giving(&[item])])).unwrap();
    assert_eq!(output.content.as_deref(), Some("a\u{fffd}b\u{fffd}\u{fffd}"));
}

#[test]
fn a_rewritten_history_is_given_from_its_start() {
    let (a, b, c, d) = (user("a"), assistant("b"), assistant("c"), assistant("d"));
    let rewritten = "; history was rewritten, given from its start";
    for new in [vec![&a, &c, &d], vec![&d, &b], vec![&b]] {
        let new: Vec<&str> = new.into_iter().map(String::as_str).collect();
        let host = host([giving(&[&a, &b]).in_state(State::Idle)]);
        read(&host).unwrap();
        then(&host, &new);
        then(&host, &new);
        host.asked.borrow_mut().clear();
        let output = read(&host).unwrap();
        assert!(output.summary.ends_with(&format!("; now idle{rewritten}")), "{}", output.summary);
        let once = ["open get-history", "state", "close"];
        assert_eq!(host.asked(), [&["find x Read"], &once[..], &once, &["set-cursor"]].concat());
        assert_eq!(data(&output)["rewritten"], true);
        assert_eq!(data(&output)["new_items"], new.len());
        assert_eq!(cursor(&host).map(|cursor| cursor.items), Some(new.len() as u64));
        // And that is what is vouched for from now on.
        then(&host, &new);
        gives(&read(&host).unwrap(), "pod `x` idle; no new assistant text", None);
    }
}

#[test]
fn a_history_that_has_become_empty_was_rewritten() {
    let item = assistant("a");
    let host = host([giving(&[&item])]);
    read(&host).unwrap();
    then(&host, &[]);
    then(&host, &[]);
    gives(
        &read(&host).unwrap(),
        "pod `x` running; no new assistant text; history was rewritten, given from its start",
        None,
    );
    assert_eq!(cursor(&host).map(|cursor| cursor.items), Some(0));
    then(&host, &[&item]);
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("a"));
}

#[test]
fn a_digest_in_another_notation_does_not_vouch_for_anything() {
    let item = assistant("a");
    for digest in ["", "sha256:00", "xxh3:", "xxh3:+1", "xxh3:zz", "xxh3:00000000000000000000000000000000"] {
        let host = host([giving(&[&item]).answering([says(history(&[&item]))])]);
        *host.pods[0].cursor.borrow_mut() = Some(Cursor { items: 1, digest: digest.into() });
        gives(
            &read(&host).unwrap(),
            "pod `x`: 1 new line(s) of assistant text; history was rewritten, given from its start",
            Some("a"),
        );
    }
}

#[test]
fn the_digest_is_the_documented_one() {
    let items = [user("a"), "{ \"type\" : 1}".into()];
    let host = host([giving(&[&items[0], &items[1]])]);
    read(&host).unwrap();
    let bytes = format!("{}\n{}\n", items[0], items[1]);
    let digest = format!("xxh3:{:032x}", xxhash_rust::xxh3::xxh3_128(bytes.as_bytes()));
    assert_eq!(cursor(&host), Some(Cursor { items: 2, digest }));
}

#[test]
fn the_cursor_is_staged_only_when_it_moves() {
    let item = assistant("a");
    let host = host([giving(&[])]);
    read(&host).unwrap();
    assert!(!host.was_asked("set-cursor"));
    then(&host, &[&item]);
    read(&host).unwrap();
    assert!(host.was_asked("set-cursor"));
    host.asked.borrow_mut().clear();
    then(&host, &[&item]);
    read(&host).unwrap();
    assert!(!host.was_asked("set-cursor"));
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

    // One item is given whatever its length; the one behind it does not fit.
    then(&host, &items);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; now idle; 2 more item(s) to read",
        Some(&"l".repeat(100)),
    );
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
    for (max, content) in [(10, "aaaa\n\nbbbb"), (9, "aaaa"), (4, "aaaa"), (0, "aaaa")] {
        let mut host = host([giving(&[&a, &b])]);
        host.bounds.max_output = Some(max);
        assert_eq!(read(&host).unwrap().content.as_deref(), Some(content), "at most {max} bytes");
    }
}

#[test]
fn a_bound_applies_to_a_rewritten_history_too() {
    let (a, b, c) = (assistant("aaaa"), assistant("bbbb"), assistant("cccc"));
    let mut host = host([giving(&[&a])]);
    host.bounds.max_output = Some(4);
    read(&host).unwrap();
    then(&host, &[&b, &c]);
    then(&host, &[&b, &c]);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; history was rewritten, given from its start; 1 more item(s) to read",
        Some("bbbb"),
    );
    then(&host, &[&b, &c]);
    gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("cccc"));
}

#[test]
fn a_pod_that_cannot_be_connected_to_is_stopped() {
    let host = host([pod("x").in_state(State::Idle)]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x` is stopped (unreachable)", None);
    assert_eq!(
        data(&output),
        json!({"pod": "x", "state": "stopped", "new_items": 0, "remaining_items": 0,
               "rewritten": false, "unanswered": false})
    );
    assert_eq!(host.asked(), ["find x Read", "open get-history"]);
}

#[test]
fn a_pod_that_stops_before_its_rewritten_history_was_read_is_stopped() {
    let (a, b) = (assistant("a"), assistant("b"));
    let host = host([giving(&[&a])]);
    read(&host).unwrap();
    let before = cursor(&host);
    then(&host, &[&b]);
    gives(&read(&host).unwrap(), "pod `x` is stopped (unreachable)", None);
    assert_eq!(cursor(&host), before);
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
fn a_line_that_is_not_the_protocols_is_an_error_that_says_where() {
    for (line, message) in [
        (
            "hello\n",
            "the pod sent a line that is not JSON: a value should follow (byte 0, the line begins `h`)",
        ),
        (
            "{\"event\":\"a\",}\n",
            "the pod sent a line that is not JSON: a key in double quotes should follow (byte 13, the line begins `{\"event\":\"a\",}`)",
        ),
        (
            "[1]\n",
            "the pod sent a line that is not an event: it is not an object (byte 3, the line begins `[1]`)",
        ),
        (
            "{\"event\":\"history\",\"data\":{}}\n",
            "the pod sent a line that is not a history: its `data` has no `items` that are an array (byte 29, the line begins `{\"event\":\"history\",\"data\":{}}`)",
        ),
    ] {
        let error = read(&host([pod("x").answering([says(line)])])).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Protocol)));
        assert_eq!(error.message, format!("read `x`: {message}"));
    }
}

#[test]
fn a_history_that_is_not_one_is_a_protocol_error() {
    let deep = format!("[{}{}]", "[".repeat(126), "]".repeat(126));
    for items in [
        "{\"event\":\"history\",\"data\":{\"items\":{}}}",
        "{\"event\":\"history\",\"data\":{\"items\":null}}",
        "{\"event\":\"history\",\"data\":[[]]}",
        "{\"event\":\"history\"}",
        "{\"event\":\"history\",\"data\":{\"items\":[],\"items\":[]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[1 2]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[1,]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[,1]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[{]}]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[tru]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[{\"type\":\"tool_result\",\"x\":01}]}}",
        "{\"event\":\"history\",\"data\":{\"items\":[]}} x",
        &format!("{{\"event\":\"history\",\"data\":{{\"items\":{deep}}}}}"),
    ] {
        for line in [format!("{items}\n"), format!("{items}\r\n")] {
            for size in [1, 5, 10_000] {
                let host = host([pod("x").answering(line.as_bytes().chunks(size).map(says))]);
                let error = read(&host).unwrap_err();
                assert_eq!(error.reason, Some(Reason::Protocol), "{line}: {error}");
                assert!(!host.was_asked("set-cursor"));
            }
        }
    }
    let bad_utf8 = b"{\"event\":\"history\",\"data\":{\"items\":[\"\xff\"]}}\n".as_slice();
    let error = read(&host([pod("x").answering([says(bad_utf8)])])).unwrap_err();
    assert_eq!(error.reason, Some(Reason::Protocol), "{error}");
}

#[test]
fn an_item_may_nest_as_deep_as_a_line_may() {
    let deep = format!("{}{}", "[".repeat(125), "]".repeat(125));
    let answer = assistant("a");
    let output = read(&host([giving(&[&deep, &answer])])).unwrap();
    assert_eq!(output.content.as_deref(), Some("a"));
}

#[test]
fn events_before_the_history_are_passed_over() {
    let lines = [
        r#"{"event":"notification","data":{"level":"warn","source":"pod","message":"m","timestamp_ms":1}}"#,
        "",
        " \t\r",
        r#"{"data":{"items":["not a history"]},"event":"listing"}"#,
        r#"{"data":{"items":[1],"items":[2]},"event":"listing"}"#,
        r#"{"event":"error","data":{"code":"already_running","message":"Pod is already executing a turn"}}"#,
        r#"{"event":"error","data":{"code":"internal","message":"Cancelled"}}"#,
        r#"{"event":"error","data":{"code":7}}"#,
        r#"{"event":"brand_new","data":"é😀 \ud83d\ude00","more":[true,false,null,-0.5e+10]}"#,
        r#"{"event":"turn_start"}"#,
        r#"{"event":"shutdown"}"#,
    ];
    for line_end in ["\n", "\r\n"] {
        let text = format!("{}{line_end}{}", lines.join(line_end), history(&[&assistant("a")]));
        for size in [1, 3, 100_000] {
            let host = host([pod("x").answering(text.as_bytes().chunks(size).map(says))]);
            let output = read(&host).unwrap();
            gives(&output, "pod `x`: 1 new line(s) of assistant text", Some("a"));
            assert_eq!(data(&output)["new_items"], 1);
        }
    }
}

#[test]
fn keys_may_come_in_any_order_and_with_escapes() {
    let item = assistant("a");
    for line in [
        format!(r#"{{"data":{{"greeting":{{"items":[7]}},"items":[{item}]}},"event":"history"}}"#),
        format!(r#"{{"data":{{"items":[{item}],"greeting":null}},"x":[],"event":"history"}}"#),
        format!(r#"{{"\u0065vent":"histor\u0079","d\u0061ta":{{"\u0069tems" : [ {item} ] }} }}"#),
    ] {
        for size in [1, 4, 10_000] {
            let host = host([pod("x").answering(line.as_bytes().chunks(size).map(says))]);
            gives(&read(&host).unwrap(), "pod `x`: 1 new line(s) of assistant text", Some("a"));
        }
    }
}

#[test]
fn nothing_is_read_behind_the_history() {
    let host = host([pod("x").answering([says(history(&[&assistant("a")])), silence()])]);
    assert!(read(&host).is_ok());
    assert_eq!(host.asked.borrow().iter().filter(|asked| *asked == "read").count(), 1);
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
