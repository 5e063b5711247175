//! A gateway as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use pod_tools_conformance::Place;
use rustix::process::Signal;
use serde_json::Value;

use crate::cli::{Finished, at, signal};
use crate::client::Client;
use crate::log::Log;

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Longer than anything here takes, and not for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Options with which nothing but what the test does ends a session.
pub const PATIENT: [&str; 4] = ["--op-timeout", "100s", "--call-timeout", "100s"];

/// A gateway that listens. Dropped, it is killed.
pub struct Gateway {
    pub child: Child,
    /// What it said on standard output.
    pub line: Value,
    log: Log,
    _stdout: BufReader<ChildStdout>,
}

/// Writes a token into a file for its owner alone.
pub fn token_file(place: &Place, name: &str, token: &str) -> PathBuf {
    let path = place.root().join(name);
    fs::write(&path, token).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

impl Gateway {
    /// With [`TOKEN`], and a log of its sessions.
    pub fn start(place: &Place, options: &[&str]) -> Self {
        let token = token_file(place, "token", TOKEN);
        Self::run(place, &[&["--token-file", token.to_str().unwrap()], options].concat())
    }

    /// With these options and a log of its sessions, and no others.
    pub fn run(place: &Place, options: &[&str]) -> Self {
        let mut command = at(place, ["-v", "gateway"]);
        command.args(options).arg("--audit").arg(place.root().join("audit.jsonl"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, line, log, _stdout: stdout }
    }

    /// A connection on which nothing was said yet.
    pub fn connect(&self) -> Client<TcpStream> {
        self.connections()()
    }

    /// The same, on any thread.
    pub fn connections(&self) -> impl Fn() -> Client<TcpStream> + Send + Sync {
        let address = self.line["address"].as_str().unwrap().to_owned();
        move || {
            let stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            Client::of(stream)
        }
    }

    /// A session that has begun.
    pub fn session(&self) -> Client<TcpStream> {
        self.session_with(TOKEN)
    }

    pub fn session_with(&self, token: &str) -> Client<TcpStream> {
        let mut client = self.connect();
        client.begin(token).unwrap();
        client
    }

    /// Others are served as ever.
    pub fn serves(&self) {
        self.session().list().unwrap();
    }

    /// Waits until the log says this.
    pub fn await_log(&self, part: &str) -> String {
        self.log.next_with(part, PATIENCE)
    }

    /// Its exit status after a signal.
    pub fn end(&mut self, by: Signal) -> Option<i32> {
        signal(&self.child, by);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that is to end before it serves anybody.
pub fn ended(mut command: Command) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut stdout).unwrap();
    if !stdout.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    Finished { code: output.status.code(), stdout, stderr: String::from_utf8(output.stderr).unwrap() }
}

/// The lines of the audit log, each as its schema has it, once there are so many.
pub fn audited(place: &Place, lines: usize) -> Vec<Value> {
    let schema = serde_json::from_str(include_str!("../../schemas/audit-line.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let begun = std::time::Instant::now();
    loop {
        let text = fs::read_to_string(place.root().join("audit.jsonl")).unwrap_or_default();
        if text.lines().count() >= lines {
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            return lines
                .inspect(|line| schema.validate(line).unwrap_or_else(|error| panic!("{error}: {line}")))
                .collect();
        }
        assert!(begun.elapsed() < PATIENCE, "the audit log has too few lines: {text}");
        std::thread::yield_now();
    }
}
