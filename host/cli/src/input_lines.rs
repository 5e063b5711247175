//! Standard input as lines of bounded length.

use std::io::{self, BufRead, BufReader, Read};

use tokio::sync::mpsc;

use crate::streams::input;

/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What came in.
#[derive(Debug)]
pub enum Input {
    /// A line, with its end if it has one. Blank ones are passed over, and a byte order mark before the first.
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
    let mut input = BufReader::new(input()?);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut is_first = true;
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
                    // Where that fails, the next reading fails too.
                    let _ = input.skip_until(b'\n');
                    Input::TooLong
                }
                Ok(_) => {
                    if is_first && line.starts_with(BYTE_ORDER_MARK) {
                        line.drain(..BYTE_ORDER_MARK.len());
                    }
                    is_first = false;
                    if line.trim_ascii().is_empty() {
                        continue;
                    }
                    Input::Line(line)
                }
            };
            if sender.blocking_send(received).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
