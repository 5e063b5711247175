//! Why the scope lock could not be taken, or the table not be changed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Reason, Setting, ToolError};

/// Why the table could not be read or changed. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeLockError {
    /// Another process held the lock all the time. Nothing was changed. The contract's `lock-busy`.
    #[error(
        "the scope lock `{}` was held by another process for {:.1} s; nothing was changed, try again",
        path.display(),
        waited.as_secs_f64()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file does not hold a table. It was left as it is. The contract's `lock-damaged`.
    #[error("the scope lock `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        detail: String,
    },
    /// The file cannot be opened or read, or is no regular file. It was left as it is. The contract's
    /// `lock-damaged`.
    #[error("the scope lock `{}` is damaged: {detail}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        detail: String,
    },
    /// The table could not be written, and is as it was. The contract's `state-unwritable`.
    #[error(
        "the scope lock `{}` could not be changed: {source}; it is as it was, make room or give permission \
         and try again",
        path.display()
    )]
    Unwritable {
        /// The file that could not be written: the table or its journal.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The table could be written neither anew nor as it was. It is empty until the next process of this
    /// kind takes the lock and writes the new one from the journal. The contract's `state-unwritable`.
    #[error(
        "the scope lock `{}` could not be rewritten: {source}; it is empty now, and its content is in `{}`: \
         make room and try again, which completes the change",
        path.display(),
        journal.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// The file that holds the new table.
        journal: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process is out of file descriptors, which says nothing of the table. The contract's
    /// `descriptors-exhausted`.
    #[error("there is no file descriptor left to open `{}` with; raise the limit (ulimit -n)", path.display())]
    Descriptors {
        /// The file.
        path: PathBuf,
    },
}

impl From<ScopeLockError> for ToolError {
    fn from(error: ScopeLockError) -> Self {
        let reason = match error {
            ScopeLockError::Busy { .. } => Reason::LockBusy,
            ScopeLockError::Unwritable { .. } | ScopeLockError::Torn { .. } => Reason::StateUnwritable,
            ScopeLockError::Descriptors { .. } => Reason::DescriptorsExhausted,
            ScopeLockError::Damaged { .. } | ScopeLockError::Unusable { .. } => Reason::LockDamaged,
        };
        let tool_error = Self::failed(reason, error.to_string());
        match error {
            ScopeLockError::Unusable { .. } => tool_error.about(Setting::ScopeLock),
            _ => tool_error,
        }
    }
}

/// Why a change of the table did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The file.
    #[error(transparent)]
    Lock(#[from] ScopeLockError),
    /// The caller of [`ScopeLock::transact`](super::ScopeLock::transact) decided against it. Nothing was changed.
    #[error("{0}")]
    Refused(E),
}
