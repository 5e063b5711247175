//! The fence around a pod's command: what the scope says becomes what the command, and all that it starts, can do.
//!
//! Three of the kernel's means, as none of them holds alone:
//!
//! - A root directory of its own ([`root`], in namespaces of the supervisor's): what is neither in the scope nor in the
//!   [start list](start) is not there, under no name. Landlock leaves alone whoever connects to a Unix socket by its
//!   path, or changes modes, owners and times; here there is no path. No network but where ports are named.
//! - Landlock ([`rights`]): what is there may be read, or changed, or neither; nothing can be mounted or unmounted, no
//!   process outside be signalled or traced, no port be connected to that was not named. It is inherited, and a fence
//!   within the fence only takes away.
//! - A filter of system calls ([`filter`]), for the ways around the other two.
//!
//! The supervisor lays it, and stays outside of Landlock's part: a command cannot signal or trace it. The pod's own
//! process has none of it: it owns the socket and the state.
//!
//! Each turn has a Landlock domain of its own: what an earlier turn has left in the background cannot be signalled by a
//! later one.

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod laid;
#[cfg(not(target_os = "linux"))]
#[path = "nowhere.rs"]
mod laid;
#[cfg(target_os = "linux")]
mod mounting;
#[cfg(target_os = "linux")]
mod namespace;
mod options;
mod plan;
#[cfg(target_os = "linux")]
mod rights;
#[cfg(target_os = "linux")]
mod root;
mod start;

use std::path::Path;

pub use self::laid::Fence;
pub use self::options::{FenceOptions, Hidden};
pub use self::plan::{Enforce, Held, Plan};

/// Whether a path is where programs are, so that it is shown behind every fence.
pub fn has_programs(path: &Path) -> bool {
    start::PROGRAMS.iter().any(|programs| path.starts_with(programs))
}
