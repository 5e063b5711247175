//! Errors of the wire as errors of the contract.

use crate::component::bindings::pod::tools::types::{self, ErrorKind, Reason};
use crate::frame;

/// In the contract's order.
const KINDS: [ErrorKind; 7] = [
    ErrorKind::InvalidArgument,
    ErrorKind::ExecutionFailed,
    ErrorKind::UnknownTool,
    ErrorKind::Denied,
    ErrorKind::Timeout,
    ErrorKind::Limit,
    ErrorKind::Internal,
];
const REASONS: [Reason; 15] = [
    Reason::UnknownPod,
    Reason::AlreadyRunning,
    Reason::Unreachable,
    Reason::SocketTimeout,
    Reason::Closed,
    Reason::Protocol,
    Reason::PodError,
    Reason::StillRunning,
    Reason::LockBusy,
    Reason::LockDamaged,
    Reason::RegistryDamaged,
    Reason::StateUnwritable,
    Reason::DescriptorsExhausted,
    Reason::NotGranted,
    Reason::SocketRefused,
];

impl From<frame::Error> for types::Error {
    fn from(frame::Error { kind, reason, message }: frame::Error) -> Self {
        Self {
            kind: KINDS.get(usize::from(kind)).copied().unwrap_or(ErrorKind::Internal),
            reason: usize::from(reason).checked_sub(1).and_then(|place| REASONS.get(place).copied()),
            message,
        }
    }
}
