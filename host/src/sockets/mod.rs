//! From the path in a record to a connection: beneath granted directories, to a socket and a process of ours.

pub(crate) mod connect;
pub(crate) mod directory;
pub(crate) mod refusal;

pub use directory::{DirectoryError, GrantedDirectories};
