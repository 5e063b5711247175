//! What an answer says, as JSON: what a call ended in.

use pod_tools_host::{Answer, Authority, ErrorKind, Output, Reason, Staged, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<&'a Output>,
    #[serde(skip_serializing_if = "Option::is_none")]
    err: Option<&'a ToolError>,
    /// A read cursor waits for the word that this was delivered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    staged: bool,
    /// The node's run, where the request was for another one: nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// It was the message that was refused: nothing is said of the request, which may have come in another one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    of_the_way: bool,
}

/// As it is read: from another machine, so nothing of it is believed but that the node has signed it.
#[derive(Deserialize)]
pub(crate) struct Read {
    ok: Option<ReadOutput>,
    err: Option<ReadError>,
    #[serde(default)]
    pub(crate) staged: bool,
    pub(crate) instance: Option<String>,
    #[serde(default)]
    pub(crate) of_the_way: bool,
}

#[derive(Deserialize)]
struct ReadOutput {
    summary: String,
    content: Option<String>,
    data: Box<RawValue>,
}

#[derive(Deserialize)]
struct ReadError {
    kind: String,
    reason: Option<String>,
    message: String,
}

/// What a call ended in.
pub(crate) fn of_call(outcome: Result<&Output, &ToolError>, staged: bool) -> Vec<u8> {
    let (ok, err) = (outcome.ok(), outcome.err());
    write(&Written { ok, err, staged, instance: None, of_the_way: false })
}

/// That nothing was done, and why.
pub(crate) fn of_refusal(refusal: &Refusal, instance: &str) -> Vec<u8> {
    let error = error_of(refusal);
    let instance = matches!(refusal, Refusal::Restarted).then_some(instance);
    let of_the_way = refusal.is_of_the_way();
    write(&Written { ok: None, err: Some(&error), staged: false, instance, of_the_way })
}

/// What the word of a delivery ended in.
pub(crate) fn of_delivery(error: Option<&ToolError>) -> Vec<u8> {
    write(&Written { ok: None, err: error, staged: false, instance: None, of_the_way: false })
}

fn write(written: &Written<'_>) -> Vec<u8> {
    // Texts and a JSON document: there is nothing in it that cannot be written.
    serde_json::to_vec(written).unwrap_or_default()
}

impl Read {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ToolError> {
        serde_json::from_slice(bytes).map_err(|error| {
            let message = format!(
                "the node's answer is not understood: {error}; caller and node must be of one version"
            );
            ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message)
        })
    }

    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.err.as_ref().map(|error| error.message.as_str())
    }

    /// What the word of a delivery ended in.
    pub(crate) fn delivery(self) -> Result<(), ToolError> {
        self.err.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The answer, with what is to be told to the node when it is delivered.
    pub(crate) fn answer(self, staged: Staged, authority: &Authority) -> Result<Answer, ToolError> {
        match (self.ok, self.err) {
            (Some(ok), None) => {
                let ReadOutput { summary, content, data } = ok;
                let data = String::from(Box::<str>::from(data));
                Answer::given_elsewhere((summary, content, data), 1, staged, authority)
            }
            (None, Some(error)) => Err(error.into()),
            _ => {
                let message = "the node's answer is neither a result nor an error";
                Err(ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message))
            }
        }
    }
}

impl From<ReadError> for ToolError {
    fn from(error: ReadError) -> Self {
        let kind = ErrorKind::from_word(&error.kind).unwrap_or(ErrorKind::ExecutionFailed);
        let reason = error.reason.as_deref().and_then(Reason::from_word);
        Self::new(kind, reason, error.message)
    }
}

/// A refusal as the error of a call.
pub(crate) fn error_of(refusal: &Refusal) -> ToolError {
    let (kind, reason) = match refusal {
        Refusal::UnknownCaller { .. } => (ErrorKind::Denied, Some(Reason::NotGranted)),
        Refusal::Forged { .. }
        | Refusal::Altered
        | Refusal::OtherNode { .. }
        | Refusal::OtherTool { .. }
        | Refusal::OtherCaller
        | Refusal::NonceReused => (ErrorKind::Denied, None),
        Refusal::Late { .. } => (ErrorKind::Timeout, None),
        Refusal::TooMany { .. } | Refusal::TooLong { .. } | Refusal::NoRoom { .. } => {
            (ErrorKind::Limit, None)
        }
        Refusal::Malformed(_) | Refusal::Unexpected(_) => {
            (ErrorKind::ExecutionFailed, Some(Reason::Protocol))
        }
        _ => (ErrorKind::ExecutionFailed, None),
    };
    ToolError::new(kind, reason, refusal.to_string())
}
