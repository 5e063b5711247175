//! Bytes as lines of bounded length, in whatever pieces they come.

use std::io;

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

/// Cuts lines of at most so many bytes, with their ends. Of a line that is too long no more than the limit is ever
/// held.
#[derive(Debug)]
pub struct LineCutter<S> {
    limit: usize,
    /// What has come of the line so far.
    line: Vec<u8>,
    /// It is too long.
    scanner: Option<S>,
    is_first: bool,
}

impl<S: Scan> LineCutter<S> {
    pub fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, line: Vec::new(), scanner: None, is_first: true }
    }

    /// The next line, if it ends within `piece`; what was taken of that is cut off.
    pub fn next(&mut self, piece: &mut &[u8]) -> Option<Input<S>> {
        while !piece.is_empty() {
            let end = memchr::memchr(b'\n', piece);
            let (mut taken, rest) = piece.split_at(end.map_or(piece.len(), |end| end + 1));
            *piece = rest;
            if self.scanner.is_none() {
                let fits = taken.len().min(self.limit - self.line.len());
                self.line.extend_from_slice(&taken[..fits]);
                taken = &taken[fits..];
                if self.line.len() == self.limit && self.line.last() != Some(&b'\n') {
                    let mut scanner = S::default();
                    scanner.scan(&std::mem::take(&mut self.line));
                    self.scanner = Some(scanner);
                }
            }
            if let Some(scanner) = &mut self.scanner {
                scanner.scan(taken);
            }
            if end.is_some()
                && let Some(line) = self.end()
            {
                return Some(line);
            }
        }
        None
    }

    /// The line that has come so far, if there is one: nothing more comes of it.
    pub fn end(&mut self) -> Option<Input<S>> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        if let Some(scanner) = self.scanner.take() {
            return Some(Input::TooLong(scanner));
        }
        let mut line = std::mem::take(&mut self.line);
        if is_first && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        (!line.trim_ascii().is_empty()).then_some(Input::Line(line))
    }
}
