//! What ReadPodOutput takes for a history, and for an item of one.

use pod_tools_guest::host::{ErrorKind, Reason};

use crate::read::reader::{assistant, gives, giving, read};
use crate::scripted::{data, history, host, pod, says, silence};

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
