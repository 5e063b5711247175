//! What is granted, and that nothing else is possible.

pub mod paths;
pub mod verbs;
