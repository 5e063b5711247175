//! The JSON line that answers a call: `{"ok":{…}}` or `{"err":{…}}`.

use pod_tools_host::{Answer, ToolError};
use serde::Serialize;

/// What a call ended in, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerLine<'a> {
    Ok(&'a pod_tools_host::Output),
    Err(&'a ToolError),
}

impl AnswerLine<'_> {
    /// The line, with its end.
    pub fn to_line(&self) -> serde_json::Result<String> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        Ok(line)
    }
}

impl<'a> From<&'a Result<Answer, ToolError>> for AnswerLine<'a> {
    fn from(outcome: &'a Result<Answer, ToolError>) -> Self {
        match outcome {
            Ok(answer) => Self::Ok(answer.output()),
            Err(error) => Self::Err(error),
        }
    }
}
