//! The supervisor: a small process between a pod and its commands, so that nothing that they start outlives
//! the pod, however the pod ends.
//!
//! ```text
//! pod ── socket ──► supervisor ── command ── whatever the command starts
//! ```
//!
//! A parent's death signal reaches children and not grandchildren, and a process group those that stay in it.
//! The supervisor is a child subreaper: what the commands start stays beneath it, even where it makes sessions
//! of its own or its parent exits. It learns of the pod's death by the end of their socket, which the kernel
//! closes whatever kills the pod, and then kills all that is beneath it. It leads a session without a terminal,
//! so that no command can be stopped by asking at one, or write to one; not being the leader, no command can
//! take a terminal either.
//!
//! What is not held: a process with another user's rights (`sudo`); and where the supervisor itself is killed, what
//! earlier commands have left in the background. (The running command ends with it: the pod kills it.) Where the
//! system is no Linux, only the process group of the command is held.

mod descendants;
mod handle;
mod process;
mod wire;

pub use self::handle::Supervisor;
pub use self::process::{WORD, run};
