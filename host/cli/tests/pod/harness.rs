//! A base directory of one test's own, pods in it, and clients that talk to them.
//!
//! Nothing here waits for a time to pass: pods say when they are ready, clients wait for events, and commands
//! that are to last are held by a FIFO. The time limits only keep a broken pod from hanging the tests.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A machine's worth of pods: base directory, scope lock, the operator's registry.
pub struct World {
    dir: TempDir,
}

impl World {
    pub fn new() -> World {
        World { dir: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn base(&self) -> PathBuf {
        self.path("base")
    }

    /// A directory to be held as a scope, as it is entered: with all links resolved.
    pub fn work_dir(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.path(name)).unwrap();
        self.path(name).canonicalize().unwrap()
    }

    pub fn fifo(&self, name: &str) -> Fifo {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Fifo { path }
    }

    /// A script of `sh` that can be run by its path.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// `pod-tools`, in this world.
    pub fn command(&self, base: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pod-tools"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("POD_TOOLS_") || text.starts_with("INSOMNIA_") || text == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.arg("--base-dir").arg(base).current_dir(self.dir.path());
        command
    }

    /// A pod that is ready.
    pub fn pod(&self, name: &str, options: &[&str], program: &[&str]) -> Pod {
        self.pod_at(&self.base(), name, options, program)
    }

    pub fn pod_at(&self, base: &Path, name: &str, options: &[&str], program: &[&str]) -> Pod {
        self.start(base, name, options, program).unwrap_or_else(|(_, said)| panic!("not ready: {said}"))
    }

    /// A pod that is ready, or its exit code and what it said.
    pub fn start(
        &self,
        base: &Path,
        name: &str,
        options: &[&str],
        program: &[&str],
    ) -> Result<Pod, (i32, String)> {
        self.start_by(self.command(base), base, name, options, program)
    }

    /// A pod that is ready, started by a script which is given the command line.
    #[allow(dead_code, reason = "the hostile suite needs it")]
    pub fn started_by(&self, script: &str, name: &str, options: &[&str], program: &[&str]) -> Pod {
        let direct = self.command(&self.base());
        let mut command = Command::new(script);
        command.arg(direct.get_program()).args(direct.get_args()).current_dir(self.dir.path());
        let started = self.start_by(command, &self.base(), name, options, program);
        started.unwrap_or_else(|(_, said)| panic!("not ready: {said}"))
    }

    /// A pod that is ready, of a command line that was changed.
    #[allow(dead_code, reason = "the hostile suite does without")]
    pub fn pod_by(&self, command: Command, name: &str, options: &[&str], program: &[&str]) -> Pod {
        let started = self.start_by(command, &self.base(), name, options, program);
        started.unwrap_or_else(|(_, said)| panic!("not ready: {said}"))
    }

    fn start_by(
        &self,
        mut command: Command,
        base: &Path,
        name: &str,
        options: &[&str],
        program: &[&str],
    ) -> Result<Pod, (i32, String)> {
        command.args(["pod", name]).args(options).arg("--").args(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        if said.contains("ready at") {
            return Ok(Pod { process, dir: base.join(name), ready: said, stderr: Some(stderr) });
        }
        stderr.read_to_string(&mut said).unwrap();
        let Output { status, stdout, .. } = process.wait_with_output().unwrap();
        assert_eq!(stdout, b"", "errors go to standard error");
        Err((status.code().unwrap(), said))
    }

    /// The answer of ReadPodOutput, which leaves the text to be read.
    #[allow(dead_code, reason = "the hostile suite does without")]
    pub fn peek(&self, pod: &str) -> Value {
        let mut command = self.command(&self.base());
        command.args(["call", "ReadPodOutput", &format!("name={pod}"), "--peek", "--json"]);
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    }

    /// A pod that must not start: its exit code, and what it said.
    pub fn refused(&self, name: &str, options: &[&str], program: &[&str]) -> (i32, String) {
        self.start(&self.base(), name, options, program).err().expect("it must not start")
    }

    /// The same of a command line that was changed.
    #[allow(dead_code, reason = "the hostile suite does without")]
    pub fn refused_by(
        &self,
        command: Command,
        name: &str,
        options: &[&str],
        program: &[&str],
    ) -> (i32, String) {
        let started = self.start_by(command, &self.base(), name, options, program);
        started.err().expect("it must not start")
    }

    /// The allocations of the scope lock.
    pub fn allocations(&self) -> Vec<Value> {
        let table = fs::read_to_string(self.base().join("scope.lock")).unwrap();
        if table.is_empty() {
            return Vec::new();
        }
        serde_json::from_str::<Value>(&table).unwrap()["allocations"].as_array().unwrap().clone()
    }

    /// The records of a spawner; none where it has no registry.
    pub fn records(&self, spawner: &str) -> Vec<Value> {
        match fs::read(self.base().join(spawner).join("spawned_pods.json")) {
            Ok(records) => serde_json::from_slice(&records).unwrap(),
            Err(_) => Vec::new(),
        }
    }

    /// What is left of a pod anywhere: directory, allocation, record.
    pub fn traces(&self, name: &str) -> Vec<String> {
        let mut traces = Vec::new();
        if self.base().join(name).symlink_metadata().is_ok() {
            traces.push("directory".to_owned());
        }
        let named = |list: Vec<Value>| list.iter().any(|one| one["pod_name"] == name);
        if named(self.allocations()) {
            traces.push("allocation".to_owned());
        }
        if named(self.records("pod-tools")) {
            traces.push("record".to_owned());
        }
        traces
    }
}

/// A pod's process. It is killed at the end of the test, if it is still there.
pub struct Pod {
    process: Child,
    pub dir: PathBuf,
    /// The line that says so.
    #[allow(dead_code, reason = "the hostile suite does without")]
    pub ready: String,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Pod {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    pub fn connect(&self) -> Client {
        Client::of(&self.dir)
    }

    /// How many descriptors the pod's process has.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Waits until a file is in the pod's directory.
    pub fn await_file(&self, file: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.dir.join(file).exists() {
            assert!(Instant::now() < deadline, "`{file}` is not there");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join(file)).unwrap()).unwrap()
    }

    pub fn state(&self) -> Value {
        self.json("status.json")["state"].clone()
    }

    /// Waits for the process to end by itself; its status, and what it said since it was ready.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap(), said)
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection to a pod.
pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    /// To the pod that has that directory.
    pub fn of(dir: &Path) -> Client {
        // By way of the handle, as the path may be too long for an address.
        let dir = File::open(dir).unwrap();
        let path = format!("/proc/self/fd/{}/sock", dir.as_raw_fd());
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    pub fn send(&mut self, method: &str) {
        self.write(format!("{{\"method\":\"{method}\"}}\n").as_bytes());
    }

    pub fn run(&mut self, input: &str) {
        self.write(format!("{}\n", json!({"method": "run", "params": {"input": input}})).as_bytes());
    }

    pub fn notify(&mut self, message: &str) {
        let params = json!({"source": "child", "message": message});
        self.write(format!("{}\n", json!({"method": "notify", "params": params})).as_bytes());
    }

    /// No more is going to be written.
    pub fn finish_writing(&self) {
        self.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// The next line as it is; empty at the end.
    pub fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line)
    }

    /// The next event, or `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        let line = self.line().expect("an event in time");
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    pub fn event(&mut self) -> Value {
        self.next().expect("an event, not the end")
    }

    /// All events up to the first of that kind, with it.
    pub fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = vec![self.event()];
        while events[events.len() - 1]["event"] != kind {
            events.push(self.event());
        }
        events
    }

    /// All events up to the first of either kind, with it.
    #[allow(dead_code, reason = "the hostile suite does without")]
    pub fn until_either(&mut self, one: &str, other: &str) -> Vec<Value> {
        let mut events = vec![self.event()];
        while ![one, other].contains(&events[events.len() - 1]["event"].as_str().unwrap()) {
            events.push(self.event());
        }
        events
    }

    /// The data of the first event of that kind.
    pub fn data(&mut self, kind: &str) -> Value {
        self.until(kind).pop().unwrap()["data"].clone()
    }

    /// The history, with nothing before it.
    pub fn history(&mut self) -> Value {
        self.send("get_history");
        let event = self.event();
        assert_eq!(event["event"], "history", "{event}");
        event["data"].clone()
    }
}

pub fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// The text of all deltas.
pub fn deltas(events: &[Value]) -> String {
    let deltas = events.iter().filter(|event| event["event"] == "text_delta");
    deltas.map(|event| event["data"]["text"].as_str().unwrap()).collect()
}

/// A message of a history.
pub fn message(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": "text", "text": text}]})
}

/// An assistant's message.
pub fn answer(text: &str, status: &str) -> Value {
    let mut answer = message("assistant", text);
    answer["status"] = status.into();
    answer
}

/// Why a turn failed, in a history.
pub fn failure(reason: &str) -> Value {
    json!({"type": "turn_failed", "reason": reason})
}

/// Holds a command until the test lets go: `cat` of it lasts until the writing end is closed.
pub struct Fifo {
    pub path: PathBuf,
}

impl Fifo {
    /// The writing end; waits until the command has opened the other.
    pub fn open(&self) -> File {
        OpenOptions::new().write(true).open(&self.path).unwrap()
    }

    pub fn as_str(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// Whether a process runs; one that only waits to be reaped does not.
pub fn runs(pid: &str) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !matches!(stat.rsplit(") ").next().unwrap().as_bytes()[0], b'Z' | b'X'),
        Err(_) => false,
    }
}

/// Waits for something that announces itself by no event.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
