//! What the tools take as input, and which tools there are.

use pod_tools_guest::host::ErrorKind;

use crate::scripted::{host, pod};

const ASKING_FOR_A_NAME: [&str; 3] = ["SendToPod", "ReadPodOutput", "StopPod"];

#[test]
fn no_arguments_lack_a_name() {
    let host = host([]);
    for tool in ASKING_FOR_A_NAME {
        for input in ["", " \n", "null", " null\t", "{}", "{ }", "{\"message\":\"hello\"}"] {
            let error = host.call(tool, input).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument);
            let begins = format!("invalid {tool} input: missing field `name`");
            assert!(error.message.starts_with(&begins), "{input}: {}", error.message);
        }
    }
    assert!(host.asked().is_empty());
}

#[test]
fn a_message_must_be_there() {
    let error = host([]).call("SendToPod", r#"{"name":"x"}"#).unwrap_err();
    assert!(error.message.starts_with("invalid SendToPod input: missing field `message`"), "{error}");
}

#[test]
fn input_of_another_type_is_refused_before_the_host_is_asked() {
    let host = host([pod("x")]);
    for tool in ASKING_FOR_A_NAME {
        for input in [
            r#"["x","hello"]"#,
            r#"["x"]"#,
            r#""x""#,
            "5",
            "true",
            r#"{"name":5,"message":"m"}"#,
            r#"{"name":"x","name":"y","message":"m"}"#,
            r#"{"name":"x","message":"m""#,
            r#"{"name":"x","message":"m"}}"#,
            "{'name':'x'}",
            "nul",
        ] {
            let error = host.call(tool, input).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument, "{input}");
            assert!(error.message.starts_with(&format!("invalid {tool} input: ")), "{input}: {error}");
        }
    }
    assert!(host.asked().is_empty());
}

#[test]
fn an_array_is_not_taken_for_an_object() {
    let error = host([pod("x")]).call("StopPod", r#"["x"]"#).unwrap_err();
    assert_eq!(error.message, "invalid StopPod input: expected an object with the tool's arguments");
}

#[test]
fn further_members_are_ignored() {
    let error = host([]).call("ReadPodOutput", r#"{"why":[1,{}],"name":"x"}"#).unwrap_err();
    assert_eq!(error.message, "no spawned pod named `x`");
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
}

#[test]
fn a_tool_that_there_is_not_is_named_with_those_that_there_are() {
    for (name, shown) in [("listpods", "listpods"), ("", ""), ("a\nb", "a\\nb")] {
        let error = host([]).call(name, "").unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownTool);
        assert_eq!(
            error.message,
            format!(
                "no tool named `{shown}`; there are: ListPods, SendToPod, ReadPodOutput, StopPod, WaitForPods"
            )
        );
    }
}
