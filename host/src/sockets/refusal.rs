//! The errors of a pod that cannot be reached: its socket failed a check, or this process is out of descriptors.

use std::path::Path;

use crate::error::{ErrorKind, Reason, Setting, ToolError};
use crate::escape::{Escaped, EscapedPath};

/// A check that a path, a socket or the process behind it failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// In words that follow "its socket".
    why: String,
    setting: Option<Setting>,
}

impl Refusal {
    /// The refusal of a socket that `why` is said of, in words that follow "its socket".
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), setting: None }
    }

    /// The refusal as one that the embedder can lift by that setting.
    pub(super) fn set_by(mut self, setting: Setting) -> Self {
        self.setting = Some(setting);
        self
    }

    /// The error of an operation on that pod, whose record has that socket.
    pub(crate) fn of(self, pod: &str, socket: &Path) -> ToolError {
        let message = format!("pod `{}`: its socket {} {}", Escaped(pod), EscapedPath(socket), self.why);
        let error = ToolError::new(ErrorKind::Denied, Reason::SocketRefused, message);
        ToolError { setting: self.setting, ..error }
    }

    #[cfg(test)]
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

/// The error of an operation for which this process has no descriptor left.
pub(crate) fn descriptors_exhausted() -> ToolError {
    ToolError::failed(
        Reason::DescriptorsExhausted,
        "this process has no file descriptor left, so pods cannot be reached; raise its limit (ulimit -n)",
    )
}
