//! The conversation of a pod: the messages so far, each encoded once, and the lines and files made of them.
//!
//! It changes only when a run ends: what clients and `history.json` show is always a whole number of runs.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::protocol::{Event, Greeting};

/// How far a message got.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum MessageStatus {
    Completed,
    Incomplete,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    role: &'static str,
    content: [TextPart<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<MessageStatus>,
}

/// Why a turn failed: an item of a type of ours, which readers that do not know it skip, alone. It stands behind
/// the messages of its turn.
#[derive(Serialize)]
struct TurnFailed<'a> {
    r#type: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct TextPart<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// All messages, and the `history` event, encoded when it is first asked for and shared until the next change.
#[derive(Debug)]
pub struct History {
    greeting: Greeting,
    items: Vec<Box<RawValue>>,
    line: Option<Arc<[u8]>>,
}

impl History {
    pub fn new(greeting: Greeting) -> History {
        History { greeting, items: Vec::new(), line: None }
    }

    /// Adds what a run was asked, what it answered, and why it failed if it did. One that failed without an answer
    /// has none.
    pub fn add_run(&mut self, input: &str, answer: &str, failure: Option<&str>) {
        self.push("user", input, None);
        match failure {
            None => self.push("assistant", answer, Some(MessageStatus::Completed)),
            Some(_) if answer.is_empty() => {}
            Some(_) => self.push("assistant", answer, Some(MessageStatus::Incomplete)),
        }
        if let Some(reason) = failure {
            let item = TurnFailed { r#type: "turn_failed", reason };
            self.items.push(to_raw_value(&item).expect("a failure holds only strings"));
        }
        self.line = None;
    }

    fn push(&mut self, role: &'static str, text: &str, status: Option<MessageStatus>) {
        let message =
            Message { r#type: "message", role, content: [TextPart { r#type: "text", text }], status };
        self.items.push(to_raw_value(&message).expect("a message holds only strings"));
    }

    /// The `history` event.
    pub fn line(&mut self) -> Arc<[u8]> {
        let event = || Event::History { items: &self.items, greeting: &self.greeting }.encode();
        self.line.get_or_insert_with(event).clone()
    }

    /// The contents of `history.json`: the array of the items.
    pub fn file(&self) -> Vec<u8> {
        serde_json::to_vec(&self.items).expect("the items are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        History::new(Greeting {
            pod_name: "p".into(),
            cwd: "/".into(),
            provider: "command",
            model: "cat".into(),
            scope_summary: "(none)".into(),
            tools: [],
        })
    }

    #[test]
    fn an_empty_history_is_an_empty_array() {
        assert_eq!(history().file(), b"[]");
    }

    #[test]
    fn a_run_adds_the_question_the_answer_and_why_it_failed() {
        let mut history = history();
        history.add_run("hi", "ho", Some("exit status 3"));
        let file = String::from_utf8(history.file()).unwrap();
        assert_eq!(
            file,
            concat!(
                r#"[{"type":"message","role":"user","content":[{"type":"text","text":"hi"}]},"#,
                r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ho"}],"#,
                r#""status":"incomplete"},{"type":"turn_failed","reason":"exit status 3"}]"#
            )
        );
    }

    #[test]
    fn the_event_follows_every_change() {
        let mut history = history();
        let before = history.line();
        assert!(Arc::ptr_eq(&before, &history.line()), "encoded once");
        history.add_run("hi", "", Some("cancelled"));
        let after = String::from_utf8(history.line().to_vec()).unwrap();
        assert!(after.contains(r#""text":"hi""#) && after.ends_with("}\n"), "{after}");
    }
}
