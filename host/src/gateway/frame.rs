//! Frames, as `wit/gateway.md` writes them: the content of a request becomes a [`Request`], or is refused; results become
//! the content of an answer. Lengths are believed no further than there are bytes.

use crate::imports::bindings::pod::tools::pods::{Cursor, Description, Permission, State, Verb};
use crate::imports::bindings::pod::tools::types::Error;
use crate::imports::bindings::pod::tools::unix_socket::{Awaited, Reachability, Request as PodRequest};

/// The version of the protocol.
pub(super) const VERSION: u16 = 4;
/// With what a session begins, so that whoever listens at another kind of port does not take it for something else.
const MAGIC: &[u8; 8] = b"podtools";
/// The number of the request that begins a session.
const BEGIN: u8 = 0;
/// That of the request that ends it.
pub(super) const COMMIT: u8 = 15;
pub(super) const FIND: u8 = 1;
pub(super) const CURSOR: u8 = 4;
pub(super) const SET_CURSOR: u8 = 5;

/// The most bytes that the content of a session's first frame has.
pub const MAX_BEGIN: usize = 8 << 10;

/// The result, behind it.
const RESULT: u8 = 0;
/// The error of a function, behind it.
const FAILED: u8 = 1;
/// The error that ends the session, behind it.
const OVER: u8 = 2;

/// A request that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it ends before its {0}")]
    Short(&'static str),
    #[error("{0} byte(s) follow behind its end")]
    Long(usize),
    #[error("its {0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("{value} is no {what}")]
    Unknown { what: &'static str, value: u8 },
    #[error("it does not begin a session of the gateway's protocol")]
    NoBegin,
}

/// The name of a pod or an exchange, as a client uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Handle(pub(super) u32);

/// The first request of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Begin {
    /// The version of the protocol that the client speaks.
    pub(super) version: u16,
    /// The token that it shows.
    pub(super) token: String,
}

impl std::fmt::Debug for Begin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begin").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Begin {
    /// The token that the client shows. It is not checked here; compare it in a time that does not tell how much of it
    /// is right.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn decode(content: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(content);
        let begins = reader.u8("number") == Ok(BEGIN) && reader.bytes("magic").is_ok_and(|it| it == MAGIC);
        if !begins {
            return Err(Malformed::NoBegin);
        }
        let version = reader.u16("version")?;
        // What stands behind it in another version is not known.
        if version != VERSION {
            return Ok(Self { version, token: String::new() });
        }
        let token = reader.text("token")?;
        reader.end(Self { version, token })
    }
}

/// A request of a session that has begun.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Find { name: String, purpose: Verb },
    List,
    State(Handle),
    Cursor(Handle),
    SetCursor(Handle, Cursor),
    Forget(Handle),
    DropPod(Handle),
    Open { pod: Handle, request: PodRequest, within_ms: Option<u32> },
    Read { exchange: Handle, max: u32, within_ms: Option<u32> },
    DropExchange(Handle),
    Probe(Vec<Handle>),
    AwaitClosed { pod: Handle, within_ms: Option<u32> },
    Release { pod: Handle, within_ms: Option<u32> },
    ReclaimStale { within_ms: Option<u32> },
    Commit,
    SpawnedBy(Handle),
    AwaitAny { exchanges: Vec<Handle>, within_ms: u32 },
}

impl Request {
    pub(super) fn decode(content: &[u8]) -> Result<Self, Malformed> {
        let mut it = Reader(content);
        let request = match it.u8("number")? {
            FIND => Self::Find { name: it.text("name")?, purpose: it.verb()? },
            2 => Self::List,
            3 => Self::State(it.handle()?),
            CURSOR => Self::Cursor(it.handle()?),
            SET_CURSOR => {
                Self::SetCursor(it.handle()?, Cursor { items: it.u64("items")?, digest: it.text("digest")? })
            }
            6 => Self::Forget(it.handle()?),
            7 => Self::DropPod(it.handle()?),
            8 => Self::Open { pod: it.handle()?, request: it.pod_request()?, within_ms: it.within_ms()? },
            9 => Self::Read { exchange: it.handle()?, max: it.u32("max")?, within_ms: it.within_ms()? },
            10 => Self::DropExchange(it.handle()?),
            11 => Self::Probe(it.handles()?),
            12 => Self::AwaitClosed { pod: it.handle()?, within_ms: it.within_ms()? },
            13 => Self::Release { pod: it.handle()?, within_ms: it.within_ms()? },
            14 => Self::ReclaimStale { within_ms: it.within_ms()? },
            COMMIT => Self::Commit,
            17 => Self::SpawnedBy(it.handle()?),
            16 => Self::AwaitAny { exchanges: it.handles()?, within_ms: it.u32("within-ms")? },
            value => return Err(Malformed::Unknown { what: "request of a session that has begun", value }),
        };
        it.end(request)
    }
}

/// What is left of a content.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short(what))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.u32(what)?;
        self.take(usize::try_from(length).map_err(|_| Malformed::Short(what))?, what)
    }

    fn text(&mut self, what: &'static str) -> Result<String, Malformed> {
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed::NotUtf8(what))
    }

    fn handle(&mut self) -> Result<Handle, Malformed> {
        Ok(Handle(self.u32("handle")?))
    }

    fn handles(&mut self) -> Result<Vec<Handle>, Malformed> {
        let count = usize::try_from(self.u32("handles")?).unwrap_or(usize::MAX);
        let all = self.take(count.saturating_mul(size_of::<u32>()), "handles")?;
        let (all, _) = all.as_chunks();
        Ok(all.iter().map(|handle| Handle(u32::from_le_bytes(*handle))).collect())
    }

    fn within_ms(&mut self) -> Result<Option<u32>, Malformed> {
        match self.u8("within-ms")? {
            0 => Ok(None),
            1 => self.u32("within-ms").map(Some),
            value => Err(Malformed::Unknown { what: "option", value }),
        }
    }

    fn verb(&mut self) -> Result<Verb, Malformed> {
        match self.u8("purpose")? {
            0 => Ok(Verb::List),
            1 => Ok(Verb::Send),
            2 => Ok(Verb::Read),
            3 => Ok(Verb::Stop),
            value => Err(Malformed::Unknown { what: "purpose", value }),
        }
    }

    fn pod_request(&mut self) -> Result<PodRequest, Malformed> {
        match self.u8("request")? {
            0 => Ok(PodRequest::Run(self.text("message")?)),
            1 => Ok(PodRequest::GetHistory),
            2 => Ok(PodRequest::Shutdown),
            3 => Ok(PodRequest::Listen),
            value => Err(Malformed::Unknown { what: "request to a pod", value }),
        }
    }

    fn end<T>(self, whole: T) -> Result<T, Malformed> {
        if self.0.is_empty() { Ok(whole) } else { Err(Malformed::Long(self.0.len())) }
    }
}

/// The content of an answer.
#[derive(Debug)]
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// A result, which is to be written behind it.
    pub(super) fn result() -> Self {
        Self(vec![RESULT])
    }

    /// The error of a function.
    pub(super) fn failed(error: &Error) -> Vec<u8> {
        Self(vec![FAILED]).error(error).finish()
    }

    /// The error that ends the session.
    pub(super) fn over(error: &Error) -> Vec<u8> {
        Self(vec![OVER]).error(error).finish()
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// How many there are of something. What lies in memory here has fewer than the type counts: a record of the
    /// registry, a piece that was read, an error's message.
    pub(super) fn count(self, count: usize) -> Self {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.reserve(size_of::<u32>() + bytes.len());
        let mut this = self.count(bytes.len());
        this.0.extend_from_slice(bytes);
        this
    }

    pub(super) fn bool(self, value: bool) -> Self {
        self.u8(value.into())
    }

    pub(super) fn option<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.u8(0),
            Some(value) => write(self.u8(1), value),
        }
    }

    pub(super) fn or_error<T>(self, value: Result<T, Error>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Ok(value) => write(self.u8(0), value),
            Err(error) => self.u8(1).error(&error),
        }
    }

    pub(super) fn error(self, error: &Error) -> Self {
        let reason = error.reason.map_or(0, |reason| reason as u8 + 1);
        self.u8(error.kind as u8).u8(reason).bytes(error.message.as_bytes())
    }

    pub(super) fn handle(self, handle: Handle) -> Self {
        self.u32(handle.0)
    }

    pub(super) fn state(self, state: State) -> Self {
        self.u8(state as u8)
    }

    pub(super) fn cursor(self, cursor: &Cursor) -> Self {
        self.u64(cursor.items).bytes(cursor.digest.as_bytes())
    }

    pub(super) fn description(self, description: &Description) -> Self {
        let start = self.bytes(description.name.as_bytes()).count(description.scope.len());
        let written = description.scope.iter().fold(start, |answer, rule| {
            let permission = match rule.permission {
                Permission::Read => 0,
                Permission::Write => 1,
            };
            answer.bytes(rule.target.as_bytes()).u8(permission).bool(rule.recursive)
        });
        written.option(description.fence.as_ref(), |answer, fence| {
            let start = answer.u8(fence.held as u8).count(fence.missing.len());
            fence.missing.iter().fold(start, |answer, missing| answer.bytes(missing.as_bytes()))
        })
    }

    pub(super) fn awaited(self, awaited: &Awaited) -> Self {
        let count = self.count(awaited.ready.len());
        awaited.ready.iter().fold(count, |answer, at| answer.u32(*at)).u32(awaited.waited_ms)
    }

    pub(super) fn reachability(self, all: &[Reachability]) -> Self {
        all.iter().fold(self.count(all.len()), |answer, one| answer.u8(*one as u8))
    }
}

#[cfg(test)]
mod tests;
