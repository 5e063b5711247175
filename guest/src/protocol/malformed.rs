//! The fault of a line that is not the pod protocol's.

use alloc::string::{String, ToString};
use core::fmt;

use crate::escape::Shown;
use crate::host::{Error, Reason};

/// A line that is not the pod protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// What the line is not, and why.
    pub(super) is_not: String,
    /// The place of the fault, in bytes from the line's start.
    pub(super) at: u64,
    /// The line's beginning, up to the fault.
    pub(super) beginning: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_not, at, beginning } = self;
        write!(
            f,
            "the pod sent a line that is not {is_not} (byte {at}, the line begins `{}`)",
            Shown(beginning)
        )
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::failed(Reason::Protocol, malformed.to_string())
    }
}
