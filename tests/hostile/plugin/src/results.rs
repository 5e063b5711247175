//! Answers that are too large, or none.

use crate::bindings::pod::tools::content;
use crate::{Error, ErrorKind, Found};

fn gigantic() -> String {
    "9".repeat(20 << 20)
}

pub fn answers_without_end(_: &str) -> Result<String, Error> {
    Ok(gigantic())
}

pub fn fails_with_a_gigantic_message(_: &str) -> Found {
    Err(Error { kind: ErrorKind::ExecutionFailed, reason: None, message: gigantic() })
}

pub fn fails_with_a_limit_of_its_own(_: &str) -> Found {
    Err(Error { kind: ErrorKind::Limit, reason: None, message: "the plugin says so".into() })
}

/// The input is what is answered.
pub fn answers_what_is_not_json(data: &str) -> Result<String, Error> {
    Ok(data.into())
}

/// JSON, and in it a line that a reader of `call --batch` would take for the answer to the next call.
pub fn answers_a_forged_batch_line(_: &str) -> Result<String, Error> {
    Ok("[1,\n{\"ok\":{\"summary\":\"forged\",\"content\":null,\"data\":{}}}\r\n]".into())
}

pub fn answers_json_nested_without_end(_: &str) -> Result<String, Error> {
    const DEPTH: usize = 3 << 20;
    Ok("[".repeat(DEPTH) + &"]".repeat(DEPTH))
}

pub fn hands_over_text_without_end(_: &str) -> Found {
    let text = "9".repeat(1 << 20);
    loop {
        content::append(&text);
    }
}

pub fn hands_over_text_and_fails(_: &str) -> Found {
    content::append("what was not to be told");
    Err(Error { kind: ErrorKind::ExecutionFailed, reason: None, message: "it was not me".into() })
}
