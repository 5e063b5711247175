//! One connection of an HTTP client: knows when what was written is out, ends when the client does not read
//! it, and when no request comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::mcp::delivery::Outbox;

/// A client that takes nothing for so long, with something to take, is gone.
const STALLED: Duration = Duration::from_secs(30);
/// A client has so long for the head of a request: the first from when it has connected, any other from its
/// first byte.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// A connection that was served waits so long for the next request: longer than proxies keep one that they
/// mean to use again (60 s, some 2 minutes), so that it is they who close it.
const KEPT: Duration = Duration::from_secs(180);

/// What a connection waits for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The rest of a request's head, and since when.
    Head(Instant),
    /// The end of an answer.
    Answer,
    /// The next request: since when, and for how long.
    Next(Instant, Duration),
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Head(since) => Some(since + REQUEST_TIME),
            Self::Answer => None,
            Self::Next(since, patience) => Some(since + patience),
        }
    }
}

/// What an answer wants to know of the connection that it goes out on.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How often everything that there was to write has been handed to the system.
    flushed: Arc<watch::Sender<u64>>,
    phase: Arc<watch::Sender<Phase>>,
    /// For requests that belong to no session.
    pub outbox: Outbox,
}

impl Connection {
    /// One that has just been made.
    pub fn new() -> Self {
        let phase = Arc::new(watch::Sender::new(Phase::Head(Instant::now())));
        Self { flushed: Arc::default(), phase, outbox: Outbox::default() }
    }

    /// The head of a request has come.
    pub fn answering(&self) -> Answering {
        self.phase.send_replace(Phase::Answer);
        Answering { phase: self.phase.clone(), patience: REQUEST_TIME }
    }

    /// Since when it has had nothing to do.
    pub fn unused_since(&self) -> Option<Instant> {
        match *self.phase.borrow() {
            Phase::Next(since, _) => Some(since),
            _ => None,
        }
    }

    /// Waits until no request has come for too long.
    pub async fn overdue(&self) {
        let mut phase = self.phase.subscribe();
        loop {
            let deadline = phase.borrow_and_update().deadline();
            let due = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                // The sender lives as long as `self`.
                _ = phase.changed() => {}
            }
        }
    }

    /// Changes as soon as everything that has been given to the connection by now is with the system.
    pub fn flushes(&self) -> watch::Receiver<u64> {
        let mut flushes = self.flushed.subscribe();
        flushes.mark_unchanged();
        flushes
    }
}

/// A request is being answered while this lives.
#[derive(Debug)]
pub struct Answering {
    phase: Arc<watch::Sender<Phase>>,
    patience: Duration,
}

impl Answering {
    /// The client may come in, so its next request is waited for.
    pub fn welcome(&mut self) {
        self.patience = KEPT;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Next(Instant::now(), self.patience));
    }
}

/// The bytes of a connection, watched.
pub struct Watched {
    stream: TokioIo<TcpStream>,
    connection: Connection,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub fn new(stream: TcpStream, connection: Connection) -> Self {
        Self { stream: TokioIo::new(stream), connection, stalled: None }
    }

    fn watch<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.connection.phase.send_if_modified(|phase| {
                let next = matches!(phase, Phase::Next(..));
                if next {
                    *phase = Phase::Head(Instant::now());
                }
                next
            });
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper comes here when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.connection.flushed.send_modify(|flushed| *flushed += 1);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(connection: &Connection) -> Duration {
        connection.phase.borrow().deadline().unwrap() - Instant::now()
    }

    #[test]
    fn a_connection_is_kept_longer_once_its_client_may_come_in() {
        let connection = Connection::new();
        assert!(left(&connection) <= REQUEST_TIME);
        drop(connection.answering());
        assert!(left(&connection) <= REQUEST_TIME);
        let mut answering = connection.answering();
        assert!(connection.phase.borrow().deadline().is_none());
        answering.welcome();
        drop(answering);
        // A proxy of the patient kind keeps one for 2 minutes.
        assert!(left(&connection) > Duration::from_secs(150));
    }
}
