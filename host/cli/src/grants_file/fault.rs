//! What is wrong with a grants file, and where.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A place in the file. Both count from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// Of the byte at `offset`.
    pub(super) fn of(bytes: &[u8], offset: usize) -> Self {
        let before = &bytes[..offset.min(bytes.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        Self {
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + String::from_utf8_lossy(&before[line_start..]).chars().count(),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "ä = 1\n# é ü\n\tx\n".as_bytes();
        let at = |offset| {
            let Position { line, column } = Position::of(text, offset);
            (line, column)
        };
        assert_eq!(
            [at(0), at(2), at(7), at(text.len() - 2), at(text.len())],
            [(1, 1), (1, 2), (2, 1), (3, 2), (4, 1)]
        );
        // What lies behind the end lies at the end.
        assert_eq!(at(1000), (4, 1));
    }
}
