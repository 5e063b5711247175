//! The registry and the read cursors on disk.

pub mod crash;
pub mod cursors;
pub mod large;
pub mod others;
pub mod registry;
pub mod writers;
