//! The answer of a host: one line, strictly decoded, and what a case asks of it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::failure::Failure;
use crate::transcript::excerpt;

/// The kinds of errors that the contract knows.
const KINDS: [&str; 7] =
    ["invalid-argument", "execution-failed", "unknown-tool", "denied", "timeout", "limit", "internal"];

/// The reasons that the contract knows.
const REASONS: [&str; 15] = [
    "unknown-pod",
    "already-running",
    "unreachable",
    "socket-timeout",
    "closed",
    "protocol",
    "pod-error",
    "still-running",
    "lock-busy",
    "lock-damaged",
    "registry-damaged",
    "state-unwritable",
    "descriptors-exhausted",
    "not-granted",
    "socket-refused",
];

/// One line of a host: `{"ok":…}` or `{"err":…}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The tool did it.
    Ok(Output),
    /// It did not.
    Err(CallError),
}

/// What a tool gives.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// One line.
    pub summary: String,
    /// The text that was asked for. The field is there, and may be `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub content: Option<String>,
    /// For programs.
    pub data: Value,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallError {
    /// One of the contract's kinds.
    #[serde(deserialize_with = "kind")]
    pub kind: String,
    /// One of the contract's reasons. The field is there, and may be `null`.
    #[serde(deserialize_with = "reason")]
    pub reason: Option<String>,
    /// For people and models.
    pub message: String,
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let kind = String::deserialize(deserializer)?;
    one_of(&KINDS, "kind", &kind)?;
    Ok(kind)
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let reason = Option::<String>::deserialize(deserializer)?;
    if let Some(reason) = &reason {
        one_of(&REASONS, "reason", reason)?;
    }
    Ok(reason)
}

fn one_of<E: serde::de::Error>(words: &[&str], what: &str, word: &str) -> Result<(), E> {
    if words.contains(&word) {
        return Ok(());
    }
    Err(E::custom(format!("the contract knows no {what} `{word}`")))
}

impl Answer {
    /// Decodes a line.
    pub(crate) fn decode(line: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(line).map_err(|error| {
            let came = format!("{} ({error})", excerpt(line));
            Failure::new("an answer line, `{\"ok\":…}` or `{\"err\":…}`, as the contract has it", came)
        })
    }

    /// A success with this summary, to the letter.
    pub fn says(self, summary: &str) -> Result<Self, Failure> {
        match &self {
            Self::Ok(output) if output.summary == summary => Ok(self),
            _ => self.is_not(format!("the summary: {summary}")),
        }
    }

    /// A success with this content, to the letter.
    pub fn with_content(self, content: &str) -> Result<Self, Failure> {
        match &self {
            Self::Ok(output) if output.content.as_deref() == Some(content) => Ok(self),
            _ => self.is_not(format!("the content: {}", excerpt(content.as_bytes()))),
        }
    }

    /// A success without content.
    pub fn without_content(self) -> Result<Self, Failure> {
        match &self {
            Self::Ok(output) if output.content.is_none() => Ok(self),
            _ => self.is_not("no content"),
        }
    }

    /// A success whose data hold this value at this JSON pointer.
    pub fn with_data(self, pointer: &str, value: impl Into<Value>) -> Result<Self, Failure> {
        let value = value.into();
        match &self {
            Self::Ok(output) if output.data.pointer(pointer) == Some(&value) => Ok(self),
            _ => self.is_not(format!("{value} at {pointer} of the data")),
        }
    }

    /// A success whose data hold nothing at this JSON pointer.
    pub fn without_data(self, pointer: &str) -> Result<Self, Failure> {
        match &self {
            Self::Ok(output) if output.data.pointer(pointer).is_none() => Ok(self),
            _ => self.is_not(format!("nothing at {pointer} of the data")),
        }
    }

    /// A failure of this kind, for this reason.
    pub fn fails<'a>(self, kind: &str, reason: impl Into<Option<&'a str>>) -> Result<Self, Failure> {
        let reason = reason.into();
        match &self {
            Self::Err(error) if error.kind == kind && error.reason.as_deref() == reason => Ok(self),
            _ => self.is_not(format!("an error of kind `{kind}`, reason {}", reason.unwrap_or("null"))),
        }
    }

    /// A failure whose message holds this text; or a success whose summary does.
    pub fn naming(self, text: &str) -> Result<Self, Failure> {
        let said = match &self {
            Self::Ok(output) => &output.summary,
            Self::Err(error) => &error.message,
        };
        if said.contains(text) { Ok(self) } else { self.is_not(format!("a message that names {text}")) }
    }

    /// A failure with this message, to the letter.
    pub fn with_message(self, message: &str) -> Result<Self, Failure> {
        match &self {
            Self::Err(error) if error.message == message => Ok(self),
            _ => self.is_not(format!("the message: {message}")),
        }
    }

    /// A success; gives what the tool gave.
    pub fn output(self) -> Result<Output, Failure> {
        match self {
            Self::Ok(output) => Ok(output),
            Self::Err(_) => self.is_not("a success"),
        }
    }

    fn is_not<T>(&self, expected: impl Into<String>) -> Result<T, Failure> {
        let came = match self {
            Self::Ok(output) => {
                let content = match &output.content {
                    Some(content) => format!("the content: {}", excerpt(content.as_bytes())),
                    None => "no content".to_owned(),
                };
                format!("the summary: {}; {content}; the data: {}", output.summary, output.data)
            }
            Self::Err(error) => {
                let reason = error.reason.as_deref().unwrap_or("null");
                format!("an error of kind `{}`, reason {reason}: {}", error.kind, error.message)
            }
        };
        Err(Failure::new(expected, came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decodes(line: &str) -> bool {
        Answer::decode(line.as_bytes()).is_ok()
    }

    #[test]
    fn only_lines_of_the_contract_are_answers() {
        assert!(decodes(r#"{"ok":{"summary":"s","content":null,"data":{}}}"#));
        assert!(decodes(r#"{"err":{"kind":"denied","reason":null,"message":"m"}}"#));
        assert!(!decodes(r#"{"ok":{"summary":"s","data":{}}}"#), "content is missing");
        assert!(!decodes(r#"{"ok":{"summary":"s","content":null,"data":{},"more":1}}"#));
        assert!(!decodes(r#"{"err":{"kind":"denied","message":"m"}}"#), "reason is missing");
        assert!(!decodes(r#"{"err":{"kind":"Denied","reason":null,"message":"m"}}"#));
        assert!(!decodes(r#"{"err":{"kind":"denied","reason":"because","message":"m"}}"#));
        assert!(!decodes("not JSON"));
    }

    #[test]
    fn a_failure_says_what_was_expected_and_what_came() {
        let answer = Answer::decode(br#"{"err":{"kind":"denied","reason":"not-granted","message":"no"}}"#);
        let failure = answer.unwrap().says("no spawned pods").unwrap_err();
        assert_eq!(failure.expected, "the summary: no spawned pods");
        assert_eq!(failure.came, "an error of kind `denied`, reason not-granted: no");
    }
}
