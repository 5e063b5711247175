//! Answers are texts that a program can take apart again.

use pod_tools_adapter_zeroclaw::answer;

#[test]
fn the_summary_is_the_first_line_and_the_data_are_the_last() {
    assert_eq!(answer::of_output("2 lines", Some("a\nb\n"), r#"{"n":2}"#), "2 lines\na\nb\n\n{\"n\":2}");
    assert_eq!(answer::of_output("none", Some(""), "null"), "none\n\nnull");
    assert_eq!(answer::of_output("none", None, "null"), "none\nnull");
}

#[test]
fn data_on_several_lines_are_the_same_data_on_one() {
    let answer = answer::of_output("s", Some("c"), "{\n  \"n\":\r\n2\n}");
    assert_eq!(answer, "s\nc\n{   \"n\":  2 }");
    assert_eq!(answer.lines().count(), 3);
}

#[test]
fn an_errors_kind_and_reason_are_json() {
    assert_eq!(
        answer::of_error("denied", Some("not-granted")),
        r#"{"kind":"denied","reason":"not-granted"}"#
    );
    assert_eq!(answer::of_error("internal", None), r#"{"kind":"internal","reason":null}"#);
}
