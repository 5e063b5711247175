//! An answer as a line of JSON: `{"ok":{"summary","content","data"}}`, or `{"err":{"kind","reason","message"}}`.

use alloc::format;
use alloc::string::String;

use serde::de::IgnoredAny;

/// The line of what a tool has answered. `data` goes as the text that it is; `None` where that is no JSON on one line.
pub fn of_output(summary: &str, content: Option<&str>, data: &str) -> Option<String> {
    let is_json = !data.contains(['\n', '\r']) && serde_json::from_str::<IgnoredAny>(data).is_ok();
    let (summary, content) = (json(Some(summary)), json(content));
    is_json.then(|| format!(r#"{{"ok":{{"summary":{summary},"content":{content},"data":{data}}}}}"#))
}

/// The line of an error.
pub fn of_error(kind: &str, reason: Option<&str>, message: &str) -> String {
    let (kind, reason, message) = (json(Some(kind)), json(reason), json(Some(message)));
    format!(r#"{{"err":{{"kind":{kind},"reason":{reason},"message":{message}}}}}"#)
}

fn json(text: Option<&str>) -> String {
    // Writing a text to memory does not fail.
    serde_json::to_string(&text).unwrap_or_default()
}
