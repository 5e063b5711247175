//! The host under test: a process that takes a JSON line and answers with one.
//!
//! Whatever it does, the kit goes on: an answer that does not come within the limit is a failure, and the
//! process group is killed.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::failure::Failure;
use crate::transcript::Transcript;

/// How long a host may take for one answer, unless the run says otherwise: so long that only one that would
/// never answer misses it.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The longest answer that is read.
const LONGEST_ANSWER: u64 = 1 << 30;

/// How a host is started: a command line, complete but for the host options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    program: OsString,
    args: Vec<OsString>,
}

impl HostCommand {
    /// A program and its arguments.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// The program and its arguments, for reports.
    pub fn words(&self) -> Vec<String> {
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// The same command, run by another one: `strace -o FILE`, say, or `sh -c 'ulimit -n 64; exec "$@"' sh`.
    #[must_use]
    pub fn run_by<A: Into<OsString>>(&self, words: impl IntoIterator<Item = A>) -> Self {
        let mut words = words.into_iter().map(Into::into);
        let Some(program) = words.next() else { return self.clone() };
        let rest = std::iter::once(self.program.clone()).chain(self.args.iter().cloned());
        Self { program, args: words.chain(rest).collect() }
    }

    /// What `pod-tools` takes from its environment is taken away, and a host that does not heed its options
    /// must not find the pods of whoever runs the kit.
    fn command(&self, options: &[OsString], elsewhere: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).args(options).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POD_TOOLS_") || name == "INSOMNIA_SCOPE_LOCK" {
                command.env_remove(name);
            }
        }
        command.env("XDG_RUNTIME_DIR", elsewhere);
        command
    }
}

/// Who hears what a host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// The kit.
    Kit,
    /// Nobody: the other end of its standard output is closed.
    Nobody,
}

/// A running host process. Dropped, it is killed, with all processes of its group.
#[derive(Debug)]
pub struct Host {
    name: String,
    child: Child,
    requests: Option<Sender<Vec<u8>>>,
    answers: Receiver<io::Result<Vec<u8>>>,
    ended: Receiver<()>,
    stderr_ended: Receiver<()>,
    limit: Duration,
    transcript: Transcript,
}

impl Host {
    /// Starts `command` with `options` behind it. `name` is what the transcript calls it, `limit` how long it
    /// may take for an answer, `elsewhere` a directory in which it finds nothing.
    pub(crate) fn start(
        command: &HostCommand,
        options: &[OsString],
        name: String,
        limit: Duration,
        elsewhere: &Path,
        transcript: &Transcript,
        hearing: Hearing,
    ) -> Result<Self, Failure> {
        let transcript = transcript.clone();
        transcript.add(&name, "starts with", options.join(OsStr::new(" ")).as_encoded_bytes());
        let mut process = command.command(options, elsewhere);
        if hearing == Hearing::Nobody {
            let (_closed, stdout) = io::pipe()?;
            process.stdout(stdout);
        }
        let mut child = process.spawn().map_err(|error| {
            Failure::new(format!("`{}` to start", command.words().join(" ")), format!("an error: {error}"))
        })?;
        let missing = || Failure::new("pipes to the host", "none");
        let requests = write_requests(child.stdin.take().ok_or_else(missing)?);
        let answers = child.stdout.take().map_or_else(|| mpsc::channel().1, read_answers);
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let stderr_ended = note_stderr(stderr, name.clone(), transcript.clone());
        let ended = await_end(&child);
        Ok(Self { name, child, requests: Some(requests), answers, ended, stderr_ended, limit, transcript })
    }

    /// The process id: that of the command's first process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Calls a tool and waits for the answer. The input goes over as JSON.
    pub fn call(&mut self, tool: &str, input: impl Into<Value>) -> Result<Answer, Failure> {
        self.ask(json!({ "tool": tool, "input": input.into() }).to_string());
        self.answer()
    }

    /// Writes a line and does not wait for the answer. A line break is added.
    pub fn ask(&mut self, line: impl Into<Vec<u8>>) {
        let mut line = line.into();
        self.transcript.add(&self.name, "receives", &line);
        line.push(b'\n');
        if let Some(requests) = &self.requests {
            // A host that reads no more gives no answer either, and that is what is noticed.
            let _ = requests.send(line);
        }
    }

    /// Writes a line without a line break, and ends the input.
    pub fn ask_last(&mut self, line: impl Into<Vec<u8>>) {
        let line = line.into();
        self.transcript.add(&self.name, "receives at the end of its input", &line);
        if let Some(requests) = self.requests.take() {
            let _ = requests.send(line);
        }
    }

    /// The next answer; a failure when none comes within the limit.
    pub fn answer(&mut self) -> Result<Answer, Failure> {
        match self.answers.recv_timeout(self.limit) {
            Ok(line) => {
                let line = line?;
                self.transcript.add(&self.name, "answers", &line);
                Answer::decode(&line)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                Err(Failure::new("an answer", format!("none within {:?}: the host was killed", self.limit)))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let came = match self.wait() {
                    Ok(status) => format!("the end of the host: {status}"),
                    Err(_) => "the end of its standard output; the host was killed".to_owned(),
                };
                Err(Failure::new("an answer", came))
            }
        }
    }

    /// Ends the host's input, and expects that it says nothing more and ends with status 0.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.requests = None;
        let status = self.wait()?;
        if let Ok(line) = self.answers.recv_timeout(self.limit) {
            let came = crate::transcript::excerpt(&line?);
            return Err(Failure::new("no more answers than calls", came));
        }
        if status.success() {
            return Ok(());
        }
        Err(Failure::new("exit status 0 at the end of input", status.to_string()))
    }

    /// Ends the host's input and waits for its end, however it comes. Gives the next answer, if there was one
    /// before that.
    pub fn last_answer(mut self) -> Result<Option<Answer>, Failure> {
        self.requests = None;
        self.wait()?;
        let Ok(line) = self.answers.recv_timeout(self.limit) else { return Ok(None) };
        let line = line?;
        self.transcript.add(&self.name, "had answered", &line);
        // Of a line that its end cut short nobody can tell what it was to be.
        if line.ends_with(b"\n") { Answer::decode(&line).map(Some) } else { Ok(None) }
    }

    /// Kills the host and all processes of its group, and waits until it is gone.
    pub fn kill(&mut self) {
        self.transcript.add(&self.name, "is killed", []);
        end(&mut self.child);
        let _ = self.ended.recv();
    }

    /// Waits for the end of the process; a failure, and its end, when it does not come within the limit.
    pub fn wait(&mut self) -> Result<ExitStatus, Failure> {
        if self.ended.recv_timeout(self.limit) == Err(RecvTimeoutError::Timeout) {
            self.kill();
            return Err(Failure::new("the end of the host", format!("none within {:?}", self.limit)));
        }
        // Before its id is free for others: what it left behind of its group.
        if let Some(group) = group(&self.child) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = self.child.wait()?;
        self.transcript.add(&self.name, "ends with", status.to_string());
        Ok(status)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        end(&mut self.child);
        // What it has said is in the transcript before that is shown. A process that left the group may keep
        // the pipe open; nobody waits for it.
        let _ = self.stderr_ended.recv_timeout(Duration::from_secs(1));
    }
}

/// Kills a child's process group, and reaps the child.
fn end(child: &mut Child) {
    if let (Ok(None), Some(group)) = (child.try_wait(), group(child)) {
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait();
    }
}

/// The child leads a process group of its own.
fn group(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// A thread writes, so that a host that does not read cannot hold up the kit.
fn write_requests(mut stdin: ChildStdin) -> Sender<Vec<u8>> {
    let (sender, lines) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for line in lines {
            if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

fn read_answers(stdout: ChildStdout) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, answers) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = (&mut stdout).take(LONGEST_ANSWER).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) => Ok(line),
                Err(error) => Err(error),
            };
            let failed = line.is_err();
            if sender.send(line).is_err() || failed {
                return;
            }
        }
    });
    answers
}

fn note_stderr(stderr: ChildStderr, name: String, transcript: Transcript) -> Receiver<()> {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let _ended = sender;
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        while (&mut stderr).take(64 << 10).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            transcript.add(&name, "says on stderr", line.trim_ascii_end());
            line.clear();
        }
    });
    ended
}

/// Says when the child has ended, and leaves it to be reaped: until then nobody else can have its id.
fn await_end(child: &Child) -> Receiver<()> {
    let (sender, ended) = mpsc::channel();
    let pid = group(child);
    std::thread::spawn(move || {
        let _ended = sender;
        let Some(pid) = pid else { return };
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), exited), Err(rustix::io::Errno::INTR)) {}
    });
    ended
}
