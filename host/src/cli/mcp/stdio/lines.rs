//! Standard input and output as lines, each on a thread of its own that the end of the process does not wait
//! for.

use std::io::{self, BufRead, Read, Write};

use tokio::sync::{mpsc, oneshot};

/// Messages that wait for the thread that writes.
const WRITES: usize = 16;

/// What came in.
pub enum Input {
    Line(Vec<u8>),
    TooLong,
}

/// One message to write, and who wants to know that it is out.
pub struct Output {
    pub bytes: Vec<u8>,
    pub written: Option<oneshot::Sender<io::Result<()>>>,
}

/// The lines of standard input, from a thread of their own: it may still wait for one when the process ends.
/// Of a line that is too long no more than the limit is ever held.
pub fn read_lines(max_frame: usize) -> io::Result<mpsc::Receiver<Input>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        let limit = (max_frame as u64).saturating_add(1);
        loop {
            let mut line = Vec::new();
            match (&mut input).take(limit).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let too_long = line.len() as u64 == limit && line.last() != Some(&b'\n');
            let received = if too_long {
                drop(line);
                if input.skip_until(b'\n').is_err() {
                    return;
                }
                Input::TooLong
            } else if line.trim_ascii().is_empty() {
                continue;
            } else {
                Input::Line(line)
            };
            if sender.blocking_send(received).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Writes and flushes each message, on a thread that the end of the process does not wait for: a client that
/// has stopped reading holds up the thread, and nothing else.
pub fn write_lines() -> io::Result<mpsc::Sender<Output>> {
    let (sender, mut receiver) = mpsc::channel::<Output>(WRITES);
    std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
        let mut out = io::stdout().lock();
        while let Some(Output { bytes, written }) = receiver.blocking_recv() {
            let done = out.write_all(&bytes).and_then(|()| out.flush());
            let failed = done.is_err();
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
