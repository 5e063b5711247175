//! Standard input as lines of bounded length.

use std::io::{self, BufRead, BufReader, Read};

use tokio::sync::mpsc;

use crate::streams::input;

/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What came in.
#[derive(Debug)]
pub enum Input<S> {
    /// A line, with its end if it has one. Blank ones are passed over, and a byte order mark before the first.
    Line(Vec<u8>),
    /// In the place of a line that has more bytes than the limit: what was seen of it.
    TooLong(S),
    /// Reading failed. Nothing comes after this.
    Failed(io::Error),
}

/// What looks at a line that is too long to be held.
pub trait Scan: Default + Send + 'static {
    /// The next bytes of the line.
    fn scan(&mut self, bytes: &[u8]);
}

/// Nothing.
impl Scan for () {
    fn scan(&mut self, _: &[u8]) {}
}

/// The lines of standard input, of at most so many bytes with their ends, from a thread of their own: it may
/// still wait for one when the process ends. Of a line that is too long no more than the limit is ever held.
pub fn read_lines<S: Scan>(limit: u64) -> io::Result<mpsc::Receiver<Input<S>>> {
    let (sender, receiver) = mpsc::channel(1);
    let mut input = BufReader::new(input()?);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut is_first = true;
        while let Some(line) = next_line(&mut input, limit, is_first) {
            is_first = false;
            let is_last = matches!(line, Input::Failed(_));
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// The next line; `None` at the end.
pub fn next_line<S: Scan>(input: &mut impl BufRead, limit: u64, mut is_first: bool) -> Option<Input<S>> {
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Err(error) => return Some(Input::Failed(error)),
            Ok(_) if line.len() as u64 == limit && line.last() != Some(&b'\n') => {
                let mut scanner = S::default();
                scanner.scan(&line);
                drop(line);
                // Where that fails, the next reading fails too.
                let _ = scan_rest(input, &mut scanner);
                return Some(Input::TooLong(scanner));
            }
            Ok(_) => {
                if is_first && line.starts_with(BYTE_ORDER_MARK) {
                    line.drain(..BYTE_ORDER_MARK.len());
                }
                is_first = false;
                if !line.trim_ascii().is_empty() {
                    return Some(Input::Line(line));
                }
            }
        }
    }
}

/// Reads to the end of the line.
fn scan_rest(input: &mut impl BufRead, scanner: &mut impl Scan) -> io::Result<()> {
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = memchr::memchr(b'\n', bytes);
        let (taken, done) = end.map_or((bytes.len(), bytes.is_empty()), |end| (end + 1, true));
        scanner.scan(&bytes[..taken]);
        input.consume(taken);
        if done {
            return Ok(());
        }
    }
}
