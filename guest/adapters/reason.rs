//! Reasons as words, for adapters whose hosts take texts.

use super::bindings::pod::tools::types::Reason;

/// Its word in the contract.
pub fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownPod => "unknown-pod",
        Reason::AlreadyRunning => "already-running",
        Reason::Unreachable => "unreachable",
        Reason::SocketTimeout => "socket-timeout",
        Reason::Closed => "closed",
        Reason::Protocol => "protocol",
        Reason::PodError => "pod-error",
        Reason::StillRunning => "still-running",
        Reason::LockBusy => "lock-busy",
        Reason::LockDamaged => "lock-damaged",
        Reason::RegistryDamaged => "registry-damaged",
        Reason::StateUnwritable => "state-unwritable",
        Reason::DescriptorsExhausted => "descriptors-exhausted",
        Reason::NotGranted => "not-granted",
        Reason::SocketRefused => "socket-refused",
    }
}
