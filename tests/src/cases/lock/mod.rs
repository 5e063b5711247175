//! The scope table and its lock.

pub mod busy;
pub mod crash;
pub mod disk;
pub mod holder;
pub mod life;
mod native;
pub mod others;
pub mod recovery;
pub mod stale;
pub mod starting;
pub mod table;
