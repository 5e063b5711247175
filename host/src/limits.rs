//! How much a call may use. Every limit has a default that suits a person's machine.

use std::time::Duration;

use crate::error::{ErrorKind, ToolError};

/// The limits of one call. The error of a call that reaches one has kind `limit` (or `timeout`, for
/// [`call_time`](Self::call_time)) and names the limit, its value and the command line's option for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time of one operation: a connection made, a wait for bytes, a wait for a lock. Default: 5 s, as the
    /// native tools have it. Reaching it is an `execution-failed`, not a `limit`: it says something of the
    /// pod. Option `--op-timeout`.
    pub operation_time: Duration,
    /// Wall clock of the whole call, waits included. Default: 30 s. Option `--call-timeout`.
    pub call_time: Duration,
    /// Time that the plugin's own code may compute, waits excluded; measured with a resolution of 10 ms.
    /// Default: 10 s. Option `--cpu-time`.
    pub cpu_time: Duration,
    /// Bytes of linear memory. Default: 512 MiB. Option `--memory`.
    pub memory: usize,
    /// Elements of all tables together, at most [`MAX_TABLE_ELEMENTS`](Self::MAX_TABLE_ELEMENTS). Default:
    /// 20,000. Option `--table-elements`.
    pub table_elements: usize,
    /// Core instances, memories and tables, of each. Default: 16. Option `--instances`.
    pub instances: usize,
    /// Calls of host functions. Default: 1,000,000. Option `--host-calls`.
    pub host_calls: u64,
    /// Handles (pods, exchanges) alive at once. Default: 100,000. Option `--handles`.
    pub handles: usize,
    /// Exchanges, that is connections, open at once. Default: 8. Option `--exchanges`.
    pub exchanges: usize,
    /// Bytes of one line that a pod sends. A line is never held whole, so the default is generous: 256 MiB.
    /// Option `--max-line`.
    pub line: u64,
    /// Bytes that the plugin may hand over in one go, its answer or an argument; bytes of text that it may hand
    /// over in pieces before its answer; and bytes of requests, as they are encoded, that all its exchanges
    /// together have still to send. Default: 256 MiB. Option `--max-transfer`.
    pub transfer: usize,
    /// Bytes of text that one answer should hold: the tools give as many whole items as fit, at least one,
    /// and say how many are left. Default: no bound. Option `--max-output`.
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
            exchanges: 8,
            line: 256 << 20,
            transfer: 256 << 20,
            output: None,
        }
    }
}

/// A limit that a call has reached, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitReached {
    #[error("the plugin computed for more than {0:?} (raise it with --cpu-time)")]
    CpuTime(Duration),
    #[error("the plugin needs more than {0} bytes of memory (raise it with --memory)")]
    Memory(usize),
    #[error("the plugin needs more than {0} table elements (raise it with --table-elements)")]
    TableElements(usize),
    #[error("the plugin needs more than {0} instances, memories or tables (raise it with --instances)")]
    Instances(usize),
    #[error("the plugin made more than {0} host calls (raise it with --host-calls)")]
    HostCalls(u64),
    #[error("the plugin holds more than {0} handles (raise it with --handles)")]
    Handles(usize),
    #[error("the plugin has {0} exchanges open already (raise it with --exchanges)")]
    Exchanges(usize),
    #[error("the pod sent a line of more than {0} bytes (raise it with --max-line)")]
    Line(u64),
    #[error("the plugin hands over more than {0} bytes at once (raise it with --max-transfer)")]
    Transfer(usize),
}

impl From<LimitReached> for ToolError {
    fn from(limit: LimitReached) -> Self {
        Self::new(ErrorKind::Limit, None, limit.to_string())
    }
}

/// The error of a call whose whole time is up.
pub(crate) fn call_time_is_up(limit: Duration) -> ToolError {
    ToolError::new(
        ErrorKind::Timeout,
        None,
        format!("the call took longer than {limit:?} (raise it with --call-timeout)"),
    )
}
