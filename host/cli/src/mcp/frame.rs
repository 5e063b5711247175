//! One message of a client, from its bytes: a message that the protocol knows, or the error that it gets.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, RequestId};
use serde_json::Value;

/// A message, or what is answered in its place; `None` where nothing is: a notification that nobody knows.
pub fn decode(bytes: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match serde_json::from_slice(bytes) {
        Ok(message) => return Ok(Some(message)),
        Err(error) => error,
    };
    // The protocol's own types say little about what is wrong, so what they refuse is looked at again.
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            return Err(Refusal::new(None, ErrorCode::PARSE_ERROR, format!("this is not JSON: {error}")));
        }
    };
    let id = value.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
    let invalid = |why: &str| Refusal::new(id.clone(), ErrorCode::INVALID_REQUEST, why.to_owned());
    let Value::Object(members) = &value else {
        return Err(invalid("a message is one JSON object; batches are not part of this protocol"));
    };
    if members.get("jsonrpc") != Some(&Value::from("2.0")) {
        return Err(invalid("a message has \"jsonrpc\": \"2.0\""));
    }
    match members.get("method") {
        Some(Value::String(_)) if !members.contains_key("id") => Ok(None),
        Some(Value::String(_)) if id.is_none() => {
            Err(invalid("a request's `id` is a string or a whole number"))
        }
        Some(Value::String(method)) => Err(Refusal::new(
            id.clone(),
            ErrorCode::INVALID_PARAMS,
            format!("the parameters of `{method}` are not what it takes: {error}"),
        )),
        Some(_) => Err(invalid("a request's `method` is a string")),
        None => {
            Err(invalid("a message is a request, a notification or a response, and this is none of them"))
        }
    }
}

/// A message that is answered with an error and goes no further.
#[derive(Debug)]
pub struct Refusal {
    id: Option<RequestId>,
    code: ErrorCode,
    message: String,
}

impl Refusal {
    pub fn new(id: Option<RequestId>, code: ErrorCode, message: String) -> Self {
        Self { id, code, message }
    }

    /// A message that is longer than is taken.
    pub fn too_long(limit: usize) -> Self {
        let message = format!("the message has more than {limit} bytes (raise the limit with --max-frame)");
        Self::new(None, ErrorCode::INVALID_REQUEST, message)
    }

    /// As it is sent. JSON-RPC wants an `id` in every answer, `null` where it could not be read.
    pub fn to_json(&self) -> Vec<u8> {
        let Self { id, code, message } = self;
        serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code.0, "message": message } })
            .to_string()
            .into_bytes()
    }
}
