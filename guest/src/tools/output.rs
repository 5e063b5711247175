//! The answer of a tool.

use alloc::format;
use alloc::string::String;

use serde::Serialize;

use crate::host::{Error, ErrorKind};

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
    /// An answer with `data` as JSON. Fails with `internal` where `data` cannot be written as JSON.
    pub(super) fn new(
        summary: String,
        content: Option<String>,
        data: &impl Serialize,
    ) -> Result<Self, Error> {
        let data = serde_json::to_string(data).map_err(|fault| Error {
            kind: ErrorKind::Internal,
            reason: None,
            message: format!("the answer cannot be written as JSON: {fault}"),
        })?;
        Ok(Self { summary, content, data })
    }
}
