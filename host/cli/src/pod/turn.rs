//! One turn: the command run once, with the message on its standard input and its output streamed.
//!
//! A turn lasts until the command has ended and what it had written by then is read. What the command leaves in
//! the background neither keeps the turn running, though it may hold the command's output open, nor is it ended
//! with the turn: it ends with the pod. What it writes later belongs to no turn, and is read and thrown away.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::protocol::Choice;
use super::supervisor::Supervisor;
use super::text::{Tail, Utf8Stream};
use super::turn_item::TurnItem;

/// How long a cancelled command has between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);
/// How much of the end of standard error a failure quotes, in bytes.
pub const STDERR_TAIL: usize = 4 << 10;
/// How much of it stands in the history, in bytes.
const REASON_TAIL: usize = 1 << 10;

/// How many questions may wait for an answer at a time.
pub const MAX_QUESTIONS: usize = 16;

/// What happens in a turn.
#[derive(Debug)]
pub enum Progress {
    /// More of the turn: text as it comes, anything else whole.
    Item(TurnItem),
    /// A tool is called; what with is not told yet.
    ToolStarted { id: String, name: String },
    /// What came of a tool: beside its item, as those who watch are told it.
    ToolEnded { id: String, output: String, is_error: bool },
    /// Something that those who watch should know.
    Warning(String),
    /// What is asked of a person now: all of it, or nothing any more.
    Asks(Vec<Question>),
    /// How many tokens went in and came out, as the agent counts them.
    Usage { input: u64, output: u64 },
    /// The last thing to happen; the command is gone.
    Ended(TurnEnd),
}

/// How a turn ended.
#[derive(Debug, PartialEq, Eq)]
pub enum TurnEnd {
    Finished,
    Failed(Failure),
    /// The agent may not go on, for this reason.
    LimitReached(&'static str),
    Cancelled,
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub text: String,
}

/// Why a turn failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// For those who watch, with the command's name and the end of its standard error.
    pub message: String,
    /// The same for the history, shorter.
    pub reason: String,
}

impl Failure {
    pub fn of(message: String) -> Failure {
        Failure { reason: message.clone(), message }
    }
}

/// A running turn. Dropping it leaves the command to end as if it had been cancelled.
#[derive(Debug)]
pub struct Turn {
    progress: mpsc::Receiver<Progress>,
    cancel: Option<oneshot::Sender<()>>,
    /// Where to answer what is asked.
    answers: Option<mpsc::Sender<(String, Choice)>>,
}

/// The other end of a turn: what does the work.
#[derive(Debug)]
pub struct Work {
    pub progress: mpsc::Sender<Progress>,
    pub cancelled: oneshot::Receiver<()>,
    pub answers: mpsc::Receiver<(String, Choice)>,
}

impl Turn {
    /// Starts the command for the message of this number, in a task of its own. It may write `most` bytes, to both streams together.
    pub fn start(supervisor: Arc<Mutex<Supervisor>>, number: u64, message: String, most: usize) -> Turn {
        // Few enough that a command does not run far ahead of what clients are told.
        let (sender, progress) = mpsc::channel(16);
        let (cancel, cancelled) = oneshot::channel();
        tokio::spawn(async move {
            let mut supervisor = supervisor.lock().await;
            let outcome = run(&mut supervisor, number, message.into_bytes(), most, &sender, cancelled).await;
            drop(supervisor);
            let _ = sender.send(Progress::Ended(outcome)).await;
        });
        Turn { progress, cancel: Some(cancel), answers: None }
    }

    /// A turn of which the other end is handed to what does the work.
    pub fn new() -> (Turn, Work) {
        let (sender, progress) = mpsc::channel(16);
        let (cancel, cancelled) = oneshot::channel();
        // Each question is answered once, and there are not more of them at a time.
        let (answer, answers) = mpsc::channel(MAX_QUESTIONS);
        let turn = Turn { progress, cancel: Some(cancel), answers: Some(answer) };
        (turn, Work { progress: sender, cancelled, answers })
    }

    /// Answers a question; `false`: nobody waits for the answer any more.
    pub fn answer(&self, id: &str, choice: Choice) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.try_send((id.to_owned(), choice)).is_ok())
    }

    /// What happens next. Nothing must be asked after [`Progress::Ended`]. Cancel safe.
    pub async fn next(&mut self) -> Progress {
        let lost = || {
            let failure = Failure::of("the turn was lost to a fault of the pod's".into());
            Progress::Ended(TurnEnd::Failed(failure))
        };
        self.progress.recv().await.unwrap_or_else(lost)
    }

    /// Ends the command and what is beneath it: SIGTERM, and SIGKILL to what is left two seconds later. The
    /// turn then ends with [`TurnEnd::Cancelled`].
    pub fn cancel(&mut self) {
        self.cancel.take();
    }
}

/// Our ends of the command's standard streams.
struct Streams {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

impl Streams {
    /// Has the command run with the other ends.
    async fn of_command(supervisor: &mut Supervisor, turn: u64) -> io::Result<Streams> {
        let (stdin, to_stdin) = io::pipe()?;
        let (from_stdout, stdout) = io::pipe()?;
        let (from_stderr, stderr) = io::pipe()?;
        let streams = Streams {
            stdin: pipe::Sender::from_owned_fd(to_stdin.into())?,
            stdout: pipe::Receiver::from_owned_fd(from_stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(from_stderr.into())?,
        };
        supervisor.run(turn, [stdin.into(), OwnedFd::from(stdout), stderr.into()]).await?;
        Ok(streams)
    }
}

/// What the command has said so far.
struct Answer<'a> {
    decoder: Utf8Stream,
    /// Written to either stream; of text, as it is kept.
    bytes: usize,
    most: usize,
    /// Of the command.
    name: &'a str,
    progress: &'a mpsc::Sender<Progress>,
}

impl Answer<'_> {
    /// Passes on the text that these bytes complete. Fails with what the turn ends with then.
    async fn take(&mut self, bytes: &[u8]) -> Result<(), TurnEnd> {
        let text = self.decoder.push(bytes);
        self.pass_on(text).await
    }

    async fn finish(&mut self) -> Result<(), TurnEnd> {
        let text = self.decoder.finish().to_owned();
        self.pass_on(text).await
    }

    /// Counts what was written. Only so much of standard error is kept, but a command that writes there without end
    /// is not to run without end.
    fn count(&mut self, bytes: usize) -> Result<(), TurnEnd> {
        self.bytes += bytes;
        if self.bytes > self.most {
            let reason = format!("wrote more than {} bytes, the most that one turn may", self.most);
            let message = format!("`{}` {reason}", self.name);
            return Err(TurnEnd::Failed(Failure { message, reason: format!("too long: it {reason}") }));
        }
        Ok(())
    }

    async fn pass_on(&mut self, text: String) -> Result<(), TurnEnd> {
        self.count(text.len())?;
        if !text.is_empty() && self.progress.send(Progress::Item(TurnItem::Text(text))).await.is_err() {
            return Err(TurnEnd::Cancelled);
        }
        Ok(())
    }
}

async fn run(
    supervisor: &mut Supervisor,
    number: u64,
    mut message: Vec<u8>,
    most: usize,
    progress: &mpsc::Sender<Progress>,
    mut cancelled: oneshot::Receiver<()>,
) -> TurnEnd {
    // What reads lines may pass over one that has no end.
    if message.last() != Some(&b'\n') {
        message.push(b'\n');
    }
    let name = supervisor.program();
    let Streams { stdin, mut stdout, mut stderr } = match Streams::of_command(supervisor, number).await {
        Ok(streams) => streams,
        Err(error) => return TurnEnd::Failed(Failure::of(format!("cannot start `{name}`: {error}"))),
    };

    let mut stdin = Some(stdin);
    let mut answer = Answer { decoder: Utf8Stream::default(), bytes: 0, most, name: &name, progress };
    let mut errors = Tail::new(STDERR_TAIL);
    let mut written = 0;
    let (mut stdout_open, mut stderr_open) = (true, true);
    let (mut out, mut err) = (vec![0; 8 << 10], vec![0; STDERR_TAIL]);
    // Set once the turn is to be ended before the command is done: with what, and when it is killed.
    let mut forced: Option<(TurnEnd, Option<Instant>)> = None;

    let status = loop {
        let late = forced.as_ref().and_then(|(_, deadline)| *deadline);
        let end = tokio::select! {
            read = stdout.read(&mut out), if stdout_open => match read {
                Ok(0) => {
                    stdout_open = false;
                    Ok(())
                }
                Ok(bytes) => answer.take(&out[..bytes]).await,
                Err(error) => Err(TurnEnd::Failed(Failure::of(format!("its output cannot be read: {error}")))),
            },
            read = stderr.read(&mut err), if stderr_open => {
                let bytes = &err[..read.unwrap_or(0)];
                stderr_open = !bytes.is_empty();
                errors.push(bytes);
                answer.count(bytes.len())
            }
            wrote = write_some(&mut stdin, &message[written..]), if stdin.is_some() => {
                // A command that does not care for its input closes it: that is no failure.
                written += wrote.unwrap_or(message.len() - written);
                if written == message.len() {
                    stdin = None;
                }
                Ok(())
            }
            status = supervisor.ended() => break status,
            _ = &mut cancelled, if forced.is_none() => Err(TurnEnd::Cancelled),
            () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                forced = forced.map(|(end, _)| (end, None));
                supervisor.kill().await;
                Ok(())
            }
        };
        if let Err(end) = end {
            // What it goes on to write is not wanted; what it had written when it was cancelled is.
            stdout_open &= end == TurnEnd::Cancelled;
            stderr_open &= end == TurnEnd::Cancelled;
            if forced.is_none() {
                forced = Some((end, Some(Instant::now() + GRACE)));
                supervisor.terminate().await;
            }
        }
    };

    let mut taken = Ok(());
    if stdout_open {
        taken = match drain(&stdout) {
            Ok((bytes, is_open)) => {
                stdout_open = is_open;
                answer.take(&bytes).await
            }
            Err(error) => Err(TurnEnd::Failed(Failure::of(format!("its output cannot be read: {error}")))),
        };
    }
    if taken.is_ok() && forced.as_ref().is_none_or(|(end, _)| *end == TurnEnd::Cancelled) {
        taken = answer.finish().await;
    }
    if stderr_open && let Ok((bytes, is_open)) = drain(&stderr) {
        stderr_open = is_open;
        errors.push(&bytes);
    }
    // Something in the background holds them: it is to go on writing, and not to be killed for it.
    if stdout_open {
        tokio::spawn(discard(stdout));
    }
    if stderr_open {
        tokio::spawn(discard(stderr));
    }
    match (forced, taken, status) {
        (Some((end, _)), ..) | (None, Err(end), _) => end,
        (None, Ok(()), Ok(status)) if status.success() => TurnEnd::Finished,
        (None, Ok(()), Ok(status)) => TurnEnd::Failed(failure(&name, status, &errors.text())),
        (None, Ok(()), Err(error)) => {
            TurnEnd::Failed(Failure::of(format!("cannot wait for `{name}`: {error}")))
        }
    }
}

async fn write_some(stdin: &mut Option<pipe::Sender>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) if !bytes.is_empty() => stdin.write(bytes).await,
        _ => Ok(0),
    }
}

/// What is in the pipe now, without waiting for more, and whether more can come. Who holds the other end may write
/// for ever: what was in the pipe when the command had ended is all that is read.
pub fn drain(pipe: &impl AsFd) -> io::Result<(Vec<u8>, bool)> {
    let waiting = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut piece = vec![0; 8 << 10];
    loop {
        // One byte behind the last tells whether the pipe has ended.
        let left = (waiting - bytes.len()).clamp(1, piece.len());
        match rustix::io::read(pipe, &mut piece[..left]) {
            Ok(0) => return Ok((bytes, false)),
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(rustix::io::Errno::AGAIN) => return Ok((bytes, true)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if bytes.len() > waiting {
            return Ok((bytes, true));
        }
    }
}

async fn discard(mut pipe: pipe::Receiver) {
    let mut bytes = vec![0; 4 << 10];
    while let Ok(1..) = pipe.read(&mut bytes).await {}
}

/// `sh` exited with status 3: oops
pub fn failure(name: &str, status: ExitStatus, errors: &str) -> Failure {
    use std::os::unix::process::ExitStatusExt;
    let (how, why) = match (status.code(), status.signal()) {
        (Some(code), _) => (format!("exited with status {code}"), format!("exit status {code}")),
        (None, Some(signal)) => {
            (format!("was killed by signal {signal}"), format!("killed by signal {signal}"))
        }
        (None, None) => (format!("ended with {status}"), format!("ended with {status}")),
    };
    match errors.trim() {
        "" => Failure { message: format!("`{name}` {how}"), reason: why },
        errors => {
            let from = errors.ceil_char_boundary(errors.len().saturating_sub(REASON_TAIL));
            Failure {
                message: format!("`{name}` {how}: {errors}"),
                reason: format!("{why}: {}", &errors[from..]),
            }
        }
    }
}
