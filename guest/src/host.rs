//! What the tools need from a host: one trait that mirrors the imports of `wit/` one to one, in plain Rust
//! types. The component implements it over its imports, the tests over a script. The contract of each
//! function (grants, bounds, when it fails) is documented in `wit/`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

/// What went wrong, as seen by the caller of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input is not what the tool takes, or names a pod that there is not.
    InvalidArgument,
    /// The operation was allowed and failed.
    ExecutionFailed,
    /// There is no tool of that name.
    UnknownTool,
    /// A grant is missing, or the pod's socket fails one of the host's checks.
    Denied,
    /// The time of the whole call is up.
    Timeout,
    /// Another limit was reached; the message names it.
    Limit,
    /// The host or the component answered nonsense.
    Internal,
}

/// Why it went wrong, as a stable word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No record of that name in the registry.
    UnknownPod,
    /// The pod is executing a turn.
    AlreadyRunning,
    /// Nothing takes connections at the pod's socket.
    Unreachable,
    /// Nothing came within the time of one operation.
    SocketTimeout,
    /// The pod closed the connection before it had answered.
    Closed,
    /// What the pod sent is not the pod protocol.
    Protocol,
    /// The pod answered with an error of its own.
    PodError,
    /// The pod's socket still takes connections.
    StillRunning,
    /// Another process holds the lock on a file.
    LockBusy,
    /// The scope lock's file does not hold a table.
    LockDamaged,
    /// The registry does not hold a list of records.
    RegistryDamaged,
    /// A file of the registry or the scope lock could not be written.
    StateUnwritable,
    /// The host process is out of file descriptors.
    DescriptorsExhausted,
    /// No grant covers the request.
    NotGranted,
    /// The pod's socket fails one of the host's checks.
    SocketRefused,
}

/// A failed operation, of the host or of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Why, where there is a word for it.
    pub reason: Option<Reason>,
    /// The thing, the reason and the remedy, to be shown as it is.
    pub message: String,
}

impl Error {
    /// An operation that was allowed and failed.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::ExecutionFailed, reason: Some(reason), message: message.into() }
    }

    /// An input that the tool does not take.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::InvalidArgument, reason: None, message: message.into() }
    }

    /// Says what was being done when it failed: `context` and a colon before the message. Refusals
    /// (`invalid-argument`, `denied`) already name the pod and the operation and stay as they are.
    pub(crate) fn during(self, context: impl fmt::Display) -> Self {
        match self.kind {
            ErrorKind::InvalidArgument | ErrorKind::Denied => self,
            _ => self.behind(context),
        }
    }

    /// The same with `context` and a colon before the message.
    pub(crate) fn behind(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Whether it is this reason.
    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.reason == Some(reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

/// What may be done with a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// See that it exists.
    List,
    /// Send it a message.
    Send,
    /// Read its history and state, and move its cursor.
    Read,
    /// Shut it down and forget it.
    Stop,
}

/// What a scope rule permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// A part of the file system that was delegated to a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScopeRule {
    /// What is permitted there.
    pub permission: Permission,
    /// The path.
    pub target: String,
    /// Whether the rule covers all below the path, or the path and its direct children only.
    pub recursive: bool,
}

/// What a pod says of its own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It gives none that can be read.
    Unknown,
    /// It waits for a message.
    Idle,
    /// It executes a turn.
    Running,
    /// It has paused within a run.
    Paused,
}

/// How far a pod's history was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Number of items, from the first, that were read.
    pub items: u64,
    /// A digest of all their bytes, in the notation of the tools. At most 128 bytes.
    pub digest: String,
}

/// How far a pod's command is held to the pod's scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// As the scope says.
    Whole,
    /// As far as the machine could.
    Part,
    /// Not at all.
    Off,
}

/// A pod's own word on the fence around its command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fence {
    /// How far the command is held.
    pub held: Held,
    /// What is not held back, a sentence each.
    pub missing: Vec<String>,
}

/// What the registry says of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// As the spawner wrote it: it may hold any character.
    pub name: String,
    /// What was delegated to the pod.
    pub scope: Vec<ScopeRule>,
    /// What the pod has said of its fence; `None`: nothing.
    pub fence: Option<Fence>,
}

/// One pod of a listing.
#[derive(Clone, Debug)]
pub struct Listed<P> {
    /// The capability.
    pub pod: P,
    /// Its record.
    pub description: Description,
}

/// The pods that a `list` grant covers.
#[derive(Clone, Debug)]
pub struct Listing<P> {
    /// In the registry's order.
    pub pods: Vec<Listed<P>>,
    /// How many more records cannot be read.
    pub unreadable: u32,
}

/// What a pod has spawned.
#[derive(Clone, Debug)]
pub struct Spawned<P> {
    /// In the order of the pod's own registry.
    pub pods: Vec<P>,
    /// How many more records there are.
    pub others: u32,
}

/// The bounds of the host that a tool needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time of one socket operation, in milliseconds.
    pub operation_ms: u32,
    /// Time of the whole call, in milliseconds.
    pub call_ms: u32,
    /// How many bytes of text an answer should hold at most; `None`: no bound.
    pub max_output: Option<u64>,
}

/// What a pod can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Take this text as a user message and start a turn.
    Run(String),
    /// Send the conversation so far.
    GetHistory,
    /// Shut down.
    Shutdown,
    /// Nothing: what the pod tells all its clients is read.
    Listen,
}

/// What has come of a wait for exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The positions of those that have something to be read.
    pub ready: Vec<u32>,
    /// How long was waited, in milliseconds.
    pub waited_ms: u32,
}

/// Whether a pod's socket takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// It does.
    Alive,
    /// It does not.
    Stopped,
    /// It fails a check of the host's.
    Denied,
}

/// The host, as the tools see it. Every function is one of `wit/`'s, where its contract is written; times
/// are in milliseconds, and `None` means all the time that the host allows.
pub trait Host {
    /// The capability to one pod.
    type Pod;
    /// A connection to one pod; dropping it closes the connection.
    type Exchange;

    /// `pods.find`
    fn find(&self, name: &str, purpose: Verb) -> Result<Self::Pod, Error>;
    /// `pods.list`
    fn list(&self) -> Result<Listing<Self::Pod>, Error>;
    /// `pods.forget`
    fn forget(&self, pod: &Self::Pod) -> Result<(), Error>;
    /// `pods.spawned-by`
    fn spawned_by(&self, pod: &Self::Pod) -> Result<Spawned<Self::Pod>, Error>;
    /// `pods.bounds`
    fn bounds(&self) -> Bounds;

    /// `pods.pod.describe`
    fn describe(&self, pod: &Self::Pod) -> Description;
    /// `pods.pod.state`
    fn state(&self, pod: &Self::Pod) -> Result<State, Error>;
    /// `pods.pod.cursor`
    fn cursor(&self, pod: &Self::Pod) -> Result<Option<Cursor>, Error>;
    /// `pods.pod.set-cursor`
    fn set_cursor(&self, pod: &Self::Pod, cursor: Cursor) -> Result<(), Error>;

    /// `unix-socket.open`
    fn open(&self, to: &Self::Pod, request: Request, within_ms: Option<u32>)
    -> Result<Self::Exchange, Error>;
    /// `unix-socket.exchange.read`: an empty answer is the end.
    fn read(&self, exchange: &Self::Exchange, max: u32, within_ms: Option<u32>) -> Result<Vec<u8>, Error>;
    /// `unix-socket.await-any`
    fn await_any(&self, exchanges: &[&Self::Exchange], within_ms: u32) -> Result<Awaited, Error>;
    /// `unix-socket.probe`
    fn probe(&self, pods: &[&Self::Pod]) -> Result<Vec<Reachability>, Error>;
    /// `unix-socket.await-closed`
    fn await_closed(&self, pod: &Self::Pod, within_ms: Option<u32>) -> Result<bool, Error>;

    /// `content.append`
    fn append(&self, text: &str);

    /// `scope-lock.release`
    fn release(&self, pod: &Self::Pod, within_ms: Option<u32>) -> Result<(), Error>;
    /// `scope-lock.reclaim-stale`
    fn reclaim_stale(&self, within_ms: Option<u32>) -> Result<u32, Error>;
}
