//! JSON-RPC 2.0, a message a line: what comes is sorted, what goes is encoded.

use std::borrow::Cow;

use agent_client_protocol_schema::v1::{Error, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How much of a line that is no message is shown, in bytes.
const SHOWN: usize = 120;
/// How much of an error's message is kept, in bytes.
const ERROR_BYTES: usize = 1 << 10;

/// A message of the agent.
#[derive(Debug)]
pub enum Incoming<'a> {
    Request {
        id: RequestId,
        method: Cow<'a, str>,
        params: &'a str,
    },
    Notification {
        method: Cow<'a, str>,
        params: &'a str,
    },
    /// The answer to a request of ours: its result as JSON, or the agent's reason.
    Response {
        id: i64,
        result: Result<&'a str, String>,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Error>,
}

impl Incoming<'_> {
    /// Fails with why the line is no message, and its beginning.
    pub fn decode(line: &[u8]) -> Result<Incoming<'_>, String> {
        let wrong = |why: &str| {
            let shown = String::from_utf8_lossy(line[..line.len().min(SHOWN)].trim_ascii_end());
            format!("{why}: `{shown}`")
        };
        let text = std::str::from_utf8(line).map_err(|_| wrong("not UTF-8"))?;
        let Line { id, method, params, result, error } =
            serde_json::from_str(text).map_err(|_| wrong("not a message of JSON-RPC"))?;
        let params = params.map_or("null", RawValue::get);
        match (method, id) {
            (Some(method), Some(id)) => {
                let id = serde_json::from_str(id.get()).map_err(|_| wrong("a request with such an id"))?;
                Ok(Incoming::Request { id, method, params })
            }
            (Some(method), None) => Ok(Incoming::Notification { method, params }),
            (None, Some(id)) => {
                let id = serde_json::from_str(id.get()).map_err(|_| wrong("an answer to nothing"))?;
                let result = match error {
                    Some(error) => Err(reason(&error)),
                    None => Ok(result.map_or("null", RawValue::get)),
                };
                Ok(Incoming::Response { id, result })
            }
            (None, None) => Err(wrong("neither a request nor an answer")),
        }
    }
}

/// The agent's reason, with what it says of it in `data`, where that is text.
fn reason(error: &Error) -> String {
    let details = error.data.as_ref().and_then(|data| {
        let of = |key: &str| data.get(key).and_then(serde_json::Value::as_str);
        data.as_str().or_else(|| of("details")).or_else(|| of("message"))
    });
    let mut reason = match details {
        Some(details) => format!("{}: {details}", error.message),
        None => error.message.clone(),
    };
    reason.truncate(reason.floor_char_boundary(ERROR_BYTES));
    reason
}

/// The line of a request of ours.
pub fn request(id: i64, method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a, P> {
        jsonrpc: &'static str,
        id: i64,
        method: &'a str,
        params: P,
    }
    line(&Request { jsonrpc: "2.0", id, method, params })
}

/// The line of a notification.
pub fn notification(method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Notification<'a, P> {
        jsonrpc: &'static str,
        method: &'a str,
        params: P,
    }
    line(&Notification { jsonrpc: "2.0", method, params })
}

/// The line that answers a request of the agent.
pub fn response(id: &RequestId, result: Result<impl Serialize, Error>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Response<'a, R> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<R>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Error>,
    }
    let (result, error) = match result {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error)),
    };
    line(&Response { jsonrpc: "2.0", id, result, error })
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("a message holds only what is JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_by_their_members() {
        let decode = |line: &'static str| Incoming::decode(line.as_bytes()).unwrap();
        assert!(matches!(
            decode(r#"{"jsonrpc":"2.0","id":"a","method":"fs/read_text_file","params":{}}"#),
            Incoming::Request { id: RequestId::Str(_), params: "{}", .. }
        ));
        assert!(matches!(
            decode(r#"{"method":"session/update"}"#),
            Incoming::Notification { params: "null", .. }
        ));
        assert!(matches!(
            decode(r#"{"id":3,"result":null}"#),
            Incoming::Response { id: 3, result: Ok("null") }
        ));
        let failed =
            decode(r#"{"id":3,"error":{"code":-32603,"message":"Internal","data":{"details":"no key"}}}"#);
        assert!(matches!(failed, Incoming::Response { result: Err(why), .. } if why == "Internal: no key"));
    }

    #[test]
    fn what_is_no_message_is_shown_with_the_reason() {
        for (line, why) in [
            ("Welcome!", "not a message of JSON-RPC: `Welcome!`"),
            ("{}", "neither a request nor an answer: `{}`"),
            (r#"{"id":{},"method":"x"}"#, "a request with such an id"),
            (r#"{"id":"x","result":{}}"#, "an answer to nothing"),
        ] {
            let found = Incoming::decode(line.as_bytes()).unwrap_err();
            assert!(found.starts_with(why), "{found}");
        }
        assert!(Incoming::decode(b"\xff").unwrap_err().starts_with("not UTF-8"));
    }
}
