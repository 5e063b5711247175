//! What a fake pod does: data, in the order in which it happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One thing that a fake pod does on a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Sends these bytes as they are.
    Send(Vec<u8>),
    /// Sends these bytes in pieces of that size, each a write of its own.
    Pieces(Vec<u8>, usize),
    /// Sends these bytes, and with them that many descriptors.
    WithDescriptors(Vec<u8>, usize),
    /// Sends this many bytes of `x`, and no line break.
    Flood(u64),
    /// Sends these bytes again and again, for as long as the connection stands.
    Repeat(Vec<u8>),
    /// Waits until the gate of that name is opened with [`FakePod::open_gate`](crate::FakePod::open_gate).
    Wait(String),
    /// Writes `status.json` with that state.
    Status(String),
    /// Takes no new connections from here on, as a pod that ends: its socket is removed as well.
    StopListening,
    /// Closes this connection.
    Close,
    /// Waits until the client has sent something, and closes this connection without reading it: the client
    /// sees a reset.
    Reset,
    /// Does nothing more on this connection, and keeps it open.
    Hang,
}

impl Step {
    /// Sends a JSON value and a line break.
    pub fn line(value: Value) -> Self {
        Self::Send(format!("{value}\n").into_bytes())
    }

    /// Sends a text as it is.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Send(text.into().into_bytes())
    }
}

/// How a fake pod behaves: what it does when a connection is made, and what it answers each method with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Done on each connection before anything is read.
    #[serde(default)]
    pub greeting: Vec<Step>,
    /// By method: what is done the first time it comes, the second time, …; the last one repeats. `*` stands
    /// for methods that are not named. A method without an answer gets none.
    #[serde(default)]
    pub answers: BTreeMap<String, Vec<Vec<Step>>>,
    /// How many connections may wait to be accepted before the kernel takes no more. With
    /// [`accept`](Self::accept) off, one more than this fills the backlog.
    #[serde(default = "default_backlog")]
    pub backlog: i32,
    /// Whether connections are accepted at all. Default: yes.
    #[serde(default = "default_accept")]
    pub accept: bool,
    /// As which user it listens, if not as the kit's. Needs to be root.
    #[serde(default)]
    pub user: Option<u32>,
}

fn default_backlog() -> i32 {
    128
}

fn default_accept() -> bool {
    true
}

impl Script {
    /// A pod that takes connections and answers nothing.
    pub fn new() -> Self {
        Self { backlog: default_backlog(), accept: true, ..Self::default() }
    }

    /// What it does on each connection before it reads anything.
    #[must_use]
    pub fn greeting(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.greeting.extend(steps);
        self
    }

    /// What it does when that method comes. Called again for the same method: what it does the next time.
    #[must_use]
    pub fn on(mut self, method: &str, steps: impl IntoIterator<Item = Step>) -> Self {
        self.answers.entry(method.to_owned()).or_default().push(steps.into_iter().collect());
        self
    }

    /// Listens with that backlog and accepts nothing.
    #[must_use]
    pub fn never_accepting(mut self, backlog: i32) -> Self {
        self.backlog = backlog;
        self.accept = false;
        self
    }

    /// Listens as that user. Needs to be root.
    #[must_use]
    pub fn listening_as(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// A pod that shuts down as a real one does: it says so, takes no more connections, and closes.
    #[must_use]
    pub fn stopping(self) -> Self {
        self.on("shutdown", [Step::StopListening, Step::line(event("shutdown", Value::Null)), Step::Close])
    }
}

/// An event; without `data` where that is `null`.
pub fn event(kind: &str, data: Value) -> Value {
    if data.is_null() { json!({ "event": kind }) } else { json!({ "event": kind, "data": data }) }
}

/// The event that answers `get_history`.
pub fn history(items: &[Value]) -> Value {
    let greeting = json!({
        "pod_name": "fake", "cwd": "/", "provider": "none", "model": "none", "scope_summary": "(none)", "tools": []
    });
    event("history", json!({ "items": items, "greeting": greeting }))
}

/// An assistant's message with one text.
pub fn assistant(text: &str) -> Value {
    json!({ "type": "message", "role": "assistant", "content": [{ "type": "text", "text": text }] })
}

/// A user's message with one text.
pub fn user(text: &str) -> Value {
    json!({ "type": "message", "role": "user", "content": [{ "type": "text", "text": text }] })
}
