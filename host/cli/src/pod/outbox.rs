//! The queue of lines on their way to one client: it never makes the sender wait, and is bounded, so that a
//! client which does not read costs a fixed amount of memory and nobody's time. What all clients together keep alive is
//! counted too: many that do not read could each hold another history.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// How many lines may wait for one client.
pub const MAX_LINES: usize = 4096;
/// How many bytes of streamed lines may wait for one client when another is added.
pub const MAX_STREAMED: usize = 16 << 20;
/// How many bytes of shared lines may wait for one client when another is added.
pub const MAX_SHARED: usize = 256 << 20;

/// The bytes of all lines that somebody holds, each line once.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The bytes of all lines that wait for clients, are being written, or are kept by the pod: each line once, however many
/// wait for it.
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// A line, newline included.
#[derive(Clone, Debug)]
pub struct OutLine {
    line: Arc<Line>,
    kind: Kind,
}

#[derive(Debug)]
struct Line(Arc<[u8]>);

impl Line {
    fn new(bytes: Arc<[u8]>) -> Arc<Line> {
        HELD.fetch_add(bytes.len(), Ordering::Relaxed);
        Arc::new(Line(bytes))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Streamed,
    Shared,
}

impl OutLine {
    /// A line of the stream of events. Those that wait add up to [`MAX_STREAMED`].
    pub fn streamed(bytes: Arc<[u8]>) -> OutLine {
        OutLine { line: Line::new(bytes), kind: Kind::Streamed }
    }

    /// A line that may be large, and that all who wait for it share: a history, the whole text of a turn, or
    /// what the pod holds on to anyway. It has a bound of its own, [`MAX_SHARED`]: one such line must not
    /// make a client that reads look like one that does not.
    pub fn shared(bytes: Arc<[u8]>) -> OutLine {
        OutLine { line: Line::new(bytes), kind: Kind::Shared }
    }

    /// The same line, as one that the pod holds on to.
    pub fn as_shared(&self) -> OutLine {
        OutLine { line: self.line.clone(), kind: Kind::Shared }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.line.0
    }
}

/// The bytes that wait, of either kind.
#[derive(Debug, Default)]
struct Waiting {
    streamed: AtomicUsize,
    shared: AtomicUsize,
    /// Of both, until they are written.
    unwritten: AtomicUsize,
}

impl Waiting {
    /// The count for a kind, and its bound.
    fn of(&self, kind: Kind) -> (&AtomicUsize, usize) {
        match kind {
            Kind::Streamed => (&self.streamed, MAX_STREAMED),
            Kind::Shared => (&self.shared, MAX_SHARED),
        }
    }
}

/// The sending end, held by the server.
#[derive(Debug)]
pub struct Outbox {
    lines: mpsc::Sender<OutLine>,
    waiting: Arc<Waiting>,
}

/// The receiving end, held by the connection.
#[derive(Debug)]
pub struct Inbox {
    lines: mpsc::Receiver<OutLine>,
    waiting: Arc<Waiting>,
    /// Of the line that was given last.
    writing: usize,
}

/// Why a line was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client is too far behind.
    Full,
    /// The client takes nothing any more.
    Closed,
}

/// An empty queue.
pub fn outbox() -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(MAX_LINES);
    let waiting = Arc::new(Waiting::default());
    (Outbox { lines: sender, waiting: waiting.clone() }, Inbox { lines: receiver, waiting, writing: 0 })
}

impl Outbox {
    /// The bytes that the client has not taken yet.
    pub fn unwritten(&self) -> usize {
        self.waiting.unwritten.load(Ordering::Relaxed)
    }

    /// Queues a line, without waiting.
    pub fn push(&self, line: OutLine) -> Result<(), Refused> {
        let (bytes, limit) = self.waiting.of(line.kind);
        if bytes.load(Ordering::Relaxed) > limit {
            return Err(Refused::Full);
        }
        bytes.fetch_add(line.bytes().len(), Ordering::Relaxed);
        self.waiting.unwritten.fetch_add(line.bytes().len(), Ordering::Relaxed);
        self.lines.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })
    }
}

impl Inbox {
    /// The next line, when the one before is written; `None` once the server has let go of the other end. Cancel safe.
    pub async fn next(&mut self) -> Option<OutLine> {
        self.waiting.unwritten.fetch_sub(std::mem::take(&mut self.writing), Ordering::Relaxed);
        let line = self.lines.recv().await?;
        self.waiting.of(line.kind).0.fetch_sub(line.bytes().len(), Ordering::Relaxed);
        self.writing = line.bytes().len();
        Some(line)
    }

    /// Refuses further lines.
    pub fn close(&mut self) {
        self.lines.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Arc<[u8]> {
        vec![b'x'; length].into()
    }

    #[tokio::test]
    async fn a_queue_takes_so_many_lines_and_room_comes_back_with_reading() {
        let (outbox, mut inbox) = outbox();
        for _ in 0..MAX_LINES {
            outbox.push(OutLine::shared(bytes(1))).unwrap();
        }
        assert_eq!(outbox.push(OutLine::shared(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(OutLine::shared(bytes(1))), Ok(()));
    }

    #[tokio::test]
    async fn bytes_are_bounded_for_each_kind_on_its_own() {
        let (outbox, mut inbox) = outbox();
        outbox.push(OutLine::streamed(bytes(MAX_STREAMED + 1))).unwrap();
        assert_eq!(outbox.push(OutLine::streamed(bytes(1))), Err(Refused::Full));
        let large = bytes(MAX_SHARED / 2 + 1);
        for _ in 0..2 {
            outbox.push(OutLine::shared(large.clone())).unwrap();
        }
        assert_eq!(outbox.push(OutLine::shared(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(OutLine::streamed(bytes(1))), Ok(()));
        assert_eq!(outbox.push(OutLine::shared(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(OutLine::shared(bytes(1))), Ok(()));
    }

    #[tokio::test]
    async fn a_closed_queue_says_so() {
        let (outbox, mut inbox) = outbox();
        inbox.close();
        assert_eq!(outbox.push(OutLine::streamed(bytes(1))), Err(Refused::Closed));
    }
}
