//! The input of the tools: what a model's runtime hands over as JSON text.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::host::Error;
use crate::object::Object;

// Exists for its schema.
/// Input of ListPods, which takes no arguments.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[allow(dead_code)]
pub(crate) struct EmptyInput {}

/// Input of ReadPodOutput and StopPod.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NameInput {
    /// Name of a Pod that was spawned before.
    pub(crate) name: String,
}

/// Input of SendToPod.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SendToPodInput {
    /// Name of the Pod that gets the message.
    pub(crate) name: String,
    /// The text; the Pod takes it as its next user message.
    pub(crate) message: String,
}

/// Parses the input of `tool`. The empty text and `null` are an object without members.
pub(crate) fn parse<'a, T: Deserialize<'a>>(tool: &str, json: &'a str) -> Result<T, Error> {
    let json = json.trim_matches([' ', '\t', '\n', '\r']);
    let json = if matches!(json, "" | "null") { "{}" } else { json };
    match serde_json::from_str(json) {
        Ok(Object(input)) => Ok(input),
        Err(fault) => {
            let fault = match serde_json::from_str::<IgnoredAny>(json) {
                Ok(_) if !json.starts_with('{') => "expected an object with the tool's arguments".into(),
                _ => fault.to_string(),
            };
            Err(Error::invalid(format!("invalid {tool} input: {fault}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_any_order_and_white_space_does_not_matter() {
        let input: SendToPodInput =
            parse("SendToPod", " \r\n{\"message\":\"m\\u0021\",\"name\":\"\"}\t").unwrap();
        assert_eq!(input, SendToPodInput { name: String::new(), message: "m!".into() });
    }

    #[test]
    fn a_fault_is_described_as_serde_does() {
        let fault = |json| parse::<NameInput>("StopPod", json).unwrap_err().message;
        assert_eq!(fault(""), "invalid StopPod input: missing field `name` at line 1 column 2");
        assert_eq!(
            fault("{\"name\":1}"),
            "invalid StopPod input: invalid type: integer `1`, expected a string at line 1 column 9"
        );
        assert_eq!(fault("{"), "invalid StopPod input: EOF while parsing an object at line 1 column 1");
        assert_eq!(fault("{} x"), "invalid StopPod input: missing field `name` at line 1 column 2");
    }
}
