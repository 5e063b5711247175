//! `pod-tools` as a process: run to its end, or talked to line by line; and what it has left on disk.
//!
//! Each test binary takes this file as a module of its own, and none of them needs all of it.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use pod_tools_conformance::{FakePod, Place, Script};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The binary under test, with nothing of this process's environment but the path, and compiled code kept
/// where all tests find it.
pub fn bare() -> Command {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    let cache = CACHE.get_or_init(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pod-tools"));
    command.env_clear().env("XDG_CACHE_HOME", cache).stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Whether the system has a runtime directory for this user: where nothing else is said, pods are there.
pub fn user_has_runtime_directory() -> bool {
    Path::new("/run/user").join(rustix::process::geteuid().as_raw().to_string()).is_dir()
}

/// The binary with those arguments, led to a place.
pub fn at<S: AsRef<OsStr>>(place: &Place, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = bare();
    command.args(arguments).args(place.options());
    command
}

/// What a process has said and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Its standard output as one JSON line.
    pub fn line(&self) -> Value {
        assert_eq!(self.stdout.matches('\n').count(), 1, "not one line: {self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer of a `--json` call that went well.
    pub fn ok(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        let ok = self.line()["ok"].take();
        assert!(ok.is_object(), "{self:?}");
        ok
    }

    /// The error of a `--json` call that failed.
    pub fn err(&self) -> Refusal {
        assert_eq!(self.code, Some(1), "{self:?}");
        let error = self.line()["err"].take();
        Refusal::of(&error)
    }
}

/// An error as it stands in a JSON line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: String,
    /// Empty for none.
    pub reason: String,
    pub message: String,
}

impl Refusal {
    /// Reads it, and sees to it that it has its three members and no other.
    pub fn of(error: &Value) -> Self {
        let members: Vec<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["kind", "reason", "message"]);
        assert!(error["reason"].is_null() || error["reason"].is_string());
        let word = |member: &str| error[member].as_str().unwrap_or("").to_owned();
        Self { kind: word("kind"), reason: word("reason"), message: word("message") }
    }

    /// Its kind and its reason, for comparisons.
    pub fn words(&self) -> (&str, &str) {
        (&self.kind, &self.reason)
    }
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Finished {
    let output = command.output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `pod-tools call TOOL INPUT --json` at a place, with further options.
pub fn call_with(place: &Place, tool: &str, input: &str, options: &[&str]) -> Finished {
    run(at(place, [&["call", tool, input, "--json"], options].concat()))
}

/// The same without further options, and its input as a value.
pub fn call(place: &Place, tool: &str, input: &Value) -> Finished {
    call_with(place, tool, &input.to_string(), &[])
}

/// Calls, and sees to it that nothing at the place has changed by that.
pub fn call_changes_nothing(place: &Place, tool: &str, input: &str, options: &[&str]) -> Finished {
    let before = snapshot(place.root());
    let outcome = call_with(place, tool, input, options);
    assert_eq!(snapshot(place.root()), before, "{tool} {input} has changed something: {outcome:?}");
    outcome
}

/// The tools that take a pod's name, each with an input for the pod of that name.
pub fn tools_on(name: &str) -> [(&'static str, String); 3] {
    [
        ("SendToPod", json!({"name": name, "message": "hello"}).to_string()),
        ("ReadPodOutput", json!({"name": name}).to_string()),
        ("StopPod", json!({"name": name}).to_string()),
    ]
}

/// A place where one pod, `child`, has a record and an allocation of a living process.
pub fn place_with(script: Script) -> (Place, FakePod) {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", script).unwrap();
    place.write_table(&[place.native_allocation("child", i64::from(std::process::id()))]).unwrap();
    (place, pod)
}

/// A running `pod-tools call --batch`. Dropped, it is killed.
#[derive(Debug)]
pub struct Batch {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Batch {
    pub fn start<S: AsRef<OsStr>>(place: &Place, options: impl IntoIterator<Item = S>) -> Self {
        let mut command = at(place, ["call", "--batch"]);
        command.args(options);
        Self::spawn(command)
    }

    /// Starts one that is put together otherwise.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Waits for the next line.
    pub fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "no answer: {line:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// Sends one call and waits for its answer.
    pub fn ask(&mut self, tool: &str, input: Value) -> Value {
        self.send(format!("{}\n", json!({ "tool": tool, "input": input })).as_bytes());
        self.receive()
    }

    /// Ends its input, and gives what it still says and its exit status.
    pub fn finish(mut self) -> (String, Option<i32>) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }

    /// Its exit status, once it ends although its input goes on.
    pub fn code_without_closing(mut self) -> Option<i32> {
        let stdin = self.stdin.take();
        let code = self.child.wait().unwrap().code();
        drop(stdin);
        code
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn interrupt(&self) {
        signal(&self.child, Signal::INT);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child that has not been waited for.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A pod run by `pod-tools pod`, in a process of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct RealPod {
    pub child: Child,
    pub socket: PathBuf,
}

impl RealPod {
    /// Starts a pod around a command, and waits until it says that it is ready.
    pub fn start(place: &Place, name: &str, options: &[&str], command: &[&str]) -> Self {
        let arguments: Vec<OsString> = [&["pod", name], options].concat().iter().map(Into::into).collect();
        let mut pod = at(place, arguments);
        let mut child = pod.arg("--").args(command).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("ready at"), "pod `{name}` does not start: {line}");
        // What else it says has a reader until it ends.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, socket: place.socket(name) }
    }
}

impl Drop for RealPod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything beneath a directory: what each entry is, and the bytes of files.
pub fn snapshot(directory: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let entry = if kind.is_symlink() {
                Entry::Link(fs::read_link(&path).unwrap())
            } else if kind.is_dir() {
                left.push(path.clone());
                Entry::Directory
            } else if kind.is_socket() {
                Entry::Socket
            } else {
                Entry::File(String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned())
            };
            found.insert(path, entry);
        }
    }
    found
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Directory,
    File(String),
    Link(PathBuf),
    Socket,
}
