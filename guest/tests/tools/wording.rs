//! What a line that is not the protocol's is said to be, where no other test says it of a whole line.

use pod_tools_guest::host::{ErrorKind, Reason};

use crate::scripted::{host, pod, says};

#[test]
fn a_line_without_the_name_of_an_event_or_with_bytes_that_are_no_text_says_so() {
    for (line, message) in [
        (
            &b"{}\n"[..],
            "the pod sent a line that is not an event: it has no `event` that is a string \
             (byte 2, the line begins `{}`)",
        ),
        (
            b"{\"event\":7}\n",
            "the pod sent a line that is not an event: it has no `event` that is a string \
             (byte 11, the line begins `{\"event\":7}`)",
        ),
        (
            b"{\"event\":\"\xff\"}\n",
            "the pod sent a line that is not JSON: it is not UTF-8 \
             (byte 10, the line begins `{\"event\":\"`)",
        ),
    ] {
        for (tool, input, what) in [
            ("SendToPod", r#"{"name":"x","message":"hello"}"#, "send to `x`: read"),
            ("ReadPodOutput", r#"{"name":"x"}"#, "read `x`"),
        ] {
            let error = host([pod("x").answering([says(line)])]).call(tool, input).unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::Protocol)));
            assert_eq!(error.message, format!("{what}: {message}"));
        }
    }
}
