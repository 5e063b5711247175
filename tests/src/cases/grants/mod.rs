//! What is granted, and that nothing else is possible.

pub mod paths;
pub mod patterns;
pub mod sockets;
pub mod swaps;
pub mod verbs;
