//! The queue of lines on their way to one client: it never makes the sender wait, and is bounded, so that a
//! client which does not read costs a fixed amount of memory and nobody's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// How many lines may wait for one client.
pub const MAX_LINES: usize = 4096;
/// How many bytes of streamed lines may wait for one client when another is added.
pub const MAX_STREAMED: usize = 16 << 20;

/// A line, newline included.
#[derive(Clone, Debug)]
pub struct Line {
    bytes: Arc<[u8]>,
    streamed: bool,
}

impl Line {
    /// A line of the stream of events. Those that wait add up to [`MAX_STREAMED`].
    pub fn streamed(bytes: Arc<[u8]>) -> Line {
        Line { bytes, streamed: true }
    }

    /// A line that may be large, and that all who wait for it share: a history, the whole text of a turn, or
    /// what the pod holds on to anyway. It counts as a line but its bytes do not: one of them must not make
    /// a client that reads look like one that does not.
    pub fn shared(bytes: Arc<[u8]>) -> Line {
        Line { bytes, streamed: false }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The sending end, held by the server.
#[derive(Debug)]
pub struct Outbox {
    lines: mpsc::Sender<Line>,
    waiting: Arc<AtomicUsize>,
}

/// The receiving end, held by the connection.
#[derive(Debug)]
pub struct Inbox {
    lines: mpsc::Receiver<Line>,
    waiting: Arc<AtomicUsize>,
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
    let waiting = Arc::new(AtomicUsize::new(0));
    (Outbox { lines: sender, waiting: waiting.clone() }, Inbox { lines: receiver, waiting })
}

impl Outbox {
    /// Queues a line, without waiting.
    pub fn push(&self, line: Line) -> Result<(), Refused> {
        if line.streamed {
            if self.waiting.load(Ordering::Relaxed) > MAX_STREAMED {
                return Err(Refused::Full);
            }
            self.waiting.fetch_add(line.bytes.len(), Ordering::Relaxed);
        }
        self.lines.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })
    }
}

impl Inbox {
    /// The next line; `None` once the server has let go of the other end. Cancel safe.
    pub async fn next(&mut self) -> Option<Line> {
        let line = self.lines.recv().await?;
        if line.streamed {
            self.waiting.fetch_sub(line.bytes.len(), Ordering::Relaxed);
        }
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
            outbox.push(Line::shared(bytes(1))).unwrap();
        }
        assert_eq!(outbox.push(Line::shared(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(Line::shared(bytes(1))), Ok(()));
    }

    #[tokio::test]
    async fn streamed_bytes_are_bounded_and_shared_ones_are_not_counted() {
        let (outbox, mut inbox) = outbox();
        outbox.push(Line::shared(bytes(MAX_STREAMED + 1))).unwrap();
        outbox.push(Line::streamed(bytes(MAX_STREAMED + 1))).unwrap();
        assert_eq!(outbox.push(Line::streamed(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(Line::streamed(bytes(1))), Err(Refused::Full));
        inbox.next().await.unwrap();
        assert_eq!(outbox.push(Line::streamed(bytes(1))), Ok(()));
    }

    #[tokio::test]
    async fn a_closed_queue_says_so() {
        let (outbox, mut inbox) = outbox();
        inbox.close();
        assert_eq!(outbox.push(Line::streamed(bytes(1))), Err(Refused::Closed));
    }
}
