//! Files of state that other processes share: opened, locked, replaced, and kept as they were found.

pub(crate) mod lock_file;
pub(crate) mod os_error;
pub(crate) mod raw_object;
pub(crate) mod state_file;
