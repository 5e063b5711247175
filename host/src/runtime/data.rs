//! JSON of a plugin, kept as the text that it is; above all `data` of an answer, which is a small document.
//!
//! A text of numbers and brackets takes some forty times its length as a tree of values, so none is made of it here, and
//! what others make of it is bounded by its length and its depth.

use serde_json::value::RawValue;

use crate::authority::limits::LimitReached;
use crate::error::ToolError;

/// How deep values may lie in one another: half of what common readers of JSON take.
const MAX_DEPTH: usize = 64;

/// The text as JSON on one line, if it has at most `most` bytes. Takes linear time.
pub(super) fn checked(text: String, most: usize) -> Result<Box<RawValue>, ToolError> {
    if text.len() > most {
        return Err(LimitReached::Data(most).into());
    }
    let json = json("data", text)?;
    if depth(json.get()) > MAX_DEPTH {
        let message = format!("the plugin's data is nested more than {MAX_DEPTH} levels deep");
        return Err(ToolError::internal(message));
    }
    Ok(json)
}

/// JSON on one line, or the error that names it.
pub(super) fn json(what: &str, text: String) -> Result<Box<RawValue>, ToolError> {
    on_one_line(text)
        .map_err(|error| ToolError::internal(format!("the plugin's {what} is not JSON: {error}")))
}

/// JSON on one line: a line break in JSON is nothing but space between its tokens, but who writes answers as JSON
/// lines must not write what looks like two of them. In a text that is no JSON a line break may be anything, so it is
/// read first.
pub(super) fn on_one_line(text: String) -> serde_json::Result<Box<RawValue>> {
    let is_broken = text.contains(['\n', '\r']);
    let json = RawValue::from_string(text)?;
    if is_broken { RawValue::from_string(json.get().replace(['\n', '\r'], " ")) } else { Ok(json) }
}

/// How many arrays and objects of a JSON text lie in one another.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            // To the end of the string.
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Setting};

    #[test]
    fn data_has_at_most_as_many_bytes_as_it_may() {
        let text = format!("[{}0]", "0,".repeat(50));
        assert_eq!(checked(text.clone(), text.len()).unwrap().get(), text);
        let error = checked(text.clone(), text.len() - 1).unwrap_err();
        assert_eq!((error.kind, error.setting), (ErrorKind::Limit, Some(Setting::Data)));
        assert!(error.message.contains("more than 102 bytes"), "{error}");
    }

    #[test]
    fn data_is_as_deep_as_it_may_be_and_no_deeper() {
        let nested = |depth: usize| {
            let inside = "[{\"a\":".repeat(depth / 2) + if depth % 2 == 1 { "[]" } else { "0" };
            inside + &"}]".repeat(depth / 2)
        };
        for depth in [0, 1, 2, 63, 64] {
            checked(nested(depth), 1000).unwrap();
        }
        for depth in [65, 66, 100] {
            let error = checked(nested(depth), 1000).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Internal);
            assert!(error.message.contains("more than 64 levels"), "{error}");
        }
    }

    #[test]
    fn brackets_within_strings_nest_nothing() {
        for text in ["[[[", "\\\"[[[[", "\\\\", "}]}]"] {
            let text = format!("[\"{}\",[0]]", text.repeat(100));
            assert_eq!(depth(checked(text, 1000).unwrap().get()), 2);
        }
    }
}
