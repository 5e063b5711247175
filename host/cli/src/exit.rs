//! The exit statuses beside 0 (done), 1 (the tool failed) and 2 (used wrongly).

/// The process was interrupted: 128 and the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// SIGTERM came, and the process did not come to its orderly end (exit status 0) in time: 128 and the signal's number.
pub const TERMINATED: u8 = 143;
/// The same of SIGHUP.
pub const HUNG_UP: u8 = 129;
/// What was waited for is not over.
pub const NOT_OVER: u8 = 3;
