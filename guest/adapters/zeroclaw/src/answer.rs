//! Answers and errors as texts, for a model and for programs.

use alloc::format;
use alloc::string::String;

/// The summary on the first line, the text if there is any, and the data on the last line.
pub fn of_output(summary: &str, content: Option<&str>, data: &str) -> String {
    // Between the values of a JSON text a line's end is as good as a space, and within them there is none.
    let data = data.replace(['\n', '\r'], " ");
    match content {
        Some(content) => format!("{summary}\n{content}\n{data}"),
        None => format!("{summary}\n{data}"),
    }
}

/// What programs need of an error beside its message.
pub fn of_error(kind: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!(r#"{{"kind":"{kind}","reason":"{reason}"}}"#),
        None => format!(r#"{{"kind":"{kind}","reason":null}}"#),
    }
}
