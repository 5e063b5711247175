//! The line of an answer is the one that `pod-tools call --batch` prints.

use pod_tools_adapter_nats::line;

#[test]
fn an_answer_is_one_line_in_the_form_of_the_batch() {
    assert_eq!(
        line::of_output("1 pod(s) known", Some("a\n\"b\"\u{1}ä"), r#"{"pods":1, "of":[ ]}"#).unwrap(),
        "{\"ok\":{\"summary\":\"1 pod(s) known\",\"content\":\"a\\n\\\"b\\\"\\u0001ä\",\"data\":{\"pods\":1, \"of\":[ ]}}}"
    );
    assert_eq!(
        line::of_output("", None, "null").unwrap(),
        r#"{"ok":{"summary":"","content":null,"data":null}}"#
    );
}

#[test]
fn an_error_is_one_line_in_the_form_of_the_batch() {
    assert_eq!(
        line::of_error("denied", Some("not-granted"), "no\nway"),
        r#"{"err":{"kind":"denied","reason":"not-granted","message":"no\nway"}}"#
    );
    assert_eq!(
        line::of_error("internal", None, ""),
        r#"{"err":{"kind":"internal","reason":null,"message":""}}"#
    );
}

#[test]
fn data_that_would_break_the_line_or_end_the_answer_are_refused() {
    for data in ["", "{}}", "{}}} {\"ok\":{}", "1 2", "{\"a\":\n1}", "1\r", "nonsense"] {
        assert_eq!(line::of_output("", None, data), None, "{data:?}");
    }
}
