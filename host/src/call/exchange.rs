//! One exchange: a connection, the one request that goes out on it, and what comes back.

use std::io;
use std::os::unix::net::UnixStream as Plain;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::UnixStream as Watched;
use tokio::time::{Instant, timeout_at};

use crate::authority::ledger::Ledger;
use crate::authority::limits::LimitReached;
use crate::error::{Reason, ToolError};
use crate::sockets::connect::timed_out;

/// The most that one read gives: as large as the kernel hands over in a few pieces, small beside a history.
const MAX_READ: usize = 256 << 10;

/// An open exchange. The request is written while the guest reads, from its first read on.
#[derive(Debug)]
pub struct Exchange {
    socket: Socket,
    /// What of the request has not been written yet.
    unsent: Vec<u8>,
    sent: usize,
    /// How much longer may be waited in it, if it was opened with a time of its own. What the plugin does meanwhile does
    /// not count: otherwise it would tell the time by what is left.
    pub(super) left: Option<Duration>,
    /// Bytes since the last line break.
    line: u64,
    max_line: u64,
    /// Why nothing can be read any more.
    broken: Option<ToolError>,
    /// Keeps the exchange counted as open for as long as it lives.
    open: OpenExchange,
    /// Where its bytes are counted, if they are.
    ledger: Option<Ledger>,
}

/// A connected socket that does not block. The runtime hears of it when it has to be waited for, and not before:
/// a new connection can be written to, and to be woken for that would take as long as writing.
#[derive(Debug)]
enum Socket {
    Plain(Plain),
    Watched(Watched),
    /// The runtime could not watch it.
    Lost,
}

impl Socket {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?),
            Self::Watched(socket) => socket.try_write(bytes),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Appends what has arrived, as much as there is room for.
    fn receive(&self, piece: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => {
                let room = rustix::buffer::spare_capacity(piece);
                let (received, _) = rustix::net::recv(socket, room, RecvFlags::empty())?;
                Ok(received)
            }
            Self::Watched(socket) => socket.try_read_buf(piece),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn watch(&mut self) -> io::Result<&Watched> {
        if let Self::Plain(_) = self
            && let Self::Plain(socket) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Watched(Watched::from_std(socket)?);
        }
        match self {
            Self::Watched(socket) => Ok(socket),
            Self::Plain(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Counts an open exchange, and the bytes that it still has to send, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenExchange {
    /// Shared by all of a call.
    unsent: Arc<AtomicUsize>,
    own: usize,
}

/// How many exchanges a call has open, and how many bytes they have to send.
#[derive(Debug, Default)]
pub(crate) struct OpenExchanges(Arc<AtomicUsize>);

impl OpenExchanges {
    /// Takes a place for one more, if fewer than `limit` are taken.
    pub(crate) fn take(&self, limit: usize) -> Result<OpenExchange, LimitReached> {
        // One of the counted is this one.
        if Arc::strong_count(&self.0) > limit {
            return Err(LimitReached::Exchanges(limit));
        }
        Ok(OpenExchange { unsent: self.0.clone(), own: 0 })
    }

    /// How many bytes they have to send, all together.
    pub(super) fn unsent(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl OpenExchange {
    /// How many bytes it may have to send, where all of a call together may have `limit`.
    pub(crate) fn room(&self, limit: usize) -> usize {
        limit.saturating_sub(self.unsent.load(Ordering::Relaxed))
    }

    fn set_unsent(&mut self, bytes: usize) {
        self.unsent.fetch_add(bytes, Ordering::Relaxed);
        self.unsent.fetch_sub(std::mem::replace(&mut self.own, bytes), Ordering::Relaxed);
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.set_unsent(0);
    }
}

/// The runtime could not watch a connection.
fn unwatched(error: io::Error) -> ToolError {
    ToolError::failed(Reason::DescriptorsExhausted, format!("connect: {error}"))
}

impl Exchange {
    /// `socket` is connected, and does not block.
    pub(crate) fn new(
        socket: Plain,
        request: Vec<u8>,
        left: Option<Duration>,
        max_line: u64,
        mut open: OpenExchange,
        ledger: Option<Ledger>,
    ) -> Self {
        open.set_unsent(request.len());
        Self {
            socket: Socket::Plain(socket),
            unsent: request,
            sent: 0,
            left,
            line: 0,
            max_line,
            broken: None,
            open,
            ledger,
        }
    }

    /// What has arrived, at most `max` bytes, as soon as there is anything; empty at the end. `waiting` is
    /// the time that is left, for the message of a time-out.
    pub(super) async fn read(
        &mut self,
        max: usize,
        deadline: Instant,
        waiting: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut piece = Vec::with_capacity(max.clamp(1, MAX_READ));
        match timeout_at(deadline, self.fill(&mut piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.broken = Some(error.clone());
                return Err(error);
            }
            Err(_) => {
                let operation = if self.sent < self.unsent.len() { "write" } else { "read" };
                return Err(timed_out(operation, waiting));
            }
        }
        if let Some(ledger) = &self.ledger {
            ledger.count_received(piece.len());
        }
        if let Err(limit) = self.count_lines(&piece) {
            let error = ToolError::from(limit);
            self.broken = Some(error.clone());
            return Err(error);
        }
        Ok(piece)
    }

    /// Writes of the request what can be written at once, and has the runtime watch the connection.
    pub(super) fn watch(&mut self) -> Result<(), ToolError> {
        if self.broken.is_none() {
            self.send_some();
            self.socket.watch().map_err(unwatched)?;
        }
        Ok(())
    }

    /// Whether there is something to read, or nothing will be any more. Wakes the task when that may have changed. The
    /// runtime watches the connection already.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Socket::Watched(socket) = &self.socket else { return Poll::Ready(()) };
        if self.broken.is_some() {
            return Poll::Ready(());
        }
        loop {
            if std::task::ready!(socket.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            // The runtime remembers what may be over.
            let peeked = socket.try_io(Interest::READABLE, || {
                rustix::net::recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
                Ok(())
            });
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Writes what is left of the request and waits for something to read, both at the same time: neither
    /// side of the socket can hold up the other.
    async fn fill(&mut self, piece: &mut Vec<u8>) -> Result<(), ToolError> {
        let closed = |error| ToolError::failed(Reason::Closed, format!("read: {error}"));
        loop {
            self.send_some();
            match self.socket.receive(piece) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(closed(error)),
            }
            let interest = if self.sent < self.unsent.len() {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let watched = self.socket.watch().map_err(unwatched)?;
            watched.ready(interest).await.map_err(closed)?;
        }
    }

    fn send_some(&mut self) {
        while self.sent < self.unsent.len() {
            match self.socket.send(&self.unsent[self.sent..]) {
                Ok(written) => {
                    self.sent += written;
                    if let Some(ledger) = &self.ledger {
                        ledger.count_sent(written);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The pod has stopped listening. What it said before that can still be read.
                Err(_) => self.sent = self.unsent.len(),
            }
        }
        // A message may be large, and the answer to it larger: not both are held.
        self.unsent = Vec::new();
        self.sent = 0;
        self.open.set_unsent(0);
    }

    /// Counts the bytes of the lines that pass.
    fn count_lines(&mut self, piece: &[u8]) -> Result<(), LimitReached> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            self.check_line(end - start)?;
            self.line = 0;
            start = end + 1;
        }
        self.check_line(piece.len() - start)
    }

    fn check_line(&mut self, more: usize) -> Result<(), LimitReached> {
        self.line = self.line.saturating_add(more as u64);
        if self.line > self.max_line { Err(LimitReached::Line(self.max_line)) } else { Ok(()) }
    }
}
