//! One connection of an HTTP client: knows when what was written is out, ends when the client does not read
//! it, and when no request comes. How long it waits for what is in [`times`](super::times).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::times::{KEPT, REQUEST_TIME, STALLED, TAKEN_A_SECOND};
use crate::mcp::delivery::Outbox;
use crate::newcomers::GREETING;

/// What a connection waits for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// That its client shows that it may come in, since it has connected.
    Newcomer(Instant),
    /// The rest of a request's head, and since when.
    Head(Instant),
    /// The rest of a request's body, and since when. It has a time-out of its own.
    Body(Instant),
    /// The end of an answer.
    Answer,
    /// The next request, and since when.
    Next(Instant),
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Newcomer(since) => Some(since + GREETING),
            Self::Head(since) => Some(since + REQUEST_TIME),
            Self::Body(_) | Self::Answer => None,
            Self::Next(since) => Some(since + KEPT),
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
        let phase = Arc::new(watch::Sender::new(Phase::Newcomer(Instant::now())));
        Self { flushed: Arc::default(), phase, outbox: Outbox::default() }
    }

    /// Its client may come in, with the request that has just come.
    pub fn welcome(&self) {
        self.phase.send_replace(Phase::Answer);
    }

    /// Whether a request of a client that may come in is being answered.
    pub fn is_answering(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Answer)
    }

    /// The body of a request is coming.
    pub fn uploading(&self) {
        self.advance(Phase::Body(Instant::now()));
    }

    /// It has come.
    pub fn uploaded(&self) {
        self.advance(Phase::Answer);
    }

    /// The head of a request has come.
    pub fn answering(&self) -> Answering {
        self.advance(Phase::Answer);
        Answering(self.clone())
    }

    /// A newcomer's time goes on whatever it does.
    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let is_welcome = !matches!(phase, Phase::Newcomer(_));
            if is_welcome {
                *phase = to;
            }
            is_welcome
        });
    }

    /// Since when it has waited for its client's next request, or for the rest of one.
    pub fn waits_since(&self) -> Option<Instant> {
        match *self.phase.borrow() {
            Phase::Next(since) | Phase::Head(since) | Phase::Body(since) => Some(since),
            Phase::Newcomer(_) | Phase::Answer => None,
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
pub struct Answering(Connection);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.advance(Phase::Next(Instant::now()));
    }
}

/// The bytes of a connection, watched.
pub struct Watched {
    stream: TokioIo<TcpStream>,
    connection: Connection,
    taking: Option<Taking>,
}

/// How a client takes what it did not take at once.
struct Taking {
    since: Instant,
    bytes: u64,
    due: Pin<Box<Sleep>>,
}

impl Taking {
    fn begin() -> Self {
        let since = Instant::now();
        Self { since, bytes: 0, due: Box::pin(sleep_until(since + STALLED)) }
    }

    fn took(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.due.as_mut().reset(self.since + STALLED + Duration::from_secs(self.bytes / TAKEN_A_SECOND));
    }
}

impl Watched {
    pub fn new(stream: TcpStream, connection: Connection) -> Self {
        Self { stream: TokioIo::new(stream), connection, taking: None }
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = written {
            if let (Some(taking), Ok(bytes)) = (&mut self.taking, &done) {
                taking.took(*bytes);
            }
            return Poll::Ready(done);
        }
        let taking = self.taking.get_or_insert_with(Taking::begin);
        match taking.due.as_mut().poll(context) {
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
                let next = matches!(phase, Phase::Next(_));
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
            self.taking = None;
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
    fn a_newcomer_has_seconds_whatever_it_does_and_one_that_may_come_in_is_kept() {
        let connection = Connection::new();
        drop(connection.answering());
        assert!(left(&connection) <= GREETING);
        let answering = connection.answering();
        assert!(left(&connection) <= GREETING);
        connection.welcome();
        assert!(connection.phase.borrow().deadline().is_none());
        drop(answering);
        // A proxy of the patient kind keeps one for 2 minutes.
        assert!(left(&connection) > Duration::from_secs(150));
    }

    #[tokio::test]
    async fn a_client_that_takes_little_has_so_much_longer_and_no_more() {
        let mut taking = Taking::begin();
        let left = |taking: &Taking| taking.due.deadline() - taking.since;
        assert_eq!(left(&taking), STALLED);
        for _ in 0..1000 {
            taking.took(TAKEN_A_SECOND as usize / 10);
        }
        assert!(left(&taking) <= STALLED + Duration::from_secs(100));
        assert!(left(&taking) > STALLED + Duration::from_secs(98));
    }
}
