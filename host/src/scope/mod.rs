//! The machine-wide table of who may touch which part of the file system, and the lock around it.
//!
//! [`ScopeLock`] is the file: it takes the lock, reads the [`Table`], lets it be changed and writes it back,
//! so that a kill at any instruction leaves the old table or the new one. The table and its [`ScopeRule`]s
//! know nothing of files; what a rule's target leads to is looked up in one place. [`LifeCheck`] decides whose entry
//! may go.

mod allocation;
mod holder;
mod journal;
mod life;
mod life_lock;
mod lock;
mod lock_error;
mod place;
mod process;
mod rule;
mod table;

pub use allocation::Allocation;
pub use holder::Holder;
pub use life::{Evidence, Life, LifeCheck};
pub use life_lock::{LifeByte, LifeLock};
pub use lock::ScopeLock;
pub use lock_error::{ScopeLockError, TransactError};
pub use rule::{Permission, ScopeRule};
pub use table::{ParseTableError, RegisterError, Table};
