//! Clients by hand: JSON lines over a pipe, and HTTP requests over a socket. They wait for answers, never for a
//! time to pass; the time limits only keep a broken server from hanging the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pod_tools_conformance::Place;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cli;
use crate::log::Log;

pub const LIMIT: Duration = Duration::from_secs(120);

/// Options with which nothing but what the test does ends a call.
pub const PATIENT: [&str; 4] = ["--op-timeout", "100s", "--call-timeout", "100s"];

/// The request that begins a session.
pub fn initialize() -> Value {
    initialize_as("test")
}

/// The same by a client of that name.
pub fn initialize_as(name: &str) -> Value {
    request(
        0,
        "initialize",
        json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": name, "version": "1" },
        }),
    )
}

pub fn request(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

pub fn call(id: u64, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// A request that says itself which revision it is of, with these parameters.
pub fn newest(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, params)
}

/// The text of a tool's result.
pub fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

/// A server over standard input and output. Dropped, it is killed.
pub struct Piped {
    child: Child,
    pub stdin: Option<ChildStdin>,
    stdout: Option<std::process::ChildStdout>,
    messages: Option<Receiver<Value>>,
    /// What came while something else was waited for.
    passed: Vec<Value>,
    log: Log,
}

impl Piped {
    /// A server whose client has not said a word yet, and does not read.
    pub fn unread(place: &Place, options: &[&str]) -> Self {
        Self::run(cli::at(place, [&["mcp"], options].concat()))
    }

    /// A server for a client of that name, which works in that directory.
    pub fn start_as(name: &str, directory: &Path, place: &Place, options: &[&str]) -> Self {
        let mut command = cli::at(place, [&["mcp"], options].concat());
        command.current_dir(directory);
        let mut piped = Self::run(command);
        piped.read();
        piped.send(&initialize_as(name));
        piped.answer(0);
        piped.send(&notification("notifications/initialized", json!({})));
        piped
    }

    fn run(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let log = Log::of(child.stderr.take().unwrap());
        Self { child, stdin, stdout, messages: None, passed: Vec::new(), log }
    }

    /// The next line of the operator's log that says this.
    pub fn await_log(&self, part: &str) -> String {
        self.log.next_with(part, LIMIT)
    }

    /// A server and a client that has said who it is.
    pub fn start(place: &Place, options: &[&str]) -> Self {
        let mut piped = Self::unread(place, options);
        piped.read();
        piped.send(&initialize());
        assert_eq!(piped.answer(0)["result"]["serverInfo"]["name"], "pod-tools");
        piped.send(&notification("notifications/initialized", json!({})));
        piped
    }

    /// From now on the client reads whatever comes.
    pub fn read(&mut self) {
        let stdout = BufReader::new(self.stdout.take().unwrap());
        let (sender, messages) = channel();
        self.messages = Some(messages);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
    }

    /// Reads so many bytes, and no more.
    pub fn read_beginning(&mut self, bytes: usize) {
        self.stdout.as_mut().unwrap().read_exact(&mut vec![0; bytes]).unwrap();
    }

    pub fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).and_then(|()| stdin.flush()).unwrap();
    }

    /// The next message, whatever it is.
    pub fn receive(&mut self) -> Value {
        if !self.passed.is_empty() {
            return self.passed.remove(0);
        }
        self.messages.as_ref().unwrap().recv_timeout(LIMIT).expect("no message")
    }

    /// The next message for which `wanted` holds; the others are kept.
    pub fn await_message(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.passed.iter().position(&wanted) {
            return self.passed.remove(at);
        }
        loop {
            let message = self.messages.as_ref().unwrap().recv_timeout(LIMIT).expect("no message");
            if wanted(&message) {
                return message;
            }
            self.passed.push(message);
        }
    }

    /// The answer to the request of that id.
    pub fn answer(&mut self, id: u64) -> Value {
        self.await_message(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The code of the error that is the next message without an id.
    pub fn refusal(&mut self) -> i64 {
        let refusal = self.await_message(|message| message["id"].is_null() && message.get("error").is_some());
        refusal["error"]["code"].as_i64().unwrap()
    }

    /// Calls a tool and waits for its answer.
    pub fn ask(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.send(&call(id, tool, arguments));
        self.answer(id)
    }

    /// The most memory that the server has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        peak_memory(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        cli::signal(&self.child, signal);
    }

    /// Its exit status, once it ends.
    pub fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// A server over HTTP. Dropped, it is killed.
pub struct Served {
    child: Child,
    /// Held: what it says has somewhere to go.
    stderr: BufReader<ChildStderr>,
    pub address: String,
    /// What is behind the path of requests.
    pub query: &'static str,
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub session: Option<String>,
    head: String,
    pub body: String,
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The messages in it, events or one document.
    pub fn messages(&self) -> Vec<Value> {
        let events = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let parsed: Vec<Value> = events.filter_map(|data| serde_json::from_str(data).ok()).collect();
        if parsed.is_empty() { serde_json::from_str(&self.body).into_iter().collect() } else { parsed }
    }

    /// The answer in it.
    pub fn answer(&self) -> Value {
        self.messages()
            .into_iter()
            .find(|message| message.get("id").is_some())
            .unwrap_or_else(|| panic!("no answer: {self:?}"))
    }
}

impl Served {
    pub fn start(place: &Place, options: &[&str]) -> Self {
        let mut command = cli::at(place, [&["mcp", "--http", "0"], options].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|url| url.split('/').next());
        let address = address.unwrap_or_else(|| panic!("no URL: {line}")).to_owned();
        Self { child, stderr, address, query: "" }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// The head of a request with the headers that every client sends, and these.
    pub fn head(&self, headers: &[(&str, &str)], length: usize) -> String {
        let mut head = format!("POST /mcp{} HTTP/1.1\r\n", self.query);
        let host = headers.iter().any(|(name, _)| *name == "Host");
        if !host {
            head += &format!("Host: {}\r\n", self.address);
        }
        if !headers.iter().any(|(name, _)| *name == "Accept") {
            head += "Accept: application/json, text/event-stream\r\n";
        }
        head += "Content-Type: application/json\r\n";
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + &format!("Content-Length: {length}\r\nConnection: close\r\n\r\n")
    }

    /// Sends a request on a connection of its own and leaves the answer to be read.
    pub fn post_unread(&self, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(self.head(headers, body.len()).as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        response(self.post_unread(headers, body))
    }

    /// Sends any request on a connection of its own, and reads the answer.
    pub fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut stream = self.connect();
        let head = self.head(headers, body.len()).replacen("POST /mcp", &format!("{method} {path}"), 1);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        response(stream)
    }

    /// Begins a session, and gives its id.
    pub fn session(&self) -> Result<String, Response> {
        self.session_of("test")
    }

    /// Begins a session of a client of that name.
    pub fn session_of(&self, name: &str) -> Result<String, Response> {
        let response = self.post(&[], initialize_as(name).to_string().as_bytes());
        response.session.clone().ok_or(response)
    }

    /// Asks in a session.
    pub fn ask(&self, session: &str, message: &Value) -> Response {
        self.post(&[("Mcp-Session-Id", session)], message.to_string().as_bytes())
    }

    pub fn peak_memory(&self) -> u64 {
        peak_memory(&self.child)
    }

    /// Ends it, and gives what it has said on standard error meanwhile.
    pub fn stop(mut self) -> String {
        cli::signal(&self.child, Signal::TERM);
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a response to its end.
pub fn response(mut stream: TcpStream) -> Response {
    let mut bytes = Vec::new();
    // A server that refuses a request early may close before it has read all of it.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text}"));
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let chunked = header(head, "transfer-encoding").is_some();
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    let session = header(head, "mcp-session-id").map(str::to_owned);
    Response { status, session, head: head.to_owned(), body }
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(wanted).then_some(value)
    })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &rest[..size.min(rest.len())];
        body = rest.get(size + 2..).unwrap_or("");
    }
    whole
}
