//! Kinds of errors as words, for adapters whose hosts take texts.

use super::bindings::pod::tools::types::ErrorKind;

/// Its word in the contract.
pub fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "invalid-argument",
        ErrorKind::ExecutionFailed => "execution-failed",
        ErrorKind::UnknownTool => "unknown-tool",
        ErrorKind::Denied => "denied",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Limit => "limit",
        ErrorKind::Internal => "internal",
    }
}
