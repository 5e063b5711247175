//! The error of a tool call: its kind, its reason, its message, and the setting that it is about.
//!
//! Errors of other types are converted where those types are declared.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares an enum whose variants have a stable word each.
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

            /// The one with that word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
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
        /// Another limit was reached; the message names it and its value.
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
    /// What the embedder could set otherwise, so that the call would not fail this way. `None` where nothing is to
    /// be set, where the message says already how (see [`with_remedy`](Self::with_remedy)), and in the error of a
    /// plugin: it has passed through the plugin as a text.
    #[serde(skip)]
    pub setting: Option<Setting>,
}

impl ToolError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, reason: impl Into<Option<Reason>>, message: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), message: message.into(), setting: None }
    }

    /// The error with the remedy for its setting, if it has one, behind its message.
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Self {
        if let Some(setting) = self.setting.take() {
            self.message.push_str(remedy(setting));
        }
        self
    }

    /// The error as one about that setting.
    pub(crate) fn about(mut self, setting: Setting) -> Self {
        self.setting = Some(setting);
        self
    }

    pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ExecutionFailed, reason, message)
    }

    /// The plugin itself is broken, or answers what no tool answers.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, None, message)
    }
}

/// Declares an enum and the list of all its variants.
macro_rules! listed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

listed! {
    /// What an embedder sets and an error can be about. Which of them a person can set, and how, only the embedder knows:
    /// see [`Remedy`].
    Setting {
        /// [`Limits::operation_time`](crate::Limits::operation_time)
        OperationTime,
        /// [`Limits::call_time`](crate::Limits::call_time)
        CallTime,
        /// [`Limits::cpu_time`](crate::Limits::cpu_time)
        CpuTime,
        /// [`Limits::memory`](crate::Limits::memory)
        Memory,
        /// [`Limits::table_elements`](crate::Limits::table_elements)
        TableElements,
        /// [`Limits::instances`](crate::Limits::instances)
        Instances,
        /// [`Limits::host_calls`](crate::Limits::host_calls)
        HostCalls,
        /// [`Limits::handles`](crate::Limits::handles)
        Handles,
        /// [`Limits::exchanges`](crate::Limits::exchanges)
        Exchanges,
        /// [`Limits::line`](crate::Limits::line)
        Line,
        /// [`Limits::transfer`](crate::Limits::transfer)
        Transfer,
        /// [`Limits::data`](crate::Limits::data)
        Data,
        /// [`PodToolsBuilder::load_time`](crate::PodToolsBuilder::load_time)
        LoadTime,
        /// [`PodToolsBuilder::component_size`](crate::PodToolsBuilder::component_size)
        ComponentSize,
        /// [`Compiler::memory`](crate::Compiler::memory)
        CompilerMemory,
        /// [`AuthorityBuilder::allow_sockets`](crate::AuthorityBuilder::allow_sockets)
        AllowedSockets,
        /// [`AuthorityBuilder::runtime_dir`](crate::AuthorityBuilder::runtime_dir)
        RuntimeDir,
        /// [`AuthorityBuilder::scope_lock`](crate::AuthorityBuilder::scope_lock)
        ScopeLock,
    }
}

/// Says how a setting is changed, in words that follow a message: " (raise it with --memory)"; the empty text where
/// nobody who reads the message can change it.
pub type Remedy = fn(Setting) -> &'static str;
