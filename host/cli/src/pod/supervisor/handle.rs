//! The pod's side of its supervisor: starts it, and starts it again where it was killed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::Pid;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::process::{kill_abandoned, program};
use super::wire::{END, KILL, REPLY, RUN, Reply, TERMINATE, decode_laid, send};
use crate::pod::fence::{Enforce, Held, Plan};
use crate::pod::program::CommandLine;

/// How long the supervisor has to end everything: more than it takes for that.
const ENDING: Duration = Duration::from_secs(8);

/// How long it has to lay the fence.
const LAYING: Duration = Duration::from_secs(30);

/// What runs a pod's command. Dropping it ends the command, and all that was started by it.
#[derive(Debug)]
pub struct Supervisor {
    command: CommandLine,
    fence: Option<Plan>,
    /// What tells others that something the pod has started lives, for as long as that has it.
    life: OwnedFd,
    /// `None` once it was killed, until it is needed again.
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    /// The command that runs.
    leader: Option<Pid>,
    /// What has come of the next reply.
    reply: [u8; REPLY],
    filled: usize,
}

impl Supervisor {
    /// Starts it, and tells which fence there is. To be called within a runtime.
    ///
    /// Fails where it cannot be started, and where the fence cannot be laid that there is to be.
    pub fn start(
        command: CommandLine,
        mut fence: Option<Plan>,
        life: OwnedFd,
    ) -> anyhow::Result<(Supervisor, Held)> {
        // Where the pod's parent has left this signal ignored, nobody's end could be waited for.
        let _ = signal(SignalKind::child()).context("cannot catch signals")?;
        let start = |fence: Option<&Plan>| {
            Link::start(&command, fence).context("cannot start the supervisor of the pod's commands")
        };
        let started = match (start(fence.as_ref())?, &mut fence) {
            (Err(fault), Some(plan)) if plan.enforce == Enforce::BestEffort => {
                plan.without_root = Some(fault);
                start(fence.as_ref())?
            }
            (started, _) => started,
        };
        let (link, held) = started.map_err(|fault| {
            anyhow!(
                "the scope cannot be enforced on this machine: {fault}; `--enforce best-effort` starts the pod with the \
                 part of the fence that it has"
            )
        })?;
        Ok((Supervisor { command, fence, life, link: Some(link) }, held))
    }

    /// The program that it runs.
    pub fn program(&self) -> String {
        self.command.program.to_string_lossy().into_owned()
    }

    /// Runs the command for the message of this number, with these as its standard input, output and error.
    pub async fn run(&mut self, turn: u64, streams: [OwnedFd; 3]) -> io::Result<()> {
        let [stdin, stdout, stderr] = streams.each_ref().map(AsFd::as_fd);
        let handed_on = [stdin, stdout, stderr, self.life.as_fd()];
        let asked = match &self.link {
            Some(link) => link.send(RUN, turn, &handed_on).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        if asked.is_err() {
            abandon(&mut self.link);
            let started = Link::start(&self.command, self.fence.as_ref())?;
            let (link, _) = started.map_err(io::Error::other)?;
            self.link.insert(link).send(RUN, turn, &handed_on).await?;
        }
        drop(streams);
        match self.reply().await? {
            Reply::Started(pid) => {
                if let Some(link) = &mut self.link {
                    link.leader = Pid::from_raw(pid);
                }
                Ok(())
            }
            Reply::Refused(number) => Err(io::Error::from_raw_os_error(number)),
            Reply::Ended(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits for the command to end. Cancel safe.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        match self.reply().await? {
            Reply::Ended(status) => {
                if let Some(link) = &mut self.link {
                    link.leader = None;
                }
                Ok(ExitStatus::from_raw(status))
            }
            Reply::Started(_) | Reply::Refused(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Asks the command, and what is beneath it, to end.
    pub async fn terminate(&self) {
        self.ask(TERMINATE).await;
    }

    /// Kills them.
    pub async fn kill(&self) {
        self.ask(KILL).await;
    }

    /// Ends everything that the pod's commands have started and left behind. Returns when it is gone.
    pub async fn end(&mut self) {
        self.ask(END).await;
        let _ = timeout(ENDING, async { while self.reply().await.is_ok() {} }).await;
        self.lost();
    }

    async fn ask(&self, request: u8) {
        if let Some(link) = &self.link {
            // A supervisor that is gone is noticed where its reply is waited for.
            let _ = link.send(request, 0, &[]).await;
        }
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "its supervisor was killed");
        let Some(link) = &mut self.link else { return Err(gone()) };
        while link.filled < REPLY {
            match link.socket.read(&mut link.reply[link.filled..]).await {
                Ok(read @ 1..) => link.filled += read,
                _ => {
                    self.lost();
                    return Err(gone());
                }
            }
        }
        link.filled = 0;
        Reply::decode(link.reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The supervisor is gone.
    fn lost(&mut self) {
        abandon(&mut self.link);
    }
}

/// Kills the command that a supervisor which is gone has left behind.
fn abandon(link: &mut Option<Link>) {
    if let Some(leader) = link.take().and_then(|link| link.leader) {
        kill_abandoned(leader);
    }
}

impl Link {
    /// Starts it. Where it cannot lay the fence, it says why.
    fn start(command: &CommandLine, fence: Option<&Plan>) -> io::Result<Result<(Link, Held), String>> {
        let (ours, its) = StdUnixStream::pair()?;
        let mut supervisor = program()?;
        if let Some(fence) = fence {
            supervisor.args(["--fence", &serde_json::to_string(fence)?]);
        }
        if let Some(later) = &command.later {
            supervisor.args(["--first", &command.arguments.len().to_string()]);
            if let Some(begun) = &later.begun {
                supervisor.arg("--begun").arg(begun);
            }
        }
        let started = supervisor
            .arg("--")
            .arg(&command.program)
            .args(&command.arguments)
            .args(command.later.iter().flat_map(|later| &later.arguments))
            .env_clear()
            .envs(command.environment.iter().cloned())
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !started.success() {
            return Err(io::Error::other(format!("it ended with {started}")));
        }
        // It would keep the socket open for a supervisor that has ended.
        drop(supervisor);
        let mut held = Held::NONE;
        if fence.is_some() {
            ours.set_read_timeout(Some(LAYING))?;
            match decode_laid(&ours)? {
                Ok(laid) => held = laid,
                Err(fault) => return Ok(Err(fault)),
            }
            ours.set_read_timeout(None)?;
        }
        ours.set_nonblocking(true)?;
        let socket = UnixStream::from_std(ours)?;
        Ok(Ok((Link { socket, leader: None, reply: [0; REPLY], filled: 0 }, held)))
    }

    async fn send(&self, request: u8, number: u64, streams: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || send(&self.socket, request, number, streams)).await
    }
}
