//! Which pods there are, and how far each one's history has been read.
//!
//! [`Registry`] is what the runtime needs of a registry. [`FileRegistry`] is the spawner's
//! `spawned_pods.json`; [`MemoryRegistry`] serves runtimes that own their records.

mod cached;
mod cursor;
mod cursor_log;
mod cursors;
mod error;
mod fence;
mod file;
mod interface;
mod memory;
mod reader;
mod record;

pub use cursor::StoredCursor;
pub use error::RegistryError;
pub(crate) use error::unknown_pod;
pub use fence::{Enforcement, Fence, NoEnforcement};
pub use file::FileRegistry;
pub(crate) use file::parse as parse_records;
pub use interface::Registry;
pub use memory::MemoryRegistry;
pub use reader::{Reader, ReaderParseError};
pub use record::{Record, Records, Unreadable};
