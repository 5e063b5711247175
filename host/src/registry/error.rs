//! Why a registry could not be read or changed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{ErrorKind, Reason, Setting, ToolError};
use crate::escape::Escaped;

/// Why a registry could not be read or changed. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The runtime directory cannot be opened, or has been removed. The contract's `registry-damaged`.
    #[error("the runtime directory `{}` cannot be opened: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file holds something else than it should, or cannot be read. It was left as it is. The contract's
    /// `registry-damaged`.
    #[error("the registry file `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        detail: String,
    },
    /// Another process held the lock all the time. Nothing was changed. The contract's `lock-busy`.
    #[error(
        "the registry lock `{}` was held by another process for {:.1} s; nothing was changed, try again",
        path.display(),
        waited.as_secs_f64()
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A file could not be written. Nothing was changed. The contract's `state-unwritable`.
    #[error(
        "the registry file `{}` could not be written: {source}; nothing was changed, make room or give \
         permission and try again",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process is out of file descriptors, which says nothing of the registry. The contract's
    /// `descriptors-exhausted`.
    #[error("there is no file descriptor left to open `{}` with; raise the limit (ulimit -n)", path.display())]
    Descriptors {
        /// The file.
        path: PathBuf,
    },
}

impl From<RegistryError> for ToolError {
    fn from(error: RegistryError) -> Self {
        let reason = match &error {
            RegistryError::Busy { .. } => Reason::LockBusy,
            RegistryError::Unwritable { .. } => Reason::StateUnwritable,
            RegistryError::Descriptors { .. } => Reason::DescriptorsExhausted,
            RegistryError::Directory { .. } | RegistryError::Damaged { .. } => Reason::RegistryDamaged,
        };
        let tool_error = Self::failed(reason, error.to_string());
        match error {
            RegistryError::Directory { .. } => tool_error.about(Setting::RuntimeDir),
            _ => tool_error,
        }
    }
}

/// The error of a call for a pod that has no record.
pub(crate) fn unknown_pod(name: &str) -> ToolError {
    let message = format!("no spawned pod named `{}`", Escaped(name));
    ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, message)
}
