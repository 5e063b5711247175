//! A session: one connection to the gateway, one call of a tool.
//!
//! A request waits for its answer; what needs none, and the request that begins, are sent with the request that comes
//! next, so that no function of the contract takes more than one round trip. A request that fails for nothing but the end
//! of the session is sent at once, and its answer read with the next one that is waited for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::frame::{Answer, EXECUTION_FAILED, Error, INTERNAL, LIMIT, Malformed, Request};
use crate::link::{Broken, Link};

/// The version of the protocol.
pub const VERSION: u16 = 4;

/// The numbers of requests, as the protocol has them.
#[expect(missing_docs)]
pub mod number {
    pub const BEGIN: u8 = 0;
    pub const FIND: u8 = 1;
    pub const LIST: u8 = 2;
    pub const STATE: u8 = 3;
    pub const CURSOR: u8 = 4;
    pub const SET_CURSOR: u8 = 5;
    pub const FORGET: u8 = 6;
    pub const DROP_POD: u8 = 7;
    pub const OPEN: u8 = 8;
    pub const READ: u8 = 9;
    pub const DROP_EXCHANGE: u8 = 10;
    pub const PROBE: u8 = 11;
    pub const AWAIT_CLOSED: u8 = 12;
    pub const RELEASE: u8 = 13;
    pub const RECLAIM_STALE: u8 = 14;
    pub const COMMIT: u8 = 15;
    pub const AWAIT_ANY: u8 = 16;
    pub const SPAWNED_BY: u8 = 17;
}

/// How long connecting, and the answer to the first request, may take. A wrong token is answered after a second.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How much longer than a whole call an answer may take: the gateway ends the session itself before that.
const AFTER_THE_CALL: Duration = Duration::from_secs(10);
/// The longest first answer, and the longest of all others, in bytes.
const LONGEST_FIRST: usize = 64 << 10;
const LONGEST: usize = 1 << 30;
/// How many bytes are taken at once: the first of an answer, and its rest.
const FIRST_PIECE: usize = 8 << 10;
const PIECE: usize = 1 << 20;

/// The bounds of the call, as the gateway tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Time of one socket operation, in milliseconds.
    pub operation_ms: u32,
    /// How many bytes of a pod's text one answer should hold at most.
    pub max_output: Option<u64>,
    /// Time of the whole call, in milliseconds.
    pub call_ms: u32,
}

/// A session with a gateway. Dropped without [`commit`](Self::commit), it has moved no cursor.
#[derive(Debug)]
pub struct Session<L> {
    gateway: SocketAddr,
    /// Once there was something to ask.
    link: Option<L>,
    /// What has come of the next answer.
    received: Vec<u8>,
    /// Frames that are sent with the next request.
    unsent: Vec<u8>,
    /// How many requests were sent whose answers are read before the next one.
    unanswered: usize,
    /// The first of these that has failed.
    failed_later: Option<Error>,
    /// Once the answer to `begin` was read.
    bounds: Option<Bounds>,
    asked: u64,
    over: Option<Error>,
    /// The connection broke.
    is_cut: bool,
}

impl<L: Link> Session<L> {
    /// Notes who asks whom. Nothing is sent, nor connected, before there is something to ask: the time of the session
    /// begins with that.
    pub fn begin(gateway: SocketAddr, token: &str) -> Self {
        let mut unsent = Vec::new();
        Request::new(number::BEGIN).bytes(b"podtools").u16(VERSION).bytes(token).write_to(&mut unsent);
        Self {
            gateway,
            link: None,
            received: Vec::new(),
            unsent,
            unanswered: 0,
            failed_later: None,
            bounds: None,
            asked: 0,
            over: None,
            is_cut: false,
        }
    }

    /// Why the session is over, if it is.
    pub fn over(&self) -> Option<&Error> {
        self.over.as_ref()
    }

    /// How many requests have been answered, or would have been.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// The bounds of the call.
    ///
    /// # Errors
    ///
    /// The one that ends the session, as the gateway, or the lack of it, has it.
    pub fn bounds(&mut self) -> Result<Bounds, Error> {
        self.within(|session| match session.bounds {
            Some(bounds) => Ok(bounds),
            None => session.send().and_then(|()| session.first_answer()),
        })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    ///
    /// What the contract's function fails with, or why the session is over.
    pub fn ask<T>(
        &mut self,
        request: &Request,
        result: impl FnOnce(&mut Answer) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        self.asked += 1;
        let answered = self.within(|session| {
            request.write_to(&mut session.unsent);
            session.send()?;
            session.first_answer()?;
            while session.unanswered > 0 {
                session.unanswered -= 1;
                let failed = session.result_of(|_| Ok(()))?.err();
                session.failed_later = session.failed_later.take().or(failed);
            }
            session.result_of(result)
        });
        answered?
    }

    /// Sends a request that gives nothing, and goes on: its answer is read with that to the next request. What it fails
    /// with, [`commit`](Self::commit) tells.
    ///
    /// # Errors
    ///
    /// Why the session is over.
    pub fn ask_ahead(&mut self, request: &Request) -> Result<(), Error> {
        self.asked += 1;
        self.within(|session| {
            request.write_to(&mut session.unsent);
            session.unanswered += 1;
            session.send()
        })
    }

    /// The answer to the request that is next in turn.
    fn result_of<T>(
        &mut self,
        result: impl FnOnce(&mut Answer) -> Result<T, Malformed>,
    ) -> Result<Result<T, Error>, Error> {
        let mut answer = self.answer(LONGEST)?;
        match answer.u8() {
            Ok(0) => result(&mut answer).and_then(|result| answer.end().map(|()| Ok(result))),
            Ok(1) => answer.error().and_then(|error| answer.end().map(|()| Err(error))),
            Ok(2) => return Err(self.ended(&mut answer)),
            _ => Err(Malformed),
        }
        .map_err(|Malformed| self.nonsense())
    }

    /// Asks for more of what a pod says, as [`ask`](Self::ask) does, as long as that leaves enough for the call's end.
    ///
    /// # Errors
    ///
    /// As those of [`ask`](Self::ask), and of kind `limit`, which does not end the session.
    pub fn ask_for_more<T>(
        &mut self,
        request: &Request,
        result: impl FnOnce(&mut Answer) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        match &self.link {
            Some(link) if self.over.is_none() && link.is_nearly_spent() => Err(self.spent()),
            _ => self.ask(request, result),
        }
    }

    /// Notes a request that has no answer. It is sent with the next one that has.
    pub fn tell(&mut self, request: &Request) {
        if self.over.is_none() {
            request.write_to(&mut self.unsent);
        }
    }

    /// Ends the session and has its cursors stored. Where nothing was asked, there are none. Where only the answer to
    /// this does not come, nobody can tell whether they were: what the call has given stands, and at worst it is given
    /// again.
    ///
    /// # Errors
    ///
    /// Why the session was over before, or why they were not stored, or not taken ([`ask_ahead`](Self::ask_ahead)).
    pub fn commit(mut self) -> Result<(), Error> {
        if let Some(error) = &self.over {
            return Err(error.clone());
        }
        if self.link.is_none() {
            return Ok(());
        }
        let committed = self.ask(&Request::new(number::COMMIT), |_| Ok(()));
        match self.failed_later {
            Some(error) => Err(error),
            None if self.is_cut => Ok(()),
            None => committed,
        }
    }

    /// Does what may end the session, unless it is over.
    fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(error) = &self.over {
            return Err(error.clone());
        }
        work(self).inspect_err(|error| self.over = Some(error.clone()))
    }

    /// The connection, which is made for the first request.
    fn link(&mut self) -> Result<&mut L, Error> {
        let link = match self.link.take() {
            Some(link) => link,
            None => L::connect(self.gateway, FIRST_ANSWER).map_err(|reason| {
                failed(format!(
                    "no gateway can be reached at {}: {reason}; start one there with `pod-tools gateway`, and let this \
                     component's host allow it TCP connections to that address",
                    self.gateway
                ))
            })?,
        };
        Ok(self.link.insert(link))
    }

    fn send(&mut self) -> Result<(), Error> {
        let frames = core::mem::take(&mut self.unsent);
        match self.link()?.send(&frames) {
            // A gateway that ends a session says why, and the rest of a request may not find it open.
            Ok(()) | Err(Broken::Ended) => Ok(()),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    /// The bounds, from the answer to `begin` if that was not read yet.
    fn first_answer(&mut self) -> Result<Bounds, Error> {
        if let Some(bounds) = self.bounds {
            return Ok(bounds);
        }
        let mut answer = self.answer(LONGEST_FIRST)?;
        let bounds = match answer.u8() {
            Ok(0) => match answer.u16() {
                Ok(VERSION) => bounds(&mut answer),
                Ok(version) => return Err(self.other_version(version)),
                Err(Malformed) => Err(Malformed),
            },
            Ok(2) => return Err(self.ended(&mut answer)),
            _ => Err(Malformed),
        };
        let bounds = bounds.map_err(|Malformed| self.no_gateway())?;
        self.bounds = Some(bounds);
        let time = Duration::from_millis(bounds.call_ms.into()).saturating_add(AFTER_THE_CALL);
        self.link()?.wait_at_most(time);
        Ok(bounds)
    }

    /// The next frame.
    fn answer(&mut self, longest: usize) -> Result<Answer, Error> {
        let mut frame = core::mem::take(&mut self.received);
        let length = loop {
            if let Some(length) = frame.first_chunk() {
                break usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            }
            frame.extend(self.receive(FIRST_PIECE)?);
        };
        if length > longest {
            return Err(self.nonsense());
        }
        frame.drain(..4);
        while frame.len() < length {
            frame.extend(self.receive(PIECE.min(length - frame.len()))?);
        }
        self.received = frame.split_off(length);
        Ok(Answer::new(frame))
    }

    fn receive(&mut self, max: usize) -> Result<Vec<u8>, Error> {
        let received = self.link()?.receive(max);
        received.map_err(|broken| self.broken(broken))
    }

    /// The error with which the gateway has ended the session.
    fn ended(&self, answer: &mut Answer) -> Error {
        let error = answer.error().and_then(|error| answer.end().map(|()| error));
        error.unwrap_or_else(|Malformed| self.nonsense())
    }

    fn nonsense(&self) -> Error {
        if self.bounds.is_none() {
            return self.no_gateway();
        }
        internal(format!("the gateway at {} answered what its protocol does not have", self.gateway))
    }

    fn other_version(&self, version: u16) -> Error {
        internal(format!(
            "the gateway at {} speaks version {version} of its protocol, this component version {VERSION}; compose \
             the component anew with the `pod-tools` that runs the gateway",
            self.gateway
        ))
    }

    fn no_gateway(&self) -> Error {
        internal(format!(
            "what listens at {} is not a gateway: it does not answer as one; name the address that `pod-tools \
             gateway` has printed",
            self.gateway
        ))
    }

    fn broken(&mut self, broken: Broken) -> Error {
        self.is_cut = true;
        let gateway = self.gateway;
        let before = if self.bounds.is_some() { "the call was at its end" } else { "it had answered" };
        match broken {
            Broken::Ended => failed(format!(
                "the gateway at {gateway} closed the connection before {before}; if it is no longer running, start it \
                 again, and call again"
            )),
            Broken::TimedOut => failed(format!(
                "the gateway at {gateway} did not answer in time; see whether it is a gateway, and whether it is stopped"
            )),
            Broken::Spent => self.spent(),
        }
    }

    fn spent(&self) -> Error {
        limit(format!(
            "this component's host lets one call ask it no more for what the gateway at {} sends; ask for less at \
             once (`pod-tools gateway --max-output`, `--op-timeout`)",
            self.gateway
        ))
    }
}

fn bounds(answer: &mut Answer) -> Result<Bounds, Malformed> {
    let (operation_ms, max_output) = (answer.u32()?, answer.option(Answer::u64)?);
    let bounds = Bounds { operation_ms, max_output, call_ms: answer.u32()? };
    answer.end()?;
    Ok(bounds)
}

fn failed(message: String) -> Error {
    Error { kind: EXECUTION_FAILED, reason: 0, message }
}

fn limit(message: String) -> Error {
    Error { kind: LIMIT, reason: 0, message }
}

fn internal(message: String) -> Error {
    Error { kind: INTERNAL, reason: 0, message }
}
