//! An agent of the Agent Client Protocol that does what it is told: by its argument how it starts, by each message what it
//! does in that turn, well or badly. It is written against the protocol's pages, and shares nothing with the pod.

use std::collections::BTreeMap;
use std::io::{BufRead, StdinLock, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let start = arguments.first().map_or("", String::as_str).to_owned();
    let memory = arguments.get(1).cloned();
    begin_badly(&start);
    let mut agent = Agent {
        start,
        memory,
        stdin: std::io::stdin().lock(),
        sessions: BTreeMap::new(),
        asked: 0,
        is_cancelled: false,
    };
    while let Some(message) = agent.next() {
        agent.serve(&message);
    }
}

/// What is wrong before anything is asked.
fn begin_badly(start: &str) {
    match start {
        "dies" => {
            eprintln!("no key was given");
            std::process::exit(3);
        }
        "garbage" => say("Welcome to the agent!"),
        "floods" => loop {
            say(&json!({"jsonrpc": "2.0", "method": "hello", "params": "x".repeat(1000)}).to_string());
        },
        "long-line" => {
            let piece = "x".repeat(1 << 20);
            for _ in 0..32 {
                if write!(std::io::stdout(), "{piece}").is_err() {
                    break;
                }
            }
            wait_for_ever()
        }
        "silent" => {
            eprintln!("loading the model");
            wait_for_ever()
        }
        _ => {}
    }
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Writes a line; where nobody reads it, this ends.
fn say(line: &str) {
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

struct Agent {
    start: String,
    /// A directory in which sessions are kept.
    memory: Option<String>,
    stdin: StdinLock<'static>,
    /// What was asked in each session.
    sessions: BTreeMap<String, Vec<String>>,
    /// How many requests were sent.
    asked: u64,
    is_cancelled: bool,
}

impl Agent {
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stdin.read_line(&mut line) {
            Ok(1..) => Some(serde_json::from_str(&line).expect("the client sends JSON")),
            _ => None,
        }
    }

    fn answer(id: &Value, result: &Value) {
        say(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    }

    fn fail(id: &Value, message: &str) {
        say(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": message}}).to_string());
    }

    fn serve(&mut self, message: &Value) {
        let (id, params) = (&message["id"], &message["params"]);
        match message["method"].as_str().unwrap_or("") {
            "initialize" => self.initialize(id),
            "session/new" if self.start == "wants-login" => Agent::fail(id, "Authentication required"),
            "session/new" => {
                let session = format!("s{}-{}", std::process::id(), self.sessions.len());
                self.sessions.insert(session.clone(), Vec::new());
                self.keep(&session);
                Agent::answer(id, &json!({"sessionId": session}));
            }
            "session/load" => self.load(id, params),
            "session/prompt" => {
                let session = params["sessionId"].as_str().unwrap_or("").to_owned();
                let text = params["prompt"][0]["text"].as_str().unwrap_or("").to_owned();
                self.sessions.entry(session.clone()).or_default().push(text.clone());
                self.keep(&session);
                self.is_cancelled = false;
                self.turn(id, &session, &text);
            }
            _ => {}
        }
    }

    fn initialize(&self, id: &Value) {
        let version = if self.start == "speaks-2" { 2 } else { 1 };
        let can_load = self.memory.is_some();
        let methods =
            if self.start == "wants-login" { json!([{"id": "k", "name": "A key"}]) } else { json!([]) };
        if self.start == "refuses" {
            return Agent::fail(id, "not today");
        }
        Agent::answer(
            id,
            &json!({
                "protocolVersion": version,
                "agentCapabilities": {"loadSession": can_load},
                "agentInfo": {"name": "scripted", "version": "1"},
                "authMethods": methods,
            }),
        );
    }

    fn keep(&self, session: &str) {
        if let (Some(memory), Some(asked)) = (&self.memory, self.sessions.get(session)) {
            std::fs::write(format!("{memory}/{session}"), asked.join("\n"))
                .expect("the memory can be written");
        }
    }

    fn load(&mut self, id: &Value, params: &Value) {
        let session = params["sessionId"].as_str().unwrap_or("").to_owned();
        let memory = self.memory.clone().unwrap_or_default();
        let Ok(kept) = std::fs::read_to_string(format!("{memory}/{session}")) else {
            return Agent::fail(id, "no such session");
        };
        let asked: Vec<String> = kept.lines().map(str::to_owned).collect();
        for text in &asked {
            self.update(&session, "user_message_chunk", text);
            self.update(&session, "agent_message_chunk", &format!("(answered {text})"));
        }
        self.sessions.insert(session, asked);
        Agent::answer(id, &Value::Null);
    }

    fn update(&self, session: &str, kind: &str, text: &str) {
        self.tell(session, json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}}));
    }

    fn tell(&self, session: &str, update: Value) {
        let params = json!({"sessionId": session, "update": update});
        say(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}).to_string());
    }

    /// Asks the client, and waits for the answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = json!(format!("a{}", self.asked));
        say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        loop {
            let Some(message) = self.next() else { std::process::exit(0) };
            if message["method"] == "session/cancel" {
                self.is_cancelled = true;
            } else if message["id"] == id {
                return message;
            }
        }
    }

    fn turn(&mut self, id: &Value, session: &str, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut result = json!({"stopReason": "end_turn"});
        match word {
            "say" => self.update(session, "agent_message_chunk", rest),
            "think" => {
                self.update(session, "agent_thought_chunk", "hm");
                self.update(session, "agent_message_chunk", "so");
            }
            "tool" => self.call_a_tool(session),
            "usage" => result["usage"] = json!({"totalTokens": 9, "inputTokens": 7, "outputTokens": 2}),
            "stop" => result["stopReason"] = json!(rest),
            "fail" => return Agent::fail(id, "the model is overloaded"),
            "die" => {
                self.update(session, "agent_message_chunk", "half");
                eprintln!("out of memory");
                std::process::exit(rest.parse().unwrap_or(1));
            }
            "garbage" => {
                say("Traceback (most recent call last):");
                wait_for_ever()
            }
            "flood" => loop {
                self.update(session, "agent_message_chunk", &"x".repeat(1000));
            },
            "flood-errors" => loop {
                eprintln!("{}", "x".repeat(1000));
            },
            "read" => {
                let answer = self.ask("fs/read_text_file", json!({"sessionId": session, "path": rest}));
                self.show(session, &answer, "content");
            }
            "write" => {
                let (path, content) = rest.split_once(' ').unwrap_or((rest, ""));
                let params = json!({"sessionId": session, "path": path, "content": content});
                let answer = self.ask("fs/write_text_file", params);
                self.show(session, &answer, "content");
            }
            "terminal" => {
                let answer = self.ask("terminal/create", json!({"sessionId": session, "command": "id"}));
                self.show(session, &answer, "terminalId");
            }
            "permit" => {
                let (kind, path) = rest.split_once(' ').unwrap_or((rest, ""));
                let outcome = self.ask_permission(session, kind, path);
                self.update(session, "agent_message_chunk", &outcome);
            }
            "permit-for-ever" => loop {
                self.ask_permission(session, "edit", "/nowhere");
            },
            "count" => {
                let count = self.sessions[session].len().to_string();
                self.update(session, "agent_message_chunk", &count);
            }
            "variable" => {
                let value = std::env::var(rest).unwrap_or_default();
                self.update(session, "agent_message_chunk", &value);
            }
            "leave" => {
                let mut command = Command::new("setsid");
                #[expect(clippy::zombie_processes, reason = "it is left behind")]
                let left = command.args(["sleep", "1000"]).stdin(Stdio::null()).spawn().expect("it starts");
                self.update(session, "agent_message_chunk", &left.id().to_string());
            }
            "wait" => {
                self.update(session, "agent_message_chunk", "waiting");
                while !self.is_cancelled {
                    match self.next() {
                        Some(message) => self.is_cancelled = message["method"] == "session/cancel",
                        None => return,
                    }
                }
            }
            "deaf" => {
                self.update(session, "agent_message_chunk", "deaf");
                wait_for_ever()
            }
            _ => self.update(session, "agent_message_chunk", "what?"),
        }
        if self.is_cancelled {
            result["stopReason"] = json!("cancelled");
        }
        Agent::answer(id, &result);
    }

    fn show(&self, session: &str, answer: &Value, member: &str) {
        let text =
            answer["error"]["message"].as_str().or(answer["result"][member].as_str()).unwrap_or("done");
        self.update(session, "agent_message_chunk", text);
    }

    fn call_a_tool(&self, session: &str) {
        self.tell(
            session,
            json!({"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "Look", "name": "look", "kind": "read",
                   "status": "in_progress", "rawInput": {"at": "x"}}),
        );
        let content = json!([{"type": "content", "content": {"type": "text", "text": "seen"}}]);
        self.tell(
            session,
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c1", "status": "completed", "content": content}),
        );
        self.update(session, "agent_message_chunk", "looked");
    }

    /// What was chosen.
    fn ask_permission(&mut self, session: &str, kind: &str, path: &str) -> String {
        let options = json!([
            {"optionId": "always", "name": "Always", "kind": "allow_always"},
            {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
            {"optionId": "no", "name": "No", "kind": "reject_once"},
        ]);
        let locations = if path.is_empty() { json!([]) } else { json!([{"path": path}]) };
        let call = json!({"toolCallId": "p1", "title": "Do it", "kind": kind, "locations": locations});
        let params = json!({"sessionId": session, "toolCall": call, "options": options});
        let answer = self.ask("session/request_permission", params);
        let outcome = &answer["result"]["outcome"];
        let chosen = outcome["optionId"].as_str().or(outcome["outcome"].as_str());
        chosen.unwrap_or("nothing").to_owned()
    }
}
