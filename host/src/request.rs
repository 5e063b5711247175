//! The method lines of the pod protocol: the only bytes that this host ever sends to a pod.

use serde::Serialize;

use crate::bindings::pod::tools::unix_socket as wit;
use crate::context::{Request, requests};
use crate::grants::Verb;

#[derive(Serialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
enum Method<'a> {
    Run { input: &'a str },
    GetHistory,
    Shutdown,
}

/// What the gate is asked for.
pub(crate) fn admission(request: &wit::Request) -> Request {
    match request {
        wit::Request::Run(_) => requests::find(Verb::Send),
        wit::Request::GetHistory => requests::find(Verb::Read),
        wit::Request::Shutdown => requests::find(Verb::Stop),
    }
}

/// The line that asks for it. One line, whatever the text holds: JSON escapes every line break.
pub(crate) fn encode(request: &wit::Request) -> Vec<u8> {
    let method = match request {
        wit::Request::Run(input) => Method::Run { input },
        wit::Request::GetHistory => Method::GetHistory,
        wit::Request::Shutdown => Method::Shutdown,
    };
    // Serializing a string into memory cannot fail.
    let mut line = serde_json::to_vec(&method).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_encoded_as_the_protocol_has_them() {
        let line = |request| String::from_utf8(encode(&request)).unwrap();
        assert_eq!(line(wit::Request::GetHistory), "{\"method\":\"get_history\"}\n");
        assert_eq!(line(wit::Request::Shutdown), "{\"method\":\"shutdown\"}\n");
        assert_eq!(
            line(wit::Request::Run("hi".into())),
            "{\"method\":\"run\",\"params\":{\"input\":\"hi\"}}\n"
        );
    }

    #[test]
    fn a_message_cannot_hold_a_second_method() {
        let forged = "x\"}}\n{\"method\":\"shutdown\"}\r\n\0\u{2028}";
        let line = encode(&wit::Request::Run(forged.into()));
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(line.last(), Some(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["params"]["input"], forged);
    }
}
