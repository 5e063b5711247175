//! Files of state that other processes share: opened, locked, replaced, and kept as they were found; and
//! what a path leads to, under whatever name.

pub(crate) mod json_error;
pub(crate) mod lock_file;
pub(crate) mod mounts;
pub(crate) mod os_error;
pub(crate) mod place;
pub(crate) mod raw_object;
pub(crate) mod state_file;
pub(crate) mod writers;
