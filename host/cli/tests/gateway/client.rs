//! A client of the gateway's protocol. It waits for answers, never for a time to pass.

use std::io::{ErrorKind, Read, Write};

use crate::wire::{Fields, Refusal, Written, request};

pub const SEND: u8 = 1;
pub const READ: u8 = 2;
pub const STOP: u8 = 3;
pub const LIST: u8 = 0;

/// A connection to a gateway.
pub struct Client<S> {
    pub stream: S,
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The function failed, and the session goes on.
    Failed(Refusal),
    /// The session is over.
    Over(Refusal),
    /// The connection was closed without an answer.
    Closed,
}

impl Ended {
    /// The error of a function.
    pub fn failed(self) -> Refusal {
        match self {
            Self::Failed(refusal) => refusal,
            other => panic!("the session did not go on: {other:?}"),
        }
    }

    /// The error of a session.
    pub fn over(self) -> Refusal {
        match self {
            Self::Over(refusal) => refusal,
            other => panic!("the session is not over: {other:?}"),
        }
    }
}

/// What `find` gives.
#[derive(Debug)]
pub struct Found {
    pub pod: u32,
    pub name: String,
    pub scope: Vec<(String, bool, bool)>,
    pub state: Option<Result<u8, Refusal>>,
    pub cursor: Option<Result<Option<(u64, String)>, Refusal>>,
}

impl<S: Read + Write> Client<S> {
    pub fn of(stream: S) -> Self {
        Self { stream }
    }

    /// Sends a frame of that content.
    pub fn send(&mut self, content: &Written) {
        let frame = Written::default().bytes(&content.0);
        self.stream.write_all(&frame.0).unwrap();
    }

    /// Sends bytes as they are; where the other side has closed already, some of them.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The content of the next frame; `None` where the connection ends before it.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let mut content = vec![0; u32::from_le_bytes(length) as usize];
        self.fill(&mut content)?;
        Some(content)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            // A reset is none: it may have taken an answer with it.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The next answer, read with `read`, to its end.
    pub fn answer<T>(&mut self, read: impl FnOnce(&mut Fields) -> T) -> Result<T, Ended> {
        let content = self.receive().ok_or(Ended::Closed)?;
        let mut fields = Fields::of(content);
        let answer = match fields.u8() {
            0 => Ok(read(&mut fields)),
            1 => Err(Ended::Failed(fields.error())),
            2 => Err(Ended::Over(fields.error())),
            other => panic!("{other} begins no answer"),
        };
        fields.end();
        if matches!(answer, Err(Ended::Over(_))) {
            assert_eq!(self.receive(), None, "the gateway closes the connection of a session that is over");
        }
        answer
    }

    /// Asks, and reads the result.
    pub fn ask<T>(&mut self, content: &Written, read: impl FnOnce(&mut Fields) -> T) -> Result<T, Ended> {
        self.send(content);
        self.answer(read)
    }

    /// Begins the session: version, operation-ms, max-output, call-ms.
    pub fn begin(&mut self, token: &str) -> Result<(u16, u32, Option<u64>, u32), Ended> {
        self.ask(&beginning(4, token), |it| (it.u16(), it.u32(), it.option(Fields::u64), it.u32()))
    }

    pub fn find(&mut self, name: &str, purpose: u8) -> Result<Found, Ended> {
        self.ask(&request(1).text(name).u8(purpose), |it| {
            let pod = it.u32();
            let (name, scope) = it.description();
            let state = it.option(|it| it.or_error(Fields::u8));
            let cursor = it.option(|it| it.or_error(|it| it.option(Fields::cursor)));
            Found { pod, name, scope, state, cursor }
        })
    }

    /// The handles and names, and how many records cannot be read.
    pub fn list(&mut self) -> Result<(Vec<(u32, String)>, u32), Ended> {
        self.ask(&request(2), |it| {
            let count = it.u32();
            let pods = (0..count).map(|_| (it.u32(), it.description().0)).collect();
            (pods, it.u32())
        })
    }

    pub fn state(&mut self, pod: u32) -> Result<u8, Ended> {
        self.ask(&request(3).u32(pod), Fields::u8)
    }

    pub fn cursor(&mut self, pod: u32) -> Result<Option<(u64, String)>, Ended> {
        self.ask(&request(4).u32(pod), |it| it.option(Fields::cursor))
    }

    pub fn set_cursor(&mut self, pod: u32, items: u64, digest: &str) -> Result<(), Ended> {
        self.ask(&request(5).u32(pod).u64(items).text(digest), |_| ())
    }

    pub fn forget(&mut self, pod: u32) -> Result<(), Ended> {
        self.ask(&request(6).u32(pod), |_| ())
    }

    /// Has no answer.
    pub fn drop_pod(&mut self, pod: u32) {
        self.send(&request(7).u32(pod));
    }

    pub fn run(&mut self, pod: u32, text: &str) -> Result<u32, Ended> {
        self.ask(&request(8).u32(pod).u8(0).text(text).within(None), opened)
    }

    pub fn get_history(&mut self, pod: u32) -> Result<u32, Ended> {
        self.ask(&request(8).u32(pod).u8(1).within(None), opened)
    }

    pub fn shutdown(&mut self, pod: u32) -> Result<u32, Ended> {
        self.ask(&request(8).u32(pod).u8(2).within(None), opened)
    }

    pub fn read(&mut self, exchange: u32, within_ms: Option<u32>) -> Result<Vec<u8>, Ended> {
        self.ask(&request(9).u32(exchange).u32(1 << 20).within(within_ms), Fields::bytes)
    }

    /// Reads to the end of the next line.
    pub fn read_line(&mut self, exchange: u32) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let piece = self.read(exchange, None).unwrap();
            assert!(!piece.is_empty(), "the pod has closed the connection");
            line.extend(piece);
        }
        String::from_utf8(line).unwrap()
    }

    /// Has no answer.
    pub fn drop_exchange(&mut self, exchange: u32) {
        self.send(&request(10).u32(exchange));
    }

    pub fn probe(&mut self, pods: &[u32]) -> Result<Vec<u8>, Ended> {
        let list = request(11).u32(u32::try_from(pods.len()).unwrap());
        let content = pods.iter().fold(list, |all, pod| all.u32(*pod));
        self.ask(&content, Fields::bytes)
    }

    pub fn await_closed(&mut self, pod: u32) -> Result<bool, Ended> {
        self.ask(&request(12).u32(pod).within(None), |it| it.u8() == 1)
    }

    pub fn release(&mut self, pod: u32, within_ms: Option<u32>) -> Result<(), Ended> {
        self.ask(&request(13).u32(pod).within(within_ms), |_| ())
    }

    pub fn reclaim_stale(&mut self) -> Result<u32, Ended> {
        self.ask(&request(14).within(None), Fields::u32)
    }

    /// Commits; behind its answer the gateway closes the connection.
    pub fn commit(mut self) -> Result<(), Ended> {
        self.ask(&request(15), |_| ())?;
        assert_eq!(self.receive(), None, "the gateway closes the connection behind a commit");
        Ok(())
    }
}

/// The request that begins a session of that version.
pub fn beginning(version: u16, token: &str) -> Written {
    request(0).text("podtools").u16(version).text(token)
}

/// The handle of an exchange, which has the pod's state with it.
pub fn opened(answer: &mut Fields) -> u32 {
    let exchange = answer.u32();
    answer.option(|answer| answer.or_error(Fields::u8));
    exchange
}
