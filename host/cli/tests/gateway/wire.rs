//! The protocol's notation, from `wit/gateway.md` and from nothing of the gateway's own code.

use std::collections::VecDeque;

/// A request, or a part of one.
#[derive(Debug, Clone, Default)]
pub struct Written(pub Vec<u8>);

/// The request of that number, without its fields.
pub fn request(number: u8) -> Written {
    Written(vec![number])
}

impl Written {
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut this = self.u32(u32::try_from(bytes.len()).unwrap());
        this.0.extend(bytes);
        this
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub fn within(self, ms: Option<u32>) -> Self {
        match ms {
            None => self.u8(0),
            Some(ms) => self.u8(1).u32(ms),
        }
    }
}

/// What is left of an answer. Every reading panics where it is not there.
#[derive(Debug)]
pub struct Fields(VecDeque<u8>);

impl Fields {
    pub fn of(content: Vec<u8>) -> Self {
        Self(content.into())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.0.drain(..length).collect()
    }

    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = self.u32() as usize;
        self.take(length)
    }

    pub fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.u8() {
            0 => None,
            1 => Some(read(self)),
            other => panic!("{other} is no option"),
        }
    }

    pub fn or_error<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Result<T, Refusal> {
        match self.u8() {
            0 => Ok(read(self)),
            1 => Err(self.error()),
            other => panic!("{other} is neither a result nor an error"),
        }
    }

    pub fn error(&mut self) -> Refusal {
        let kind = KINDS[usize::from(self.u8())];
        let reason = REASONS[usize::from(self.u8())];
        Refusal { kind, reason, message: self.text() }
    }

    pub fn cursor(&mut self) -> (u64, String) {
        (self.u64(), self.text())
    }

    /// A pod's name and its scope: path, writable, recursive.
    pub fn description(&mut self) -> (String, Vec<(String, bool, bool)>) {
        let name = self.text();
        let rules = self.u32();
        let scope = (0..rules).map(|_| (self.text(), self.u8() == 1, self.u8() == 1)).collect();
        if self.u8() == 1 {
            let (_held, missing) = (self.u8(), self.u32());
            (0..missing).for_each(|_| drop(self.text()));
        }
        (name, scope)
    }

    /// Nothing may be left.
    pub fn end(self) {
        assert!(self.0.is_empty(), "bytes behind the end of an answer: {:?}", self.0);
    }
}

const KINDS: [&str; 7] =
    ["invalid-argument", "execution-failed", "unknown-tool", "denied", "timeout", "limit", "internal"];

/// By their numbers; the first is none.
const REASONS: [&str; 16] = [
    "",
    "unknown-pod",
    "already-running",
    "unreachable",
    "socket-timeout",
    "closed",
    "protocol",
    "pod-error",
    "still-running",
    "lock-busy",
    "lock-damaged",
    "registry-damaged",
    "state-unwritable",
    "descriptors-exhausted",
    "not-granted",
    "socket-refused",
];

/// An error, as the gateway answers with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: &'static str,
    /// Empty for none.
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn words(&self) -> (&str, &str) {
        (self.kind, self.reason)
    }
}
