//! Answers that are too large, or none.

use serde_json::json;

use crate::bindings::pod::tools::content;
use crate::{Error, ErrorKind, Found, Output};

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

/// The input says how many bytes of data there are to be.
fn bytes(input: &str) -> usize {
    input.parse().expect("the input is a number")
}

pub fn answers_data_a_byte_beyond_its_bound(most: &str) -> Result<String, Error> {
    Ok("9".repeat(bytes(most) + 1))
}

/// As a tree of values, it takes some forty times as much.
pub fn answers_data_of_nothing_but_numbers(most: &str) -> Result<String, Error> {
    Ok(format!("[{}0]", "0,".repeat((bytes(most) - 3) / 2)))
}

pub fn answers_data_of_nothing_but_brackets(most: &str) -> Result<String, Error> {
    Ok(format!("[{}[]]", "[],".repeat((bytes(most) - 4) / 3)))
}

/// The input is the depth.
pub fn answers_data_nested_beyond_its_bound(depth: &str) -> Result<String, Error> {
    Ok("[".repeat(bytes(depth)) + &"]".repeat(bytes(depth)))
}

/// The summary of an answer is what the tool of this name gives for one.
pub fn answers_a_summary_beyond_its_bound(most: &str) -> Found {
    Ok(json!(bytes(most) + 1))
}

pub fn fails_with_a_message_beyond_its_bound(most: &str) -> Found {
    Err(Error { kind: ErrorKind::ExecutionFailed, reason: None, message: "9".repeat(bytes(most) + 1) })
}

/// The input is how much may be handed over: before the answer, and in it.
pub fn hands_over_the_most_text_twice(most: &str) -> Found {
    content::append(&"9".repeat(bytes(most)));
    Ok(json!(null))
}

/// The answer of an attack that lies in what is beside the data.
pub fn with_all_that_is_asked(attack: &str, answer: Output) -> Output {
    match attack {
        "answers_a_summary_beyond_its_bound" => {
            Output { summary: "9".repeat(bytes(&answer.data)), data: "null".into(), ..answer }
        }
        "hands_over_the_most_text_twice" => Output { content: Some("9".into()), ..answer },
        _ => answer,
    }
}
