//! The pod protocol, as a pod speaks it: the methods that it takes and the events that it sends, one JSON
//! object a line. Kept apart from the server so that what is on the wire can be read, and tested, alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a client can ask. Unit methods take no `params`, or `null`; `{}` is an error.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Method {
    Run {
        input: String,
    },
    Notify {
        source: String,
        message: String,
    },
    Resume,
    Cancel,
    Shutdown,
    GetHistory,
    /// Answers what the agent asks to be permitted. A method of ours: pods of other makes do not know it.
    Answer {
        id: String,
        option: Choice,
    },
    /// What the run that goes on has said so far. A method of ours, too.
    Watch,
}

/// Of the methods, those that pods of other makes do not know: what `status.json` says.
pub const OURS: [&str; 2] = ["answer", "watch"];

/// An answer to what an agent asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    Allow,
    Deny,
}

impl Method {
    /// Decodes one line. The error is the text behind `invalid method: `.
    pub fn decode(line: &[u8]) -> Result<Method, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

/// What a pod tells its clients.
#[derive(Debug, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event<'a> {
    TurnStart {
        turn: u64,
    },
    TextDelta {
        text: &'a str,
    },
    TextDone {
        text: &'a str,
    },
    ToolCallStart {
        id: &'a str,
        name: &'a str,
    },
    ToolCallDone {
        id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    ToolResult {
        id: &'a str,
        output: &'a str,
        is_error: bool,
    },
    Usage {
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
    },
    TurnEnd {
        turn: u64,
        result: RunResult,
    },
    RunEnd {
        result: RunResult,
    },
    Error {
        code: ErrorCode,
        message: &'a str,
    },
    History {
        items: &'a [Box<RawValue>],
        greeting: &'a Greeting,
        /// What is asked of a person, where something is. A member of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<&'a str>,
        /// How many bytes of text the run that goes on has said so far; not where none goes on. A member of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        streamed: Option<usize>,
    },
    /// A question was answered. An event of ours.
    Answered {
        id: &'a str,
        option: Choice,
    },
    /// What the run that goes on has said so far, the end of it, and how many bytes it was; of no run where none goes on.
    /// An event of ours.
    Watching {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        bytes: usize,
    },
    Notification {
        level: Level,
        source: Source,
        message: &'a str,
        timestamp_ms: u64,
    },
    Shutdown,
}

impl Event<'_> {
    /// The line, newline included, in a form that any number of clients can share.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut line = serde_json::to_vec(self).expect("an event holds only strings, numbers and JSON");
        line.push(b'\n');
        line.into()
    }
}

/// How a run, or a turn of it, ended. A run here has one turn; while a person is asked it goes on.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    Finished,
    LimitReached,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    AlreadyRunning,
    NotRunning,
    NotPaused,
    ProviderError,
    Internal,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Warn,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Pod,
}

/// What a pod says of itself beside its history.
#[derive(Debug, Serialize)]
pub struct Greeting {
    pub pod_name: String,
    pub cwd: String,
    pub provider: &'static str,
    pub model: String,
    pub scope_summary: String,
    pub tools: [&'static str; 0],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_methods_take_no_params_or_null_but_not_an_object() {
        assert_eq!(Method::decode(br#"{"method":"shutdown"}"#), Ok(Method::Shutdown));
        assert_eq!(Method::decode(br#"{"method":"get_history","params":null}"#), Ok(Method::GetHistory));
        assert!(Method::decode(br#"{"method":"cancel","params":{}}"#).is_err());
    }

    #[test]
    fn a_method_is_decoded_whatever_the_order_of_its_keys_and_with_a_carriage_return() {
        let run = Method::Run { input: "hello".into() };
        assert_eq!(Method::decode(b"{\"params\":{\"input\":\"hello\"},\"method\":\"run\"}\r"), Ok(run));
    }

    #[test]
    fn what_is_no_method_is_refused_with_a_reason() {
        let unknown = Method::decode(br#"{"method":"dance"}"#).unwrap_err();
        assert!(unknown.contains("dance"), "{unknown}");
        assert!(Method::decode(br#"{"method":"run"}"#).unwrap_err().contains("params"));
        assert!(Method::decode(b"\xff").is_err());
        assert!(Method::decode(b"{").is_err());
    }

    #[test]
    fn events_look_as_clients_expect_them() {
        let text = |event: Event| String::from_utf8(event.encode().to_vec()).unwrap();
        assert_eq!(text(Event::TurnStart { turn: 0 }), "{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n");
        assert_eq!(text(Event::Shutdown), "{\"event\":\"shutdown\"}\n");
        assert_eq!(
            text(Event::Usage { input_tokens: None, output_tokens: None }),
            "{\"event\":\"usage\",\"data\":{\"input_tokens\":null,\"output_tokens\":null}}\n"
        );
        assert_eq!(
            text(Event::RunEnd { result: RunResult::Finished }),
            "{\"event\":\"run_end\",\"data\":{\"result\":\"finished\"}}\n"
        );
        assert_eq!(
            text(Event::Error { code: ErrorCode::AlreadyRunning, message: "m" }),
            "{\"event\":\"error\",\"data\":{\"code\":\"already_running\",\"message\":\"m\"}}\n"
        );
    }
}
