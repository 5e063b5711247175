//! Frames: requests as bytes, answers from bytes. What a gateway sends is checked as it is read: no length is believed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A failed operation, as the wire has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The place in the contract's `error-kind`, from 0.
    pub kind: u8,
    /// The place in the contract's `reason`, from 1; 0 is none.
    pub reason: u8,
    /// To be shown as it is.
    pub message: String,
}

/// `execution-failed`, by its place in `error-kind`.
pub const EXECUTION_FAILED: u8 = 1;
/// `limit`, by its place in `error-kind`.
pub const LIMIT: u8 = 5;
/// `internal`, by its place in `error-kind`.
pub const INTERNAL: u8 = 6;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

/// A request that is being made: its number, and its fields behind it.
#[derive(Debug)]
pub struct Request(Vec<u8>);

impl Request {
    /// The request of that number.
    pub fn new(number: u8) -> Self {
        Self(alloc::vec![number])
    }

    /// Adds a `u8`.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// Adds a `u16`.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a `u32`, or a `handle`.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds a `u64`.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds `bytes`, or a `text`. What is longer than a length can say makes a frame that no gateway takes.
    #[must_use]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut more = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        more.0.extend(bytes);
        more
    }

    /// Adds an `option u32`.
    #[must_use]
    pub fn option(self, value: Option<u32>) -> Self {
        match value {
            None => self.u8(0),
            Some(value) => self.u8(1).u32(value),
        }
    }

    /// Puts the frame behind what is in `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend(u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(&self.0);
    }
}

/// What came is not what the protocol has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A frame that has come, read from its beginning.
#[derive(Debug)]
pub struct Answer {
    frame: Vec<u8>,
    at: usize,
}

impl Answer {
    /// Of the content of a frame.
    pub fn new(frame: Vec<u8>) -> Self {
        Self { frame, at: 0 }
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Malformed> {
        let from = self.at;
        let rest = self.frame.len() - from;
        if length > rest {
            return Err(Malformed);
        }
        self.at += length;
        Ok(&self.frame[from..from + length])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// A `u8`.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    /// A `u8` that is below `count`: a place in an enumeration.
    pub fn place(&mut self, count: u8) -> Result<u8, Malformed> {
        self.u8().and_then(|place| if place < count { Ok(place) } else { Err(Malformed) })
    }

    /// A `bool`.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.place(2).map(|value| value == 1)
    }

    /// A `u16`.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// A `u32`, or a `handle`.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// A `u64`.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        self.u32().and_then(|length| usize::try_from(length).map_err(|_| Malformed))
    }

    /// A `text`.
    pub fn text(&mut self) -> Result<String, Malformed> {
        let length = self.length()?;
        core::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| Malformed)
    }

    /// `bytes` that are all the rest of the frame: not copied.
    pub fn last_bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        if self.length()? != self.frame.len() - self.at {
            return Err(Malformed);
        }
        let mut bytes = core::mem::take(&mut self.frame);
        bytes.drain(..self.at);
        self.at = 0;
        Ok(bytes)
    }

    /// An `option T`.
    pub fn option<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.bool()? { value(self).map(Some) } else { Ok(None) }
    }

    /// A `list T`.
    pub fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.length()?;
        // No element is shorter than a byte: what cannot be there is not made room for.
        if count > self.frame.len() - self.at {
            return Err(Malformed);
        }
        (0..count).map(|_| element(self)).collect()
    }

    /// An `error`.
    pub fn error(&mut self) -> Result<Error, Malformed> {
        Ok(Error { kind: self.place(KINDS)?, reason: self.place(REASONS + 1)?, message: self.text()? })
    }

    /// A `T or error`.
    pub fn or_error<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Result<T, Error>, Malformed> {
        if self.bool()? { self.error().map(Err) } else { value(self).map(Ok) }
    }

    /// That nothing is left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.at == self.frame.len() { Ok(()) } else { Err(Malformed) }
    }
}

/// How many kinds, and how many reasons, the contract has.
const KINDS: u8 = 7;
const REASONS: u8 = 15;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_request_is_the_bytes_that_the_protocol_has_for_it() {
        let mut out = Vec::new();
        Request::new(9).u32(7).u32(0x0001_0000).option(Some(5)).write_to(&mut out);
        assert_eq!(out, [14, 0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 1, 0, 1, 5, 0, 0, 0]);
        out.clear();
        Request::new(1).bytes("a\u{e4}").u8(2).write_to(&mut out);
        assert_eq!(out, [9, 0, 0, 0, 1, 3, 0, 0, 0, b'a', 0xc3, 0xa4, 2]);
        out.clear();
        Request::new(14).option(None).u16(258).u64(3).write_to(&mut out);
        assert_eq!(out[4..], [14, 0, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0]);
    }

    /// An answer of all types, and how it is read.
    fn of_all_types() -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend([1, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
        frame.extend([1, 2, 0, 0, 0, b'h', b'i']);
        frame.extend([2, 0, 0, 0, 1, 0]);
        frame.extend([1, 3, 14, 1, 0, 0, 0, b'!']);
        frame.extend([3, 0, 0, 0, 1, 2, 3]);
        frame
    }

    #[expect(clippy::type_complexity)]
    fn read(
        frame: Vec<u8>,
    ) -> Result<(u16, u32, u64, Option<String>, Vec<bool>, Result<(), Error>, Vec<u8>), Malformed> {
        let mut answer = Answer::new(frame);
        let all = (
            answer.u16()?,
            answer.u32()?,
            answer.u64()?,
            answer.option(Answer::text)?,
            answer.list(Answer::bool)?,
            answer.or_error(|_| Ok(()))?,
            answer.last_bytes()?,
        );
        answer.end()?;
        Ok(all)
    }

    #[test]
    fn an_answer_is_read_as_it_is_written_and_no_beginning_of_it_is_one() {
        let frame = of_all_types();
        let error = Error { kind: 3, reason: 14, message: "!".into() };
        let all = (1, 9, 8, Some("hi".to_owned()), vec![true, false], Err(error), vec![1, 2, 3]);
        assert_eq!(read(frame.clone()), Ok(all));
        for length in 0..frame.len() {
            assert_eq!(read(frame[..length].to_vec()), Err(Malformed), "{length} of {}", frame.len());
        }
        assert_eq!(read([&frame[..], &[0]].concat()), Err(Malformed));
    }

    #[test]
    fn lengths_and_places_beyond_what_there_is_are_refused() {
        let endless = u32::MAX.to_le_bytes().to_vec();
        assert_eq!(Answer::new(endless.clone()).list(Answer::u8), Err(Malformed));
        assert_eq!(Answer::new(endless.clone()).text(), Err(Malformed));
        assert_eq!(Answer::new(endless).last_bytes(), Err(Malformed));
        assert_eq!(Answer::new(vec![7, 0, 0, 0, 0, 0]).error(), Err(Malformed), "no kind has that place");
        assert_eq!(Answer::new(vec![0, 16, 0, 0, 0, 0]).error(), Err(Malformed), "no reason has that place");
        assert_eq!(Answer::new(vec![2]).bool(), Err(Malformed));
        assert_eq!(Answer::new(vec![1, 0, 0, 0, 0xff]).text(), Err(Malformed));
        assert!(Answer::new(vec![6, 15, 0, 0, 0, 0]).error().is_ok());
    }
}
