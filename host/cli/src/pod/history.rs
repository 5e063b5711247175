//! The conversation of a pod: the messages so far, each encoded once, and the lines and files made of them.
//!
//! It changes only when a run ends: what clients and `history.json` show is always a whole number of runs. It is bounded:
//! where it becomes too long, the oldest runs are dropped, which is said in their place. To a reader that is what
//! compaction is: the history no longer begins with what was read, and is given from its start.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::outbox::OutLine;
use super::protocol::{Event, Greeting};
use super::turn_item::TurnItem;

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

/// What an agent asked to be permitted, and what it was answered: an item of a type of ours, too.
#[derive(Serialize)]
struct Permission<'a> {
    r#type: &'static str,
    question: &'a str,
    answer: &'static str,
    by: &'static str,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    r#type: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    r#type: &'static str,
    call_id: &'a str,
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct ToolResult<'a> {
    r#type: &'static str,
    call_id: &'a str,
    summary: &'a str,
    content: &'a str,
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
    items: VecDeque<Box<RawValue>>,
    /// How many items each run has.
    runs: VecDeque<usize>,
    /// Of the items.
    bytes: usize,
    /// How many bytes may be kept.
    most: usize,
    /// How many runs were dropped; an item in front says so where there are any.
    dropped: u64,
    /// What is asked of a person now.
    asked: Option<String>,
    /// For how much that a run has said so far.
    line: Option<(Option<usize>, OutLine)>,
}

impl History {
    /// An empty one, which keeps so many bytes, and the last run in any case.
    pub fn new(greeting: Greeting, most: usize) -> History {
        let (items, runs) = (VecDeque::new(), VecDeque::new());
        History { greeting, items, runs, bytes: 0, most, dropped: 0, asked: None, line: None }
    }

    /// Adds what a run was asked, what it answered, and why it failed if it did. One that failed without an answer
    /// has none.
    pub fn add_run(&mut self, input: &str, answer: &[TurnItem], failure: Option<&str>) {
        let before = self.items.len();
        self.push("user", input, None);
        let is_text = |item: &TurnItem| matches!(item, TurnItem::Text(_));
        let last_text = answer.iter().rposition(is_text);
        for (index, item) in answer.iter().enumerate() {
            let is_broken_off = failure.is_some() && last_text == Some(index);
            self.keep(encoded(item, is_broken_off));
        }
        if failure.is_none() && last_text.is_none() {
            self.push("assistant", "", Some(MessageStatus::Completed));
        }
        if let Some(reason) = failure {
            let item = TurnFailed { r#type: "turn_failed", reason };
            self.keep(to_raw_value(&item).expect("a failure holds only strings"));
        }
        self.runs.push_back(self.items.len() - before);
        if self.bytes > self.most {
            self.drop_oldest();
        }
        self.line = None;
    }

    /// Begins with what an agent remembers of a conversation that is gone on with.
    pub fn recall(&mut self, messages: &[Recalled]) {
        let before = self.items.len();
        for recalled in messages {
            match recalled {
                Recalled::Asked(text) => self.push("user", text, None),
                Recalled::Answered(item) => self.keep(encoded(item, false)),
            }
        }
        if self.items.len() > before {
            self.runs.push_back(self.items.len() - before);
        }
        self.line = None;
    }

    /// What is asked of a person from now on.
    pub fn ask(&mut self, asked: Option<String>) {
        self.asked = asked;
        self.line = None;
    }

    /// What is asked of a person now.
    pub fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// Drops the oldest runs until half of what may be kept is left: were it less that is dropped, all readers would be
    /// given all again after each run.
    fn drop_oldest(&mut self) {
        if self.dropped > 0 {
            self.forget(1);
        }
        while self.bytes > self.most / 2 && self.runs.len() > 1 {
            let items = self.runs.pop_front().unwrap_or(0);
            self.forget(items);
            self.dropped += 1;
        }
        if self.dropped > 0 {
            let text = format!("[the pod keeps no more: its {} oldest turn(s) were dropped]", self.dropped);
            let notice = message("assistant", &text, None);
            self.bytes += notice.get().len();
            self.items.push_front(notice);
        }
    }

    fn forget(&mut self, items: usize) {
        self.bytes -= self.items.drain(..items).map(|item| item.get().len()).sum::<usize>();
    }

    fn keep(&mut self, item: Box<RawValue>) {
        self.bytes += item.get().len();
        self.items.push_back(item);
    }

    fn push(&mut self, role: &'static str, text: &str, status: Option<MessageStatus>) {
        self.keep(message(role, text, status));
    }

    /// The `history` event; of a run that goes on, with how much it has said so far.
    pub fn line(&mut self, streamed: Option<usize>) -> OutLine {
        if self.line.as_ref().is_none_or(|(of, _)| *of != streamed) {
            let items = &*self.items.make_contiguous();
            let (greeting, asked) = (&self.greeting, self.asked.as_deref());
            let event = Event::History { items, greeting, asked, streamed };
            self.line = Some((streamed, OutLine::shared(event.encode())));
        }
        self.line.as_ref().expect("it was just made").1.clone()
    }

    /// The contents of `history.json`: the array of the items.
    pub fn file(&self) -> Vec<u8> {
        serde_json::to_vec(&self.items).expect("the items are JSON")
    }
}

/// What an agent remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// What it was told.
    Asked(String),
    /// What it did.
    Answered(TurnItem),
}

fn encoded(item: &TurnItem, is_broken_off: bool) -> Box<RawValue> {
    let status = if is_broken_off { MessageStatus::Incomplete } else { MessageStatus::Completed };
    let encoded = match item {
        TurnItem::Text(text) => return message("assistant", text, Some(status)),
        TurnItem::Notice(text) => return message("assistant", text, Some(MessageStatus::Completed)),
        TurnItem::Thought(text) => to_raw_value(&Reasoning { r#type: "reasoning", text }),
        TurnItem::ToolCall { id, name, arguments } => {
            to_raw_value(&ToolCall { r#type: "tool_call", call_id: id, name, arguments })
        }
        TurnItem::ToolResult { id, summary, output } => {
            to_raw_value(&ToolResult { r#type: "tool_result", call_id: id, summary, content: output })
        }
        TurnItem::Permission { question, answer, by } => {
            to_raw_value(&Permission { r#type: "permission", question, answer, by })
        }
    };
    encoded.expect("an item holds only strings")
}

fn message(role: &'static str, text: &str, status: Option<MessageStatus>) -> Box<RawValue> {
    let message = Message { r#type: "message", role, content: [TextPart { r#type: "text", text }], status };
    to_raw_value(&message).expect("a message holds only strings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        bounded(1 << 20)
    }

    fn said(text: &str) -> [TurnItem; 1] {
        [TurnItem::Text(text.into())]
    }

    fn bounded(most: usize) -> History {
        let greeting = Greeting {
            pod_name: "p".into(),
            cwd: "/".into(),
            provider: "command",
            model: "cat".into(),
            scope_summary: "(none)".into(),
            tools: [],
        };
        History::new(greeting, most)
    }

    #[test]
    fn the_oldest_turns_go_and_it_is_said_and_the_last_one_stays() {
        let mut history = bounded(4000);
        for number in 0..100 {
            history.add_run(&format!("question {number}"), &said(&"x".repeat(100)), None);
            assert!(history.file().len() < 4300, "{} bytes", history.file().len());
        }
        let file = String::from_utf8(history.file()).unwrap();
        assert!(file.contains("oldest turn(s) were dropped]") && file.contains("question 99"), "{file}");
        assert_eq!(file.matches("were dropped").count(), 1);
        let kept = file.matches("question").count() as u64;
        assert!(file.contains(&format!("its {} oldest", 100 - kept)), "{kept}: {file}");
        history.add_run("large", &said(&"y".repeat(9000)), None);
        let file = String::from_utf8(history.file()).unwrap();
        assert!(
            file.contains("yyy") && !file.contains("question") && file.contains("its 100 oldest"),
            "{file}"
        );
    }

    #[test]
    fn an_empty_history_is_an_empty_array() {
        assert_eq!(history().file(), b"[]");
    }

    #[test]
    fn a_run_adds_the_question_the_answer_and_why_it_failed() {
        let mut history = history();
        history.add_run("hi", &said("ho"), Some("exit status 3"));
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
    fn what_an_agent_did_stands_in_its_order_and_only_its_last_text_is_broken_off() {
        let mut history = history();
        let items = [
            TurnItem::Text("a".into()),
            TurnItem::ToolCall { id: "1".into(), name: "read".into(), arguments: "{}".into() },
            TurnItem::ToolResult { id: "1".into(), summary: "s".into(), output: "o".into() },
            TurnItem::Text("b".into()),
            TurnItem::Thought("t".into()),
        ];
        history.add_run("hi", &items, Some("cancelled"));
        let file: serde_json::Value = serde_json::from_slice(&history.file()).unwrap();
        let kinds: Vec<&str> =
            file.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            ["message", "message", "tool_call", "tool_result", "message", "reasoning", "turn_failed"]
        );
        assert_eq!((&file[1]["status"], &file[4]["status"]), (&"completed".into(), &"incomplete".into()));
        assert_eq!(file[3]["content"], "o");
    }

    #[test]
    fn what_is_asked_stands_in_the_event_as_long_as_it_is() {
        let mut history = history();
        let text = |history: &mut History| String::from_utf8(history.line(None).bytes().to_vec()).unwrap();
        history.ask(Some("1: edit".into()));
        assert!(text(&mut history).contains(r#""asked":"1: edit""#));
        history.ask(None);
        assert!(!text(&mut history).contains("asked"));
    }

    #[test]
    fn the_event_follows_every_change() {
        let mut history = history();
        let before = history.line(None);
        assert!(std::ptr::eq(before.bytes(), history.line(None).bytes()), "encoded once");
        history.add_run("hi", &[], Some("cancelled"));
        let after = String::from_utf8(history.line(None).bytes().to_vec()).unwrap();
        assert!(after.contains(r#""text":"hi""#) && after.ends_with("}\n"), "{after}");
    }
}
