//! The input of the tools: a JSON text that a model's runtime hands over.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::host::Error;
use crate::json::{Object, unquote};

// Exists for its schema.
/// Input of ListPods, which takes no arguments.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[allow(dead_code)]
pub(crate) struct EmptyInput {}

/// Input of ReadPodOutput.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReadInput {
    /// Name of a Pod that was spawned before.
    pub(crate) name: String,
    /// Wait so many seconds at most for the Pod's run to end, for a question of the Pod's, or for its end; no longer than a
    /// call may take. Without it, what there is is given at once.
    #[serde(default)]
    pub(crate) wait_seconds: Option<u32>,
}

/// Input of StopPod.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StopInput {
    /// Name of a Pod that was spawned before.
    pub(crate) name: String,
    /// Stop the Pods that it spawned, and theirs, before it.
    #[serde(default)]
    pub(crate) descendants: bool,
}

/// Input of WaitForPods.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WaitInput {
    /// Names of Pods that were spawned before: at least one, at most 100.
    pub(crate) names: Vec<String>,
    /// Until one of them is done, or until all are.
    #[serde(default, rename = "for")]
    pub(crate) enough: Enough,
    /// How many seconds at most; no longer than a call may take. Without it, as long as a call may take.
    #[serde(default)]
    pub(crate) wait_seconds: Option<u32>,
}

/// How many Pods are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Enough {
    #[default]
    Any,
    All,
}

/// What becomes of a message to a Pod that is executing a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenBusy {
    /// It is refused.
    #[default]
    Refuse,
    /// It is held until the run has ended, as long as a call may take.
    Wait,
}

/// Input of SendToPod.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SendToPodInput {
    /// Name of the Pod that gets the message.
    pub(crate) name: String,
    /// The text; the Pod takes it as its next user message.
    pub(crate) message: String,
    /// What becomes of the message while the Pod is executing a turn: without it, it is refused.
    #[serde(default)]
    pub(crate) when_busy: WhenBusy,
}

/// Parses the input of SendToPod. A message may be long, so the usual input is parsed without serde, which
/// takes longer.
pub(super) fn send_to_pod(json: &str) -> Result<SendToPodInput, Error> {
    match quick(json) {
        Some(input) => Ok(input),
        None => parse("SendToPod", json),
    }
}

/// Parses an input that has both arguments and nothing else, without `\u` escapes; `None` for any other.
fn quick(json: &str) -> Option<SendToPodInput> {
    let (mut name, mut message) = (None, None);
    let mut rest = trim(json).strip_prefix('{')?;
    loop {
        let (member, after) = unquote(trim(rest))?;
        let (value, after) = unquote(trim(trim(after).strip_prefix(':')?))?;
        let place = match member.as_str() {
            "name" => &mut name,
            "message" => &mut message,
            _ => return None,
        };
        // A member that stands twice is an error, which serde words.
        if place.replace(value).is_some() {
            return None;
        }
        match trim(after).split_at_checked(1)? {
            (",", more) => rest = more,
            ("}", "") => {
                return Some(SendToPodInput { name: name?, message: message?, when_busy: WhenBusy::Refuse });
            }
            _ => return None,
        }
    }
}

fn trim(json: &str) -> &str {
    json.trim_matches([' ', '\t', '\n', '\r'])
}

/// Parses the input of `tool`. The empty text and `null` are an object without members.
pub(super) fn parse<'a, T: Deserialize<'a>>(tool: &str, json: &'a str) -> Result<T, Error> {
    let json = trim(json);
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
        let when_busy = WhenBusy::Refuse;
        let expected = SendToPodInput { name: String::new(), message: "m!".into(), when_busy };
        for json in [
            " \r\n{\"message\":\"m\\u0021\",\"name\":\"\"}\t",
            " \r\n{\t\"message\" :\n\"m!\" , \"name\": \"\" }\t",
            "{\"name\":\"\",\"more\":[1],\"message\":\"m!\"}",
        ] {
            assert_eq!(send_to_pod(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn a_message_is_read_as_serde_reads_it() {
        let one = r#"{"name":"n","message":"a \"quoted\"\n word"}"#;
        let two = r#"{"message":"","name":"\\"}"#;
        for json in [one, two] {
            assert_eq!(quick(json), parse("SendToPod", json).ok());
            let mut others: Vec<String> = (0..json.len()).map(|end| json[..end].to_owned()).collect();
            others.extend((0..json.len()).map(|at| format!("{}{}", &json[..at], &json[at + 1..])));
            others.extend((0..json.len()).map(|at| format!("{},{}", &json[..at], &json[at..])));
            others.extend((0..json.len()).map(|at| format!("{}\n{}", &json[..at], &json[at..])));
            for other in others {
                let ours = send_to_pod(&other).map_err(|error| error.message);
                let serdes = parse("SendToPod", &other).map_err(|error| error.message);
                assert_eq!(ours, serdes, "{other}");
            }
        }
        for json in [r#"{"name":"n","name":"n","message":""}"#, r#"{"name":"n"}"#, "{}", "", "null", "[]"] {
            assert_eq!(quick(json), None, "{json}");
        }
    }

    #[test]
    fn a_fault_is_described_as_serde_does() {
        let fault = |json| parse::<StopInput>("StopPod", json).unwrap_err().message;
        assert_eq!(fault(""), "invalid StopPod input: missing field `name` at line 1 column 2");
        assert_eq!(
            fault("{\"name\":1}"),
            "invalid StopPod input: invalid type: integer `1`, expected a string at line 1 column 9"
        );
        assert_eq!(fault("{"), "invalid StopPod input: EOF while parsing an object at line 1 column 1");
        assert_eq!(fault("{} x"), "invalid StopPod input: missing field `name` at line 1 column 2");
    }
}
