//! The four tools, one module each. A tool is a function of the host and its input; it keeps nothing.

use serde::Serialize;

use crate::host::{Error, ErrorKind};

mod history;
pub(crate) mod list;
pub(crate) mod read;
pub(crate) mod send;
pub(crate) mod stop;
pub(crate) mod transcript;

/// How much is read from a pod at once, in bytes: more than a socket's buffer holds by default.
pub(crate) const PIECE_BYTES: u32 = 256 * 1024;

/// How much of what a pod says of its own faults is quoted, in characters.
const QUOTED_CHARACTERS: usize = 200;

/// The answer of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// One line.
    pub summary: String,
    /// The text that was asked for, if there is any.
    pub content: Option<String>,
    /// A small JSON document for programs; its schema is in the tool's definition.
    pub data: String,
}

impl Output {
    fn new(summary: String, content: Option<String>, data: &impl Serialize) -> Result<Self, Error> {
        let data = serde_json::to_string(data).map_err(|fault| Error {
            kind: ErrorKind::Internal,
            reason: None,
            message: format!("the answer cannot be written as JSON: {fault}"),
        })?;
        Ok(Self { summary, content, data })
    }
}
