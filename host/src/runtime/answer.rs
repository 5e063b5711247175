//! What the plugin says, checked and in this crate's own types.

use serde::Serialize;
use serde_json::value::RawValue;

use super::data;
use crate::authority::Authority;
use crate::authority::limits::LimitReached;
use crate::call::Staged;
use crate::error::ToolError;
use crate::imports::bindings::exports::pod::tools::tools as wit;
use crate::imports::bindings::pod::tools::types;

/// What a tool answers.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Output {
    /// One line.
    pub summary: String,
    /// The text that was asked for, if there is any.
    pub content: Option<String>,
    /// A small JSON document for programs: a text of at most [`Limits::data`](crate::Limits::data) bytes on one line,
    /// nested at most 64 levels deep.
    pub data: Box<RawValue>,
}

impl Output {
    /// What the plugin answers, or so many plugins, behind what it has handed over of the content before. A limit that is reached here is the
    /// error of the call.
    pub(super) fn new(
        wit: wit::Output,
        mut handed: String,
        answers: usize,
        authority: &Authority,
    ) -> Result<Self, ToolError> {
        let limits = authority.limits();
        let most = limits.data.saturating_mul(answers);
        let content = wit.content.as_ref().map_or(0, String::len);
        authority.count_answer(wit.summary.len() + content + wit.data.len())?;
        let data = data::checked(wit.data, most)?;
        if wit.summary.len() > most {
            return Err(LimitReached::Data(most).into());
        }
        let mut content = wit.content;
        if !handed.is_empty() {
            let last = content.unwrap_or_default();
            if last.len() > limits.transfer.saturating_sub(handed.len()) {
                return Err(LimitReached::Transfer(limits.transfer).into());
            }
            handed.push_str(&last);
            content = Some(handed);
        }
        Ok(Self { summary: wit.summary, content, data })
    }
}

/// The conversation with a pod, as a document.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Document {
    /// The media type of [`text`](Self::text), as in RFC 6838.
    pub media_type: String,
    /// The document itself.
    pub text: String,
}

impl Document {
    pub(super) fn new(wit: wit::Document, authority: &Authority) -> Result<Self, ToolError> {
        authority.count_answer(wit.media_type.len() + wit.text.len())?;
        Ok(Self { media_type: wit.media_type, text: wit.text })
    }

    /// A document that was given elsewhere, as the content of an answer whose bytes are counted.
    pub fn given_elsewhere(media_type: String, text: String) -> Self {
        Self { media_type, text }
    }
}

/// An answer that has not been delivered yet. [`delivered`](Self::delivered) says that it has been; an
/// answer that is dropped instead has never been given, and the same text will be given again.
#[derive(Debug)]
pub struct Answer {
    output: Output,
    staged: Staged,
}

impl Answer {
    pub(super) fn new(output: Output, staged: Staged) -> Self {
        Self { output, staged }
    }

    /// An answer that was given elsewhere, with what is to be told there once it is delivered. Where it is put together of
    /// the answers of several, its data may have as many times the bytes.
    ///
    /// # Errors
    ///
    /// Fails where it is not what a tool may answer within these limits.
    pub fn given_elsewhere(
        (summary, content, data): (String, Option<String>, String),
        answers: usize,
        staged: Staged,
        authority: &Authority,
    ) -> Result<Self, ToolError> {
        let wit = wit::Output { summary, content, data };
        Ok(Self { output: Output::new(wit, String::new(), answers, authority)?, staged })
    }

    /// The answer itself.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The answer by value, and what is left to be stored once the caller of the tool has it.
    pub fn into_parts(self) -> (Output, Staged) {
        (self.output, self.staged)
    }

    /// To be called once the caller of the tool has the answer: stores what the call has staged.
    ///
    /// # Errors
    ///
    /// Fails where the read cursor cannot be stored; then the text will be given again by the next read.
    pub async fn delivered(self) -> Result<(), ToolError> {
        self.staged.store().await
    }
}

/// The error that a plugin answers with, if its message is as small as it must be.
pub(super) fn failure(error: types::Error, authority: &Authority) -> ToolError {
    let (limit, length) = (authority.limits().data, error.message.len());
    let counted =
        if length > limit { Err(LimitReached::Data(limit)) } else { authority.count_answer(length) };
    counted.map_or_else(Into::into, |()| error.into())
}
