//! Standard output as messages, in order: each is written by who sends it where that goes without waiting, and else on
//! a thread of its own that the end of the process does not wait for.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::streams::{Form, write_now, write_out};

/// Messages that wait for the thread that writes.
const WRITES: usize = 16;

/// Where messages go. A clone leads to the same.
#[derive(Clone)]
pub struct Output {
    queue: mpsc::Sender<Message>,
    unwritten: Arc<Unwritten>,
}

/// One message for the thread, and who wants to know that it is out.
struct Message {
    text: String,
    /// So many bytes of it are written already.
    begun: usize,
    written: oneshot::Sender<io::Result<()>>,
}

/// How many messages the thread still has: none is written before them.
#[derive(Default)]
struct Unwritten(Mutex<usize>);

impl Unwritten {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why standard input could not be read to its end, or standard output not written: the first of it.
pub type Broken = Arc<OnceLock<io::Error>>;

/// A place for one message.
pub struct Place<'a> {
    permit: mpsc::Permit<'a, Message>,
    unwritten: &'a Unwritten,
}

impl Output {
    /// The first message that cannot be written is the last: `broken` is told, and the output is closed. A client that
    /// has stopped reading holds up the thread, and nothing else.
    pub fn start(broken: Broken) -> io::Result<Self> {
        let (queue, mut messages) = mpsc::channel::<Message>(WRITES);
        let unwritten = Arc::<Unwritten>::default();
        let of_thread = unwritten.clone();
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            while let Some(Message { text, begun, written }) = messages.blocking_recv() {
                let done = write_out(&text, Form::Json, begun);
                let failed = done.is_err();
                if let Err(error) = &done {
                    let _ = broken.set(again(error));
                } else {
                    *of_thread.lock() -= 1;
                }
                let _ = written.send(done);
                if failed {
                    return;
                }
            }
        })?;
        Ok(Self { queue, unwritten })
    }

    /// Waits for a place. `None`: the output is closed.
    pub async fn place(&self) -> Option<Place<'_>> {
        let permit = self.queue.reserve().await.ok()?;
        Some(Place { permit, unwritten: &self.unwritten })
    }

    /// Waits until the output is closed.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }
}

impl Place<'_> {
    /// Writes a message. `None`: it is out.
    pub fn write(self, text: String) -> Option<oneshot::Receiver<io::Result<()>>> {
        let mut unwritten = self.unwritten.lock();
        let begun = if *unwritten == 0 { write_now(&text) } else { 0 };
        if begun == text.len() {
            return None;
        }
        *unwritten += 1;
        let (sender, written) = oneshot::channel();
        self.permit.send(Message { text, begun, written: sender });
        Some(written)
    }
}

/// The same error: those of the system cannot be cloned.
pub fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
