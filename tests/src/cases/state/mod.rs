//! The registry and the read cursors on disk.

pub mod registry;
