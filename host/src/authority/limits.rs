//! How much a call may use. Every limit has a default that suits a person's machine.

use std::time::Duration;

use crate::error::{ErrorKind, Setting, ToolError};

/// The limits of one call. The error of a call that reaches one has kind `limit` (or `timeout`, for
/// [`call_time`](Self::call_time)), names the limit and its value, and has the limit as its
/// [`setting`](ToolError::setting).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time of one operation: a connection made, a wait for bytes, a wait for a lock. Default: 5 s, as the
    /// native tools have it. Reaching it is an `execution-failed`, not a `limit`: it says something of the
    /// pod.
    pub operation_time: Duration,
    /// Wall clock of the whole call, waits included. Default: 30 s.
    pub call_time: Duration,
    /// Time that the plugin's own code may compute, and the host for it, waits excluded. Looked at every 10 ms while
    /// the plugin computes, and at each host function and each step of a long one. Default: 10 s.
    pub cpu_time: Duration,
    /// Bytes of memory: the linear memory of the plugin, and what the host holds for it: the records that its handles
    /// stand for, each once, and read cursors. Default: 512 MiB.
    pub memory: usize,
    /// Elements of all tables together, at most [`MAX_TABLE_ELEMENTS`](Self::MAX_TABLE_ELEMENTS). Default:
    /// 20,000.
    pub table_elements: usize,
    /// Core instances, memories and tables, of each. Default: 16.
    pub instances: usize,
    /// Calls of host functions. Default: 1,000,000.
    pub host_calls: u64,
    /// Handles (pods, exchanges) alive at once. Default: 100,000.
    pub handles: usize,
    /// Exchanges, that is connections, open at once: as many pods are waited for in one call. Default: 128.
    pub exchanges: usize,
    /// Bytes of one line that a pod sends. A line is never held whole, so the default is generous: 256 MiB.
    pub line: u64,
    /// Bytes that the plugin may hand over in one go, its answer or an argument; bytes of text that it may hand
    /// over in pieces before its answer; and bytes of requests, as they are encoded, that all its exchanges
    /// together have still to send. Default: 256 MiB.
    pub transfer: usize,
    /// Bytes of an answer's data and of its summary, of each, and of the message of an error: what programs read and is
    /// small. The text of an answer is bounded by [`transfer`](Self::transfer). Default: 1 MiB.
    pub data: usize,
    /// Bytes of a pod's text that one answer should hold, in UTF-8: the tools give as many whole items as fit, a
    /// longer item in parts of one character at least, and say what is left. Default: no bound.
    pub output: Option<u64>,
}

impl Limits {
    /// The most table elements that an instance can have, whatever is allowed: the pool's size.
    pub const MAX_TABLE_ELEMENTS: usize = 100_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            operation_time: Duration::from_secs(5),
            call_time: Duration::from_secs(30),
            cpu_time: Duration::from_secs(10),
            memory: 512 << 20,
            table_elements: 20_000,
            instances: 16,
            host_calls: 1_000_000,
            handles: 100_000,
            exchanges: 128,
            line: 256 << 20,
            transfer: 256 << 20,
            data: 1 << 20,
            output: None,
        }
    }
}

/// A limit that a call has reached, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitReached {
    #[error("the plugin computed for more than {0:?}")]
    CpuTime(Duration),
    #[error("the plugin needs more than {0} bytes of memory")]
    Memory(usize),
    #[error("the plugin needs more than {0} table elements")]
    TableElements(usize),
    #[error("the plugin needs more than {0} instances, memories or tables")]
    Instances(usize),
    #[error("the plugin made more than {0} host calls")]
    HostCalls(u64),
    #[error("the plugin holds more than {0} handles")]
    Handles(usize),
    #[error("the plugin has {0} exchanges open already")]
    Exchanges(usize),
    #[error("the pod sent a line of more than {0} bytes")]
    Line(u64),
    #[error("the plugin hands over more than {0} bytes at once")]
    Transfer(usize),
    #[error("the plugin's data, summary or message has more than {0} bytes")]
    Data(usize),
    #[error(
        "the answers that their callers have not taken yet have {0} bytes, all that there is for them: try again when \
         they have, or ask for less at once"
    )]
    Answers(usize),
}

impl LimitReached {
    /// What raises it; `None`: who runs the host has no setting for it.
    const fn setting(self) -> Option<Setting> {
        Some(match self {
            Self::CpuTime(_) => Setting::CpuTime,
            Self::Memory(_) => Setting::Memory,
            Self::TableElements(_) => Setting::TableElements,
            Self::Instances(_) => Setting::Instances,
            Self::HostCalls(_) => Setting::HostCalls,
            Self::Handles(_) => Setting::Handles,
            Self::Exchanges(_) => Setting::Exchanges,
            Self::Line(_) => Setting::Line,
            Self::Transfer(_) => Setting::Transfer,
            Self::Data(_) => Setting::Data,
            Self::Answers(_) => return None,
        })
    }
}

impl From<LimitReached> for ToolError {
    fn from(limit: LimitReached) -> Self {
        let error = Self::new(ErrorKind::Limit, None, limit.to_string());
        match limit.setting() {
            Some(setting) => error.about(setting),
            None => error,
        }
    }
}

/// The error of a call whose whole time is up.
pub(crate) fn call_time_is_up(limit: Duration) -> ToolError {
    ToolError::new(ErrorKind::Timeout, None, format!("the call took longer than {limit:?}"))
        .about(Setting::CallTime)
}
