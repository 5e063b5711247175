//! Standard output as messages, on a thread of its own that the end of the process does not wait for.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use crate::streams::{Form, write_out};

/// Messages that wait for the thread that writes.
const WRITES: usize = 16;

/// One message to write, and who wants to know that it is out.
pub struct Output {
    pub bytes: Vec<u8>,
    pub written: Option<oneshot::Sender<io::Result<()>>>,
}

/// Why standard input could not be read to its end, or standard output not written: the first of it.
pub type Broken = Arc<OnceLock<io::Error>>;

/// Writes each message, on a thread that the end of the process does not wait for: a client that
/// has stopped reading holds up the thread, and nothing else.
///
/// The first one that cannot be written is the last: `broken` is told, and the channel is closed.
pub fn write_lines(broken: Broken) -> io::Result<mpsc::Sender<Output>> {
    let (sender, mut receiver) = mpsc::channel::<Output>(WRITES);
    std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
        while let Some(Output { bytes, written }) = receiver.blocking_recv() {
            let done = write_out(&String::from_utf8_lossy(&bytes), Form::Json);
            let failed = done.is_err();
            if let Err(error) = &done {
                let _ = broken.set(again(error));
            }
            if let Some(written) = written {
                let _ = written.send(done);
            }
            if failed {
                return;
            }
        }
    })?;
    Ok(sender)
}

/// The same error: those of the system cannot be cloned.
pub fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
