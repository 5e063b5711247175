//! One turn: the command run once, with the message on its standard input and its output streamed.
//!
//! The command leads a process group of its own, so that ending the turn ends what the command has started.
//! A turn lasts until the command has exited *and* everybody who holds its standard output has closed it, as
//! in a shell's `$(…)`: no output is lost to a parent that exits before its child.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval, timeout};

use super::text::{Tail, Utf8Stream};

/// How much text one turn may write, in bytes. A turn that writes more fails.
pub const MAX_TEXT: usize = 64 << 20;
/// How long a cancelled command has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How much of the end of standard error a failure quotes, in bytes.
const STDERR_TAIL: usize = 4 << 10;
/// How long to wait for the end of standard error once the command is gone: something that it left in the
/// background may hold it open.
const STDERR_DRAIN: Duration = Duration::from_millis(200);

/// What to run, and what to tell it.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// Found by `PATH` as usual.
    pub program: OsString,
    pub arguments: Vec<OsString>,
    /// Added to the environment.
    pub environment: Vec<(&'static str, OsString)>,
}

/// What happens in a turn.
#[derive(Debug)]
pub enum Progress {
    /// More text.
    Text(String),
    /// The last thing to happen; the command is gone.
    Ended(TurnEnd),
}

/// How a turn ended.
#[derive(Debug, PartialEq, Eq)]
pub enum TurnEnd {
    Finished,
    /// With the reason, and the end of standard error if there was any.
    Failed(String),
    Cancelled,
}

/// A running turn. Dropping it leaves the command to end as if it had been cancelled.
#[derive(Debug)]
pub struct Turn {
    progress: mpsc::Receiver<Progress>,
    cancel: Option<oneshot::Sender<()>>,
}

impl Turn {
    /// Starts the command in a task of its own.
    pub fn start(command: CommandLine, message: String) -> Turn {
        // Few enough that a command does not run far ahead of what clients are told.
        let (sender, progress) = mpsc::channel(16);
        let (cancel, cancelled) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = run(command, message.into_bytes(), &sender, cancelled).await;
            let _ = sender.send(Progress::Ended(outcome)).await;
        });
        Turn { progress, cancel: Some(cancel) }
    }

    /// What happens next. Nothing must be asked after [`Progress::Ended`]. Cancel safe.
    pub async fn next(&mut self) -> Progress {
        let lost = || Progress::Ended(TurnEnd::Failed("the turn was lost to a fault of the pod's".into()));
        self.progress.recv().await.unwrap_or_else(lost)
    }

    /// Ends the command's process group: SIGTERM, and SIGKILL to what is left two seconds later. The turn
    /// then ends with [`TurnEnd::Cancelled`].
    pub fn cancel(&mut self) {
        self.cancel.take();
    }
}

/// The command's process group, killed when this is dropped while its leader has not been waited for. Until
/// then the group's id cannot have become somebody else's.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Group {
        Group { leader: child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // It fails only where there is nobody left to be signalled.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Whether the leader has exited; it is left to be waited for.
    fn leader_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.leader.is_none_or(|leader| !matches!(waitid(WaitId::Pid(leader), look), Ok(None)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn run(
    command: CommandLine,
    message: Vec<u8>,
    progress: &mpsc::Sender<Progress>,
    mut cancelled: oneshot::Receiver<()>,
) -> TurnEnd {
    let name = command.program.to_string_lossy().into_owned();
    let started = Command::new(&command.program)
        .args(&command.arguments)
        .envs(command.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return TurnEnd::Failed(format!("cannot start `{name}`: {error}")),
    };
    let mut group = Group::of(&child);
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdout), Some(mut stderr)) = (stdout, stderr) else {
        return TurnEnd::Failed(format!("cannot start `{name}`: it has no output"));
    };

    let mut decoder = Utf8Stream::default();
    let mut errors = Tail::new(STDERR_TAIL);
    let (mut written, mut text_bytes) = (0, 0);
    let (mut stdout_open, mut stderr_open) = (true, true);
    let (mut out, mut err) = (vec![0; 8 << 10], vec![0; STDERR_TAIL]);
    // Set once the turn is to be ended before the command is done.
    let mut forced: Option<(TurnEnd, Instant)> = None;
    let mut ticks = interval(Duration::from_millis(10));

    let status = loop {
        tokio::select! {
            read = stdout.read(&mut out), if stdout_open => {
                let bytes = &out[..read.unwrap_or(0)];
                stdout_open = !bytes.is_empty();
                let mut text = decoder.push(bytes);
                if !stdout_open {
                    text.push_str(decoder.finish());
                }
                text_bytes += text.len();
                if text_bytes > MAX_TEXT {
                    stdout_open = false;
                    let reason = format!("`{name}` wrote more than {MAX_TEXT} bytes, the most that one turn may");
                    force(&mut forced, TurnEnd::Failed(reason), &group);
                } else if !text.is_empty() && progress.send(Progress::Text(text)).await.is_err() {
                    force(&mut forced, TurnEnd::Cancelled, &group);
                }
            }
            read = stderr.read(&mut err), if stderr_open => {
                let bytes = &err[..read.unwrap_or(0)];
                stderr_open = !bytes.is_empty();
                errors.push(bytes);
            }
            wrote = write_some(&mut stdin, &message[written..]), if stdin.is_some() => {
                // A command that does not care for its input closes it: that is no failure.
                written += wrote.unwrap_or(message.len() - written);
                if written == message.len() {
                    stdin = None;
                }
            }
            status = child.wait(), if !stdout_open && forced.is_none() => break status,
            _ = &mut cancelled, if forced.is_none() => force(&mut forced, TurnEnd::Cancelled, &group),
            now = ticks.tick(), if forced.is_some() => {
                let late = forced.as_ref().is_some_and(|(_, deadline)| now >= *deadline);
                if late || (!stdout_open && group.leader_exited()) {
                    // The leader has not been waited for, so the group is still ours; nobody survives this.
                    group.signal(Signal::KILL);
                    break child.wait().await;
                }
            }
        }
    };
    group.leader = None;
    if let Some((outcome, _)) = forced {
        return outcome;
    }
    match status {
        Ok(status) if status.success() => TurnEnd::Finished,
        Ok(status) => {
            if stderr_open {
                let _ = timeout(STDERR_DRAIN, drain(&mut stderr, &mut err, &mut errors)).await;
            }
            TurnEnd::Failed(failure(&name, status, &errors.text()))
        }
        Err(error) => TurnEnd::Failed(format!("cannot wait for `{name}`: {error}")),
    }
}

/// Begins the end of a turn.
fn force(forced: &mut Option<(TurnEnd, Instant)>, outcome: TurnEnd, group: &Group) {
    if forced.is_none() {
        *forced = Some((outcome, Instant::now() + GRACE));
        group.signal(Signal::TERM);
    }
}

async fn write_some(stdin: &mut Option<tokio::process::ChildStdin>, bytes: &[u8]) -> std::io::Result<usize> {
    match stdin {
        Some(stdin) if !bytes.is_empty() => stdin.write(bytes).await,
        _ => Ok(0),
    }
}

async fn drain(stderr: &mut ChildStderr, buffer: &mut [u8], errors: &mut Tail) {
    while let Ok(read @ 1..) = stderr.read(buffer).await {
        errors.push(&buffer[..read]);
    }
}

/// `sh` exited with status 3: oops
fn failure(name: &str, status: ExitStatus, errors: &str) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => format!("ended with {status}"),
    };
    match errors.trim() {
        "" => format!("`{name}` {how}"),
        errors => format!("`{name}` {how}: {errors}"),
    }
}
