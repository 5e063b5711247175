//! What is wrong with a grants file, and where.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::places::Position;

/// One thing that is wrong. `None`: with the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    #[serde(flatten)]
    pub(super) at: Option<Position>,
    pub(super) message: String,
}

pub(super) fn fault(at: Option<Position>, message: impl Into<String>) -> Fault {
    Fault { at, message: message.into() }
}

/// A grants file that cannot be used: nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct GrantsFileError {
    pub(super) path: PathBuf,
    /// In the order of the file.
    pub faults: Vec<Fault>,
}

/// A line each, as compilers have it: `FILE:LINE:COLUMN: what`.
impl fmt::Display for GrantsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "\n" })?;
            write!(f, "{}:", self.path.display())?;
            if let Some(Position { line, column }) = fault.at {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " {}", fault.message)?;
        }
        Ok(())
    }
}
