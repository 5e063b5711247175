//! Standard input as lines.

use std::io;
use std::ops::Range;

use rustix::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::input_lines::{Input, LineCutter, Scan};
use crate::streams::{input, read_now};

/// The most that is read at once.
const PIECE: usize = 64 << 10;

/// The lines of standard input.
#[derive(Debug)]
pub struct Lines<S> {
    cutter: LineCutter<S>,
    buffer: Vec<u8>,
    /// What of the buffer is still to be cut.
    rest: Range<usize>,
    source: Source,
}

/// Where bytes come from. A pipe or a socket is read where the lines are waited for, by the runtime: a thread in
/// between would have to be woken, and to wake another, for each line. What cannot be read so (a file, a terminal, and
/// anything before Linux 6.4) is read by a thread of its own, which may still wait when the process ends.
#[derive(Debug)]
enum Source {
    Watched(AsyncFd<OwnedFd>),
    Thread(mpsc::Receiver<io::Result<Vec<u8>>>),
    Ended,
}

impl<S: Scan> Lines<S> {
    /// Lines of at most so many bytes, with their ends. To be called within a runtime.
    ///
    /// # Errors
    ///
    /// Fails where the system has no descriptor or no thread left.
    pub fn of_input(limit: u64) -> io::Result<Self> {
        // SAFETY: an owned descriptor stays the same, and open, until the watch that holds it is dropped.
        let watched = unsafe { AsyncFd::register_with_interest(OwnedFd::from(input()?), Interest::READABLE) };
        let source = match watched {
            Ok(watched) => Source::Watched(watched),
            // The kernel tells nobody when a file can be read.
            Err(_) => Source::Thread(read_pieces()?),
        };
        Ok(Self { cutter: LineCutter::new(limit), buffer: Vec::new(), rest: 0..0, source })
    }

    /// The next line; `None` at the end. Dropped, it has lost nothing.
    pub async fn next(&mut self) -> Option<Input<S>> {
        loop {
            let mut piece = &self.buffer[self.rest.clone()];
            let line = self.cutter.next(&mut piece);
            self.rest.start = self.rest.end - piece.len();
            if line.is_some() {
                return line;
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) => return self.cutter.end(),
                Err(error) => {
                    self.source = Source::Ended;
                    return Some(Input::Failed(error));
                }
            }
        }
    }

    /// Waits for the next piece. `false`: there is none.
    async fn read(&mut self) -> io::Result<bool> {
        let read = loop {
            match &mut self.source {
                Source::Watched(watched) => {
                    let mut ready = watched.readable().await?;
                    self.buffer.resize(PIECE, 0);
                    match read_now(ready.get_inner(), &mut self.buffer) {
                        Ok(read) => break read,
                        // Another process may have read it first.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                            self.source = Source::Thread(read_pieces()?);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Source::Thread(pieces) => match pieces.recv().await {
                    Some(piece) => {
                        self.buffer = piece?;
                        break self.buffer.len();
                    }
                    None => break 0,
                },
                Source::Ended => break 0,
            }
        };
        self.rest = 0..read;
        if read == 0 {
            self.source = Source::Ended;
        }
        Ok(read > 0)
    }
}

/// What standard input gives, from a thread that reads on when the last piece but one was taken.
fn read_pieces() -> io::Result<mpsc::Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel(1);
    let mut input = input()?;
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match io::Read::read(&mut input, &mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => return,
                read => read,
            };
            let is_last = read.is_err();
            let piece = read.map(|read| {
                piece.truncate(read);
                piece
            });
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(receiver)
}
