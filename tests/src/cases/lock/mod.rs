//! The scope table and its lock.

pub mod busy;
