//! The machine-wide table of who may touch which part of the file system, and the lock around it.
//!
//! [`ScopeLock`] is the file: it takes the lock, reads the [`Table`], lets it be changed and writes it back,
//! so that a kill at any instruction leaves the old table or the new one. The table and its [`ScopeRule`]s
//! know nothing of files.

mod allocation;
mod journal;
mod lock;
mod process;
mod rule;
mod table;

use std::fmt::{self, Write};

pub use allocation::Allocation;
pub use lock::{ScopeLock, ScopeLockError, TransactError};
pub use process::is_alive;
pub use rule::{Permission, ScopeRule};
pub use table::{ParseTableError, RegisterError, Table};

/// A name or a path from a file, its control characters escaped: it cannot forge a line.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_debug())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}
