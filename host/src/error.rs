//! What a tool call can end in, besides an answer; and how a host function's failure reaches the guest.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::bindings::pod::tools::types as wit;
use crate::limits::LimitReached;

/// Declares an enum whose variants have a stable word each, and its mapping from and to the contract's.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The stable word for it, in kebab case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl From<wit::$name> for $name {
            fn from(wit: wit::$name) -> Self {
                match wit { $(wit::$name::$variant => Self::$variant,)* }
            }
        }

        impl From<$name> for wit::$name {
            fn from(own: $name) -> Self {
                match own { $($name::$variant => Self::$variant,)* }
            }
        }
    };
}

words! {
    /// The kind of a failed call. The set is the contract's, and closed there.
    ErrorKind {
        /// The input is not what the tool takes, or names a pod that there is not.
        InvalidArgument = "invalid-argument",
        /// The operation was allowed and failed.
        ExecutionFailed = "execution-failed",
        /// There is no tool of that name.
        UnknownTool = "unknown-tool",
        /// A grant is missing, or a socket failed a check.
        Denied = "denied",
        /// The time of the whole call is up.
        Timeout = "timeout",
        /// Another limit was reached; the message names it, its value and the option that sets it.
        Limit = "limit",
        /// The plugin trapped or answered nonsense.
        Internal = "internal",
    }
}

words! {
    /// Why a call failed, as a stable word for programs.
    Reason {
        /// No record of that name in the registry.
        UnknownPod = "unknown-pod",
        /// The pod is executing a turn.
        AlreadyRunning = "already-running",
        /// Nothing takes connections at the pod's socket.
        Unreachable = "unreachable",
        /// Nothing came from the pod within the time of one operation.
        SocketTimeout = "socket-timeout",
        /// The pod closed the connection before it had answered.
        Closed = "closed",
        /// What the pod sent is not the pod protocol.
        Protocol = "protocol",
        /// The pod answered with an error of its own.
        PodError = "pod-error",
        /// The pod's socket still takes connections.
        StillRunning = "still-running",
        /// Another process held the lock on a file for too long.
        LockBusy = "lock-busy",
        /// The scope lock's file does not hold a table.
        LockDamaged = "lock-damaged",
        /// The registry does not hold a list of records, or cannot be read.
        RegistryDamaged = "registry-damaged",
        /// A file of the registry or the scope lock could not be written.
        StateUnwritable = "state-unwritable",
        /// This process is out of file descriptors.
        DescriptorsExhausted = "descriptors-exhausted",
        /// No grant covers the request.
        NotGranted = "not-granted",
        /// The socket failed a check.
        SocketRefused = "socket-refused",
    }
}

/// A failed tool call, fit to be shown to a person or a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ToolError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// Why, where there is a word for it.
    pub reason: Option<Reason>,
    /// The thing, the reason and, where there is one, the remedy.
    pub message: String,
}

impl ToolError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, reason: impl Into<Option<Reason>>, message: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), message: message.into() }
    }

    pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ExecutionFailed, reason, message)
    }

    /// The plugin itself is broken, or answers what no tool answers.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, None, message)
    }
}

impl From<wit::Error> for ToolError {
    fn from(error: wit::Error) -> Self {
        Self::new(error.kind.into(), error.reason.map(Reason::from), error.message)
    }
}

/// How a host function fails: with a value for the guest, or by ending the call.
#[derive(Debug)]
pub enum HostError {
    /// The guest gets this, and may go on.
    Value(ToolError),
    /// The call ends here: the guest misbehaved or reached a limit on its own conduct.
    Trap(wasmtime::Error),
}

/// What host functions return.
pub(crate) type HostResult<T> = Result<T, HostError>;

impl From<ToolError> for HostError {
    fn from(error: ToolError) -> Self {
        Self::Value(error)
    }
}

impl From<wasmtime::Error> for HostError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<wasmtime::component::ResourceTableError> for HostError {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<HostError> for ToolError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Value(error) => error,
            HostError::Trap(trap) => match trap.downcast_ref::<LimitReached>() {
                Some(limit) => (*limit).into(),
                None => Self::internal(format!("{trap:#}")),
            },
        }
    }
}

impl HostError {
    /// What wasmtime's bindings ask for: a value to lower into the guest, or a trap.
    pub(crate) fn into_wit(self) -> wasmtime::Result<wit::Error> {
        match self {
            Self::Value(error) => Ok(wit::Error {
                kind: error.kind.into(),
                reason: error.reason.map(Into::into),
                message: error.message,
            }),
            Self::Trap(trap) => Err(trap),
        }
    }
}
