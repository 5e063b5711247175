//! The supervisor's own side: it starts the command when the pod asks, says how it ended, and kills everything
//! beneath it when the pod ends or is gone.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::io::FdFlags;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpgrp, getpid, kill_process, kill_process_group, wait,
    waitid,
};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::descendants::{descendants, groups_beneath};
use super::wire::{END, KILL, RUN, Reply, TERMINATE, encode_laid, receive};
use crate::inherited::keep_descriptors;
use crate::pod::fence::{Fence, Plan};
use crate::pod::later;
use crate::pod::session::TURN;

/// How long what is left has between SIGTERM and SIGKILL when the pod ends in good order.
const GRACE: Duration = Duration::from_secs(1);
/// How long to try to kill what is left. Nothing survives SIGKILL but what has another user's rights, or waits
/// for a broken disk.
const KILLING: Duration = Duration::from_secs(5);
/// How long to leave them to die before looking again.
const PAUSE: Duration = Duration::from_millis(2);

/// The word behind the program's name that makes it a supervisor.
pub const WORD: &str = "pod-supervisor";

/// Runs the commands of a pod, which starts this and speaks to it on its standard input
///
/// A command line of its own: none of the shared options, and none of their variables, concerns it.
#[derive(Debug, clap::Parser)]
struct SupervisorArgs {
    /// Be the supervisor, rather than what starts it
    #[arg(long)]
    detached: bool,

    /// Lay this fence around the commands, as JSON
    #[arg(long)]
    fence: Option<String>,

    /// How many of the arguments are for the message that begins the conversation; the others are for later ones
    #[arg(long)]
    first: Option<usize>,

    /// A path that is there when it has begun
    #[arg(long)]
    begun: Option<PathBuf>,

    /// The command, found by PATH, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl SupervisorArgs {
    /// The program, and its arguments for the message of that number.
    fn command(&self, turn: u64) -> Option<(&OsString, &[OsString])> {
        let (program, arguments) = self.command.split_first()?;
        let Some(first) = self.first else { return Some((program, arguments)) };
        let (first, later) = arguments.split_at_checked(first)?;
        let begun = later::has_begun(self.begun.as_deref(), turn);
        Some((program, if begun { later } else { first }))
    }
}

/// Is the supervisor, in place of all else that the program is.
pub fn run() -> ExitCode {
    let args = SupervisorArgs::parse_from(std::env::args_os().skip(1));
    let done = if args.detached { serve(args) } else { detach(&args) };
    ExitCode::from(u8::from(done.is_err()))
}

/// Serves the pod until it asks for the end or is gone. Fails where standard input is no pod's socket.
fn serve(args: SupervisorArgs) -> io::Result<()> {
    keep_descriptors();
    // While there is one thread: the runtime may have more.
    let fence = match &args.fence {
        Some(plan) => Some(lay(plan)?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve_pod(args, fence))
}

/// Lays the fence, and tells the pod what came of it.
fn lay(plan: &str) -> io::Result<Fence> {
    let laid = serde_json::from_str::<Plan>(plan)
        .map_err(|error| error.to_string())
        .and_then(|plan| Fence::lay(&plan));
    let (fence, told) = match laid {
        Ok((fence, held)) => (Some(fence), Ok(held)),
        Err(fault) => (None, Err(fault)),
    };
    StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?).write_all(&encode_laid(&told))?;
    fence.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

async fn serve_pod(args: SupervisorArgs, fence: Option<Fence>) -> io::Result<()> {
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let mut pod = UnixStream::from_std(socket)?;
    // Before anything is started: from here on nobody has a terminal, and no child is lost to another parent.
    let _ = rustix::process::setsid();
    // It cannot fail on Linux.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
    // Also where the pod's parent has left this signal ignored, which would lose how commands end.
    let mut ended = signal(SignalKind::child())?;
    let mut commands = Commands { args, fence, running: None };
    loop {
        tokio::select! {
            request = pod.async_io(Interest::READABLE, || receive(&pod)) => match request {
                Ok(Some((RUN, turn, streams))) => {
                    let reply = commands.start(turn, streams);
                    let _ = pod.write_all(&reply.encode()).await;
                }
                Ok(Some((TERMINATE, ..))) => commands.terminate(),
                Ok(Some((KILL, ..))) => commands.kill(),
                Ok(Some((END, ..))) => {
                    commands.end_all(GRACE);
                    return Ok(());
                }
                // The pod is gone, or talks nonsense.
                _ => {
                    commands.end_all(Duration::ZERO);
                    return Ok(());
                }
            },
            _ = ended.recv() => {
                if let Some(status) = commands.reap() {
                    let _ = pod.write_all(&Reply::Ended(status).encode()).await;
                }
            }
        }
    }
}

/// Starts the supervisor in a process of its own that nobody need wait for: were it the pod's child, it would
/// stay behind a killed pod as a zombie until somebody reaps it.
fn detach(args: &SupervisorArgs) -> io::Result<()> {
    let mut program = program()?;
    if let Some(fence) = &args.fence {
        program.args(["--fence", fence]);
    }
    if let Some(first) = args.first {
        program.args(["--first", &first.to_string()]);
    }
    if let Some(begun) = &args.begun {
        program.arg("--begun").arg(begun);
    }
    program.args(["--detached", "--"]).args(&args.command).spawn().map(drop)
}

/// This very program as a supervisor, also where its file has been replaced meanwhile, under a name that tells it
/// from the pod.
pub fn program() -> io::Result<Command> {
    let file = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut program = Command::new(file);
    program.arg0("pod-tools-supervisor").arg(WORD);
    Ok(program)
}

struct Commands {
    args: SupervisorArgs,
    fence: Option<Fence>,
    running: Option<Running>,
}

/// A command that has not been waited for: its id is its own, and that of its process group.
struct Running {
    leader: Pid,
    /// What was beneath it when it was asked to end, once it was.
    doomed: Option<Vec<Pid>>,
}

impl Commands {
    fn start(&mut self, turn: u64, streams: Vec<OwnedFd>) -> Reply {
        let (Some((program, arguments)), Ok([stdin, stdout, stderr, life])) =
            (self.args.command(turn), <[OwnedFd; 4]>::try_from(streams))
        else {
            return Reply::Refused(rustix::io::Errno::INVAL.raw_os_error());
        };
        let life = match &self.fence {
            None => Ok(life),
            Some(fence) => fence.life(life),
        };
        let life = match life {
            Ok(life) => life,
            Err(error) => return Reply::Refused(error.raw_os_error().unwrap_or(0)),
        };
        // The command inherits it, and all that it starts. This process lets go of it: alone it is no life of the pod's.
        if let Err(error) = rustix::io::fcntl_setfd(&life, FdFlags::empty()) {
            return Reply::Refused(error.raw_os_error());
        }
        // Its signal mask is empty and SIGPIPE kills it, whatever this process has inherited.
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(TURN, turn.to_string())
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0);
        let confined = self.fence.as_ref().map_or(Ok(()), |fence| fence.confine(&mut command));
        let started = confined.and_then(|()| command.spawn());
        drop(life);
        match started.map(|child| i32::try_from(child.id()).ok().and_then(Pid::from_raw)) {
            Ok(Some(leader)) => {
                self.running = Some(Running { leader, doomed: None });
                Reply::Started(leader.as_raw_nonzero().get())
            }
            Ok(None) => Reply::Refused(rustix::io::Errno::SRCH.raw_os_error()),
            Err(error) => Reply::Refused(error.raw_os_error().unwrap_or(0)),
        }
    }

    /// Asks the command, and all that is beneath it, to end.
    fn terminate(&mut self) {
        if let Some(running) = &mut self.running {
            let doomed = descendants(running.leader);
            running.signal(Signal::TERM, &doomed);
            running.doomed = Some(doomed);
        }
    }

    fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            let beneath = descendants(running.leader);
            running.doomed.get_or_insert_default().extend(beneath);
            running.kill_doomed();
        }
    }

    /// Ends everything beneath this process: asks for it, and kills what is left after `grace`.
    fn end_all(&self, grace: Duration) {
        // Where there is no `/proc`, the group is all that is known.
        let signal_group = |signal| self.running.as_ref().map(|running| running.signal(signal, &[]));
        if !grace.is_zero() {
            signal_group(Signal::TERM);
            signal_all(Signal::TERM);
            let deadline = Instant::now() + grace;
            while Instant::now() < deadline && !is_alone() {
                std::thread::sleep(PAUSE);
            }
        }
        if !cfg!(target_os = "linux") {
            signal_group(Signal::KILL);
        }
        kill_all();
    }

    /// Reaps what has ended. Gives the status of the command, if it is among that.
    fn reap(&mut self) -> Option<i32> {
        if let Some(running) = &self.running
            && running.doomed.is_some()
            && running.has_ended()
        {
            running.kill_doomed();
        }
        let mut ended = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if self.running.as_ref().is_some_and(|running| running.leader == pid) {
                self.running = None;
                ended = Some(status.as_raw());
            }
        }
        ended
    }
}

impl Running {
    fn signal(&self, signal: Signal, others: &[Pid]) {
        // It fails only where there is nobody left to be signalled.
        let _ = kill_process_group(self.leader, signal);
        for pid in others {
            let _ = kill_process(*pid, signal);
        }
    }

    /// Kills the command's process group, and what of the doomed is still beneath this process: its ids are its own.
    fn kill_doomed(&self) {
        let ours = descendants(getpid());
        let mut doomed = self.doomed.clone().unwrap_or_default();
        doomed.retain(|pid| ours.contains(pid));
        self.signal(Signal::KILL, &doomed);
    }

    /// Whether it has ended; it is left to be waited for.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(self.leader), look), Ok(None))
    }
}

fn signal_all(signal: Signal) {
    for pid in descendants(getpid()) {
        let _ = kill_process(pid, signal);
    }
}

/// Reaps what has ended, and tells whether there is nobody left. This process has a child as long as anybody is beneath
/// it: that is exact, where a look through `/proc` passes over who is being started meanwhile.
fn is_alone() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Err(rustix::io::Errno::CHILD) => return true,
            Ok(None) | Err(_) => return false,
        }
    }
}

/// Kills all processes beneath this one, and reaps them.
fn kill_all() {
    let deadline = Instant::now() + KILLING;
    while !is_alone() && Instant::now() < deadline {
        // Whoever was started while the others were killed is found the next time. Where one has joined this process's
        // own group, it is killed alone.
        for group in groups_beneath(getpid()).into_iter().filter(|group| *group != getpgrp()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        signal_all(Signal::KILL);
        std::thread::sleep(PAUSE);
    }
}

/// Kills a command whose supervisor was killed, and what is beneath it.
pub fn kill_abandoned(leader: Pid) {
    Running { leader, doomed: None }.signal(Signal::KILL, &descendants(leader));
}
