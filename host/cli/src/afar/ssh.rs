//! Machines that are reached by SSH (`--ssh HOST`): a call is a line to the `pod-tools call --batch` there, and its answer
//! the line that comes back.
//!
//! Who asks is SSH's to say, and what he may do that machine's: whoever runs it has written both into `authorized_keys`. An
//! answer counts as delivered there when a line says so, so that a link that is cut repeats text and loses none.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pod_tools_host::{Answer, Authority, Commit, ErrorKind, Reason, Staged, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The line that says that the answer before was delivered, and the answer to it.
pub const DELIVERED: &str = r#"{"delivered":true}"#;
/// The longest name of a host, as of one in DNS.
const LONGEST_NAME: usize = 253;
/// Connections to one machine that are there at once; more calls wait.
const MOST: usize = 16;
/// By how much a call is waited for longer than it may take there: the way there and back, and the connection.
const GRACE: Duration = Duration::from_secs(15);
/// What is kept of the end of what ssh and the machine complain of, in bytes.
const COMPLAINT: usize = 2 << 10;
/// How long the word of a delivery may take, and the most that is said to it.
const NOTED: Duration = Duration::from_secs(10);
const MOST_NOTED: usize = 64 << 10;
/// How long a process that has closed its output may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// No password is asked for, nothing is forwarded, and a link that is dead is noticed.
const OPTIONS: [&str; 10] = [
    "-T",
    "-o",
    "BatchMode=yes",
    "-o",
    "ClearAllForwardings=yes",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=2",
    "--",
];
/// What is run there, where `authorized_keys` does not say so itself.
const THERE: &str = "pod-tools call --batch";

/// A machine, by the name under which ssh finds it: letters and digits of ASCII, `-`, `_` and `.`. It cannot be taken for
/// an option, nor for a user's name with a host's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// A text that is none.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "`{}` is no name of a machine: letters and digits of ASCII, `-`, `_` and `.`, at most 253, and no `-` in front (give it \
     a name of its own in ~/.ssh/config, with its user and port)",
    shown(.0)
)]
pub struct HostNameError(String);

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_NAME || text.starts_with('-') || !text.bytes().all(fits) {
            return Err(HostNameError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whatever it is, it fits into a message.
fn shown(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

/// The machines that are reached by ssh.
#[derive(Debug, Clone)]
pub struct Ssh(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The program that is run.
    program: OsString,
    hosts: Vec<HostName>,
    idle: Mutex<HashMap<HostName, Vec<Session>>>,
    places: HashMap<HostName, Arc<Semaphore>>,
}

/// One connection, and the `pod-tools call --batch` at its other end. It does one call at a time. Dropped, it is ended.
#[derive(Debug)]
struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    complaints: JoinHandle<String>,
}

/// A session in use. Dropped, it is there for others, unless it was in the middle of a call.
#[derive(Debug)]
struct Lease {
    ssh: Ssh,
    host: HostName,
    session: Option<Session>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let mut idle = self.ssh.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(self.host.clone()).or_default().push(session);
        }
    }
}

/// A call, as `pod-tools call --batch` takes it.
#[derive(Serialize)]
struct Asked<'a> {
    tool: &'a str,
    input_json: &'a str,
    peek: bool,
    await_delivery: bool,
}

/// Its answer. Nothing of it is believed: it is counted and shown as any answer is.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    Ok { summary: String, content: Option<String>, data: Box<RawValue> },
    Err { kind: String, reason: Option<String>, message: String },
}

impl Ssh {
    pub fn new(program: OsString, hosts: Vec<HostName>) -> Self {
        let places = hosts.iter().map(|host| (host.clone(), Arc::new(Semaphore::new(MOST)))).collect();
        Self(Arc::new(Shared { program, hosts, idle: Mutex::default(), places }))
    }

    pub fn hosts(&self) -> &[HostName] {
        &self.0.hosts
    }

    /// Calls a tool on a machine, which may take so long there. Of `authority` its limits count: what an answer may have.
    pub async fn call(
        &self,
        authority: &Authority,
        host: &HostName,
        tool: &str,
        input: &str,
        time: Duration,
    ) -> Result<Answer, ToolError> {
        let limits = authority.limits();
        let most = limits.transfer.saturating_mul(2).saturating_add(4 * limits.data);
        let asked = Asked { tool, input_json: input, peek: authority.peeks(), await_delivery: true };
        let mut line = serde_json::to_vec(&asked)
            .map_err(|error| ToolError::new(ErrorKind::Internal, None, error.to_string()))?;
        line.push(b'\n');
        let called = async {
            let mut lease = self.lease(host).await?;
            // Until its answer is there, it is nobody else's.
            let mut session = match lease.session.take() {
                Some(session) => session,
                None => Session::start(&self.0.program, host)?,
            };
            let answer = session.call(&line, most).await;
            let Ok(answer) = answer else { return Err(session.ended(host).await) };
            lease.session = Some(session);
            Ok((answer, lease))
        };
        let Ok(called) = timeout(time + GRACE, called).await else {
            let message = "it has not answered in time, and it is not known whether this was done";
            return Err(ToolError::new(ErrorKind::Timeout, None, message.to_owned()));
        };
        let (answer, lease) = called?;
        match answer {
            Answered::Ok { summary, content, data } => {
                let delivered: Commit = Box::new(move || Box::pin(lease.delivered()));
                let data = String::from(Box::<str>::from(data));
                Answer::given_elsewhere(
                    (summary, content, data),
                    1,
                    Staged::elsewhere(vec![delivered]),
                    authority,
                )
            }
            Answered::Err { kind, reason, message } => {
                let kind = ErrorKind::from_word(&kind).unwrap_or(ErrorKind::ExecutionFailed);
                Err(ToolError::new(kind, reason.as_deref().and_then(Reason::from_word), message))
            }
        }
    }

    /// A place, with a session that is idle where there is one.
    async fn lease(&self, host: &HostName) -> Result<Lease, ToolError> {
        let unknown =
            || ToolError::new(ErrorKind::Internal, None, format!("`{host}` is no machine of --ssh"));
        let places = self.0.places.get(host).ok_or_else(unknown)?.clone();
        let place = places.acquire_owned().await.map_err(|_| unknown())?;
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended meanwhile are dropped here.
        let alive = std::iter::from_fn(|| idle.get_mut(host)?.pop())
            .find_map(|mut session| matches!(session.process.try_wait(), Ok(None)).then_some(session));
        drop(idle);
        Ok(Lease { ssh: self.clone(), host: host.clone(), session: alive, _place: place })
    }
}

impl Lease {
    /// Tells that the answer was delivered, and hears that this was noted: else its text is given again.
    async fn delivered(mut self) -> Result<(), ToolError> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let line = format!("{DELIVERED}\n");
        let answer = timeout(NOTED, session.exchange(line.as_bytes(), MOST_NOTED)).await;
        let why = match answer {
            Ok(Ok(answer)) if answer.trim_ascii() == DELIVERED.as_bytes() => {
                self.session = Some(session);
                return Ok(());
            }
            Ok(Ok(answer)) => match serde_json::from_slice(&answer) {
                Ok(Answered::Err { message, .. }) => message,
                Ok(Answered::Ok { .. }) | Err(_) => "its answer is not understood".to_owned(),
            },
            Ok(Err(())) => "the connection is gone".to_owned(),
            Err(_) => "it has not answered in time".to_owned(),
        };
        let message = format!("machine `{}` could not be told that its text was delivered: {why}", self.host);
        Err(ToolError::new(ErrorKind::ExecutionFailed, Reason::Closed, message))
    }
}

impl Session {
    fn start(program: &OsString, host: &HostName) -> Result<Self, ToolError> {
        let mut command = Command::new(program);
        command.args(OPTIONS).arg(host.as_str()).arg(THERE).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |why: &dyn fmt::Display| {
            let message = format!("`{}` cannot be run: {why}; install OpenSSH's client", program.display());
            ToolError::new(ErrorKind::ExecutionFailed, Reason::Unreachable, message)
        };
        let mut process = command.spawn().map_err(|error| failed(&error))?;
        let (Some(input), Some(output), Some(errors)) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take())
        else {
            return Err(failed(&"it has no streams"));
        };
        let complaints = tokio::spawn(last_of(errors));
        Ok(Self { process, input, output: BufReader::new(output), complaints })
    }

    /// `Err`: nothing that can be used has come, and nothing will.
    async fn call(&mut self, line: &[u8], most: usize) -> Result<Answered, ()> {
        serde_json::from_slice(&self.exchange(line, most).await?).map_err(|_| ())
    }

    /// A line, and the one that answers it, of at most so many bytes.
    async fn exchange(&mut self, line: &[u8], most: usize) -> Result<Vec<u8>, ()> {
        let Self { input, output, .. } = self;
        let send = async {
            input.write_all(line).await?;
            input.flush().await
        };
        let receive = async {
            let mut answer = Vec::new();
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            output.take(most).read_until(b'\n', &mut answer).await?;
            Ok(answer)
        };
        // A machine that answers before it has read all is no reason to wait for ever.
        let ((), answer): ((), Vec<u8>) = tokio::try_join!(send, receive).map_err(|_: std::io::Error| ())?;
        if answer.last() == Some(&b'\n') { Ok(answer) } else { Err(()) }
    }

    /// Why there is no answer: what ssh, or the program there, has said at its end.
    async fn ended(mut self, host: &HostName) -> ToolError {
        drop(self.input);
        let status = timeout(LAST_WORDS, self.process.wait()).await.ok().and_then(Result::ok);
        let _ = self.process.start_kill();
        let said = timeout(LAST_WORDS, self.complaints).await.ok().and_then(Result::ok).unwrap_or_default();
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        // ssh ends with 255 where there is no connection, or none any more.
        let (why, reason) = match status.and_then(|status| status.code()) {
            Some(255) => ("ssh has no connection to it", Reason::Unreachable),
            _ => ("what runs there gave no answer, as `pod-tools call --batch` would", Reason::Closed),
        };
        let said = if last.is_empty() { String::new() } else { format!(": {}", last.escape_debug()) };
        tracing::debug!("ssh {host}: {said}");
        ToolError::new(ErrorKind::ExecutionFailed, reason, format!("{why}{said}"))
    }
}

/// The end of what comes, as text.
async fn last_of(mut from: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        kept.extend_from_slice(&piece[..read]);
        let over = kept.len().saturating_sub(COMPLAINT);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_name_is_no_option_and_nobody_elses() {
        for good in ["build-1", "build.example.org", "10.0.0.7", "a_b"] {
            assert_eq!(good.parse::<HostName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(254);
        for bad in ["", "-oProxyCommand=x", "me@build", "a b", "a\nb", "a/b", "$(x)", "ä", &*long] {
            bad.parse::<HostName>().unwrap_err();
        }
    }
}
