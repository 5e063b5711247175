//! One message of a client, from its bytes: a message that the protocol knows, or the error that it gets.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, RequestId};
use serde_json::Value;

use super::ids::IdScanner;

/// Values in one message, objects and arrays included: a tree of them takes a hundred times the memory of its text.
const MAX_VALUES: usize = 1 << 16;

/// A message, or what is answered in its place; `None` where nothing is: a notification that nobody knows.
pub fn decode(bytes: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if separators(bytes) > MAX_VALUES {
        let message = format!("the message has more than {MAX_VALUES} values");
        return Err(Refusal::new(IdScanner::ids_in(bytes), ErrorCode::INVALID_REQUEST, message));
    }
    let error = match serde_json::from_slice(bytes) {
        Ok(message) => return Ok(Some(message)),
        Err(error) => error,
    };
    // The protocol's own types say little about what is wrong, so what they refuse is looked at again.
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("this is not JSON: {error}");
            return Err(Refusal::new(IdScanner::ids_in(bytes), ErrorCode::PARSE_ERROR, message));
        }
    };
    let ids = IdScanner::ids_in(bytes);
    let invalid = |why: &str| Refusal::new(ids.clone(), ErrorCode::INVALID_REQUEST, why.to_owned());
    let Value::Object(members) = &value else {
        return Err(invalid("a message is one JSON object; batches are not part of this protocol"));
    };
    if members.get("jsonrpc") != Some(&Value::from("2.0")) {
        return Err(invalid("a message has \"jsonrpc\": \"2.0\""));
    }
    match members.get("method") {
        Some(Value::String(_)) if !members.contains_key("id") => Ok(None),
        Some(Value::String(_))
            if members
                .get("id")
                .is_none_or(|id| serde_json::from_value::<RequestId>(id.clone()).is_err()) =>
        {
            Err(invalid("a request's `id` is a string or a whole number"))
        }
        Some(Value::String(method)) => Err(Refusal::new(
            ids,
            ErrorCode::INVALID_PARAMS,
            format!("the parameters of `{method}` are not what it takes: {error}"),
        )),
        Some(_) => Err(invalid("a request's `method` is a string")),
        None => {
            Err(invalid("a message is a request, a notification or a response, and this is none of them"))
        }
    }
}

/// How many values a JSON text may have: each but the first stands behind an opening bracket, a comma or a colon.
fn separators(mut json: &[u8]) -> usize {
    let mut count = 0;
    while let Some(at) = json.iter().position(|byte| matches!(byte, b'"' | b',' | b':' | b'[' | b'{')) {
        let is_text = json[at] == b'"';
        json = &json[at + 1..];
        count += usize::from(!is_text);
        let mut in_text = is_text;
        while in_text {
            let Some(at) = memchr::memchr2(b'"', b'\\', json) else { return count };
            in_text = json[at] != b'"';
            json = json.get(at + if in_text { 2 } else { 1 }..).unwrap_or_default();
        }
    }
    count
}

/// What is answered with an error and goes no further: a message, or several in a batch.
#[derive(Debug)]
pub struct Refusal {
    /// Of the requests in it; none: there are none, or they cannot be read.
    ids: Vec<Value>,
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(ids: Vec<Value>, code: ErrorCode, message: String) -> Self {
        Self { ids, code, message }
    }

    /// A request whose `id` is in use.
    pub fn twice(id: &RequestId) -> Self {
        Self::of(id, ErrorData::invalid_request("a request with this `id` is not answered yet", None))
    }

    /// A request that has this error for its answer.
    pub fn of(id: &RequestId, error: ErrorData) -> Self {
        Self::new(vec![id.clone().into_json_value()], error.code, error.message.into_owned())
    }

    /// A request that cannot be served at present.
    pub fn failed(id: Option<RequestId>, message: String) -> Self {
        let ids = id.map(RequestId::into_json_value).into_iter().collect();
        Self::new(ids, ErrorCode::INTERNAL_ERROR, message)
    }

    /// A message that is longer than is taken.
    pub fn too_long(limit: usize, scanned: IdScanner) -> Self {
        let message = format!("the message has more than {limit} bytes (raise the limit with --max-frame)");
        Self::new(scanned.ids(), ErrorCode::INVALID_REQUEST, message)
    }

    /// A long message while others that come have the room for those.
    pub fn no_room(scanned: IdScanner) -> Self {
        let message = "too many long messages come at once; try again when some are done".to_owned();
        Self::new(scanned.ids(), ErrorCode::INTERNAL_ERROR, message)
    }

    /// As it is sent where each request can be answered by itself: a line for each.
    pub fn to_lines(&self) -> String {
        let ids = if self.ids.is_empty() { &[Value::Null] } else { &*self.ids };
        ids.iter().map(|id| self.to_json(id) + "\n").collect()
    }

    /// As it is sent where there is one answer to everything that came.
    pub fn to_document(&self) -> Vec<u8> {
        let id = if let [id] = &*self.ids { id } else { &Value::Null };
        self.to_json(id).into_bytes()
    }

    /// JSON-RPC wants an `id` in every answer, `null` where it could not be read.
    fn to_json(&self, id: &Value) -> String {
        let Self { code, message, .. } = self;
        serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code.0, "message": message } })
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_texts_is_no_value() {
        for (json, count) in [
            (r#"{"a":[1,2,{"b":null}]}"#, 7),
            (r#"{"a,[{:":",,,\"\\[["}"#, 2),
            (r#"{"\\":","#, 2),
            (r#"",,,"#, 0),
            (r#""\"#, 0),
            ("[[[", 3),
            ("", 0),
        ] {
            assert_eq!(separators(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn a_message_of_too_many_values_is_refused_under_its_id_and_one_of_a_long_text_is_not() {
        let call = |argument: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"x","arguments":{{"a":{argument}}}}}}}"#
            )
        };
        let refused = decode(call(&format!("[0{}]", ",0".repeat(MAX_VALUES))).as_bytes()).unwrap_err();
        assert_eq!(refused.ids, [Value::from(7)]);
        assert!(refused.message.contains("65536 values"), "{}", refused.message);
        assert!(decode(call(&format!(r#""{}""#, ",[".repeat(MAX_VALUES))).as_bytes()).unwrap().is_some());
    }
}
