//! Standard input as lines of bounded length.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

/// What came in.
#[derive(Debug)]
pub enum Input {
    /// A line, with its end if it has one. Blank ones are passed over.
    Line(Vec<u8>),
    /// In the place of a line that has more bytes than the limit.
    TooLong,
    /// Reading failed. Nothing comes after this.
    Failed(io::Error),
}

/// The lines of standard input, of at most so many bytes with their ends, from a thread of their own: it may
/// still wait for one when the process ends. Of a line that is too long no more than the limit is ever held.
pub fn read_lines(limit: u64) -> io::Result<mpsc::Receiver<Input>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let received = match (&mut input).take(limit).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Err(error) => {
                    let _ = sender.blocking_send(Input::Failed(error));
                    return;
                }
                Ok(_) if line.len() as u64 == limit && line.last() != Some(&b'\n') => {
                    drop(line);
                    if input.skip_until(b'\n').is_err() {
                        return;
                    }
                    Input::TooLong
                }
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => Input::Line(line),
            };
            if sender.blocking_send(received).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
