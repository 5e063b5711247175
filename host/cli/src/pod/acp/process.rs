//! The agent's process, as far as its standard streams go: lines in, lines out, neither waiting for the other, and
//! nothing without a bound.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use crate::pod::log;
use crate::pod::supervisor::Supervisor;
use crate::pod::text::Tail;
use crate::pod::turn::{STDERR_TAIL, drain};

/// The longest line that an agent may send, in bytes: a file that it writes is one.
pub const MAX_LINE: usize = 16 << 20;
/// How much may wait to be taken by the agent, beside the message, before no more of it is read.
const MAX_WAITING: usize = 16 << 20;
/// How much is read at a time.
const PIECE: usize = 16 << 10;

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening {
    Line(Vec<u8>),
    /// A line is longer than it may be.
    TooLong,
    /// It has written something that is no whole line yet, or to its standard error.
    Written,
    /// It has closed its standard output.
    Closed,
}

/// Our ends of the agent's standard streams.
#[derive(Debug)]
pub struct Process {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    outgoing: VecDeque<u8>,
    /// How much may wait before no more is read.
    most_waiting: usize,
    /// What has come of lines that are not given yet.
    incoming: Vec<u8>,
    /// How much of it has no line end in it.
    searched: usize,
    errors: Tail,
    /// Bytes that it wrote, to both streams, since they were last counted from nothing.
    written: usize,
}

impl Process {
    /// Has the supervisor's command run with the other ends.
    pub async fn start(supervisor: &mut Supervisor, turn: u64) -> io::Result<Process> {
        let (stdin, to_stdin) = io::pipe()?;
        let (from_stdout, stdout) = io::pipe()?;
        let (from_stderr, stderr) = io::pipe()?;
        let process = Process {
            stdin: Some(pipe::Sender::from_owned_fd(to_stdin.into())?),
            stdout: Some(pipe::Receiver::from_owned_fd(from_stdout.into())?),
            stderr: Some(pipe::Receiver::from_owned_fd(from_stderr.into())?),
            outgoing: VecDeque::new(),
            most_waiting: MAX_WAITING,
            incoming: Vec::new(),
            searched: 0,
            errors: Tail::new(STDERR_TAIL),
            written: 0,
        };
        supervisor.run(turn, [stdin.into(), OwnedFd::from(stdout), stderr.into()]).await?;
        Ok(process)
    }

    /// Queues a line.
    pub fn send(&mut self, line: &[u8]) {
        self.outgoing.extend(line);
    }

    /// Counts from nothing what it writes, and lets a message of that length wait beside the rest.
    pub fn begin_turn(&mut self, message: usize) {
        (self.written, self.most_waiting) = (0, MAX_WAITING + message);
    }

    /// Bytes that it wrote since the turn began.
    pub fn written(&self) -> usize {
        self.written
    }

    /// The end of what it wrote to its standard error.
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// What happens next; never, where nothing can any more. Cancel safe.
    pub async fn next(&mut self) -> Happening {
        loop {
            if let Some(line) = self.whole_line() {
                return Happening::Line(line);
            }
            if self.incoming.len() > MAX_LINE {
                return Happening::TooLong;
            }
            let may_read = self.outgoing.len() <= self.most_waiting;
            let mut errors = [0; STDERR_TAIL];
            self.incoming.reserve(PIECE);
            tokio::select! {
                sent = send_some(&mut self.stdin, self.outgoing.as_slices().0), if !self.outgoing.is_empty() => match sent {
                    Ok(bytes) => drop(self.outgoing.drain(..bytes)),
                    Err(_) => {
                        // Its end is told by its other streams.
                        self.outgoing.clear();
                        self.stdin = None;
                    }
                },
                read = read_some(&mut self.stdout, &mut self.incoming), if may_read && self.stdout.is_some() => {
                    match read {
                        Ok(bytes @ 1..) => {
                            self.written += bytes;
                            if memchr::memchr(b'\n', &self.incoming[self.searched..]).is_none() {
                                self.searched = self.incoming.len();
                                return Happening::Written;
                            }
                        }
                        Ok(0) | Err(_) => {
                            self.stdout = None;
                            return Happening::Closed;
                        }
                    }
                }
                read = read_errors(&mut self.stderr, &mut errors), if self.stderr.is_some() => match read {
                    Ok(bytes @ 1..) => {
                        self.written += bytes;
                        self.errors.push(&errors[..bytes]);
                        log::note(&errors[..bytes]);
                        return Happening::Written;
                    }
                    Ok(0) | Err(_) => self.stderr = None,
                },
                () = std::future::pending() => {}
            }
        }
    }

    /// The lines that it had written when it had ended, and what stood last on its standard error. Does not wait:
    /// something that it left in the background may hold the streams.
    pub fn last_lines(&mut self) -> Vec<Vec<u8>> {
        if let Some(Ok((bytes, _))) = self.stdout.take().as_ref().map(drain) {
            self.incoming.extend(bytes);
        }
        if let Some(Ok((bytes, _))) = self.stderr.take().as_ref().map(drain) {
            self.errors.push(&bytes);
            log::note(&bytes);
        }
        std::iter::from_fn(|| self.whole_line()).collect()
    }

    fn whole_line(&mut self) -> Option<Vec<u8>> {
        let end = self.searched + memchr::memchr(b'\n', &self.incoming[self.searched..])?;
        let rest = self.incoming.split_off(end + 1);
        self.searched = 0;
        Some(std::mem::replace(&mut self.incoming, rest))
    }
}

async fn send_some(stdin: &mut Option<pipe::Sender>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

async fn read_some(stdout: &mut Option<pipe::Receiver>, into: &mut Vec<u8>) -> io::Result<usize> {
    match stdout {
        Some(stdout) => stdout.read_buf(into).await,
        None => std::future::pending().await,
    }
}

async fn read_errors(stderr: &mut Option<pipe::Receiver>, into: &mut [u8]) -> io::Result<usize> {
    match stderr {
        Some(stderr) => stderr.read(into).await,
        None => std::future::pending().await,
    }
}
