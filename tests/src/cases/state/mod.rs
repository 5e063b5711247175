//! The registry and the read cursors on disk.

pub mod crash;
pub mod cursors;
pub mod registry;
pub mod writers;
