//! The pod protocol: JSON lines, and the types on both ends of them.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// What a pod can be asked.
#[derive(Serialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub(crate) enum Method {
    Run { input: String },
    GetHistory,
    Shutdown,
}

/// What a pod sends. Every field is decoded, as by a program that knows them all.
#[derive(Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
#[expect(dead_code, reason = "decoded, as a native program does, and not looked at")]
pub(crate) enum Event {
    TurnStart { turn: u64 },
    TextDelta { text: String },
    TextDone { text: String },
    ToolCallStart { id: String, name: String },
    ToolCallArgsDelta { id: String, json: String },
    ToolCallDone { id: String, name: String, arguments: String },
    ToolResult { id: String, output: String, is_error: bool },
    Usage { input_tokens: Option<u64>, output_tokens: Option<u64> },
    TurnEnd { turn: u64, result: String },
    RunEnd { result: String },
    Error { code: ErrorCode, message: String },
    History { items: Vec<serde_json::Value>, greeting: Greeting },
    Notification { level: String, source: String, message: String, timestamp_ms: u64 },
    Shutdown,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    AlreadyRunning,
    NotRunning,
    NotPaused,
    ProviderError,
    ToolError,
    Internal,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded, as a native program does, and not looked at")]
pub(crate) struct Greeting {
    pod_name: String,
    cwd: String,
    provider: String,
    model: String,
    scope_summary: String,
    tools: Vec<String>,
}

/// An item of the history.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "decoded, as a native program does, and not looked at")]
pub(crate) enum Item {
    Message { id: Option<String>, role: Role, content: Vec<ContentPart>, status: Option<String> },
    ToolCall { call_id: String, name: String, arguments: String },
    ToolResult { call_id: String, summary: String, content: Option<String> },
    Reasoning { text: String },
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    User,
    Assistant,
    System,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ContentPart {
    Text {
        text: String,
    },
    Refusal {
        #[expect(dead_code, reason = "decoded, as a native program does, and not looked at")]
        refusal: String,
    },
}

/// Reads a line, then decodes it.
pub(crate) struct LineReader {
    lines: BufReader<OwnedReadHalf>,
    line: String,
}

impl LineReader {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Self { lines: BufReader::new(half), line: String::new() }
    }

    /// The next value; `None` at the end of the stream.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            self.line.clear();
            if self.lines.read_line(&mut self.line).await? == 0 {
                return Ok(None);
            }
            let line = self.line.trim();
            if !line.is_empty() {
                return serde_json::from_str(line).map(Some).map_err(io::Error::from);
            }
        }
    }
}

/// Writes a value as a line.
pub(crate) struct LineWriter(OwnedWriteHalf);

impl LineWriter {
    pub(crate) fn new(half: OwnedWriteHalf) -> Self {
        Self(half)
    }

    pub(crate) async fn write<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.0.write_all(&line).await?;
        self.0.flush().await
    }
}
