//! The method lines of the pod protocol: the only bytes that this host ever sends to a pod.

use std::io::{self, Write};

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

/// The line that asks for it, if it has at most `max` bytes. One line, whatever the text holds: JSON escapes
/// every line break.
pub(crate) fn encode(request: &wit::Request, max: usize) -> Option<Vec<u8>> {
    let method = match request {
        wit::Request::Run(input) => Method::Run { input },
        wit::Request::GetHistory => Method::GetHistory,
        wit::Request::Shutdown => Method::Shutdown,
    };
    let mut line = Bounded { bytes: Vec::new(), max };
    // Serializing a string fails only where it is written to.
    serde_json::to_writer(&mut line, &method).ok()?;
    line.write_all(b"\n").ok()?;
    Some(line.bytes)
}

/// A text of control characters is six times as long when it is encoded: its bound is checked on the way.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_encoded_as_the_protocol_has_them() {
        let line = |request| String::from_utf8(encode(&request, 1000).unwrap()).unwrap();
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
        let line = encode(&wit::Request::Run(forged.into()), 1000).unwrap();
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(line.last(), Some(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["params"]["input"], forged);
    }

    #[test]
    fn a_line_is_as_long_as_it_may_be_and_no_longer() {
        let request = wit::Request::Run("\u{1}".repeat(1000));
        let length = encode(&request, usize::MAX).unwrap().len();
        assert!(length > 6000);
        assert_eq!(encode(&request, length).unwrap().len(), length);
        assert_eq!(encode(&request, length - 1), None);
    }
}
