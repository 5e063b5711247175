//! The grants file (`--grants FILE`): what an agent may do with pods, in a file that people can read.
//!
//! ```toml
//! grants = [
//!     "list,read",                              # as with --grant
//!     "send:build-*",
//! ]
//! allow-sockets = ["/run/user/1000/insomnia"]   # as with --allow-sockets
//!
//! [limits]                                      # names, units and bounds as the options'
//! op-timeout = "5s"
//! ```
//!
//! For `pod-tools gateway` and `pod-tools node` there may be callers in the place of `grants`:
//!
//! ```toml
//! [[caller]]
//! name = "alice"                                # in logs; she has read cursors of her own
//! token-file = "/etc/pod-tools/alice"           # for the gateway
//! key = "U…"                                    # for the node
//! grants = ["list,read"]
//! max-calls = 4                                 # of the node's; also max-rate, max-bytes
//! ```

pub mod explain;
mod exposure;
mod fault;
mod file;
mod parse;

pub use self::exposure::{REMEDY, exposures};
pub use self::fault::GrantsFileError;
pub use self::file::{Content, GrantsFile, GrantsOfCaller, Placed};
