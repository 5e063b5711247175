//! An agent of the [Agent Client Protocol](https://agentclientprotocol.com) as what answers a pod's messages.
//!
//! ```text
//! server ── turn ──► driver ── JSON-RPC, a message a line ──► agent, behind the fence
//!                      │  ◄── session/update, requests ──┘
//!                      ├── files:  what of the scope is read and written for it
//!                      └── permit: what it is permitted
//! ```
//!
//! The agent runs as long as the pod does, and is started again for the next message where it has ended. What it sends
//! is read all the time, also while no turn runs, and all of it is bounded: a line, a turn, the questions in a turn. The
//! protocol's types are the crate `agent-client-protocol-schema`; its SDK reads lines without a bound and queues without
//! one, so framing and order are ours ([`process`], [`driver`]).
//!
//! The agent is not trusted with what it says of itself: a file is read or written for it by handles of the scope's
//! directories, and what it calls a harmless action is harmless where the fence makes it so.

mod agent;
mod asking;
mod begun;
mod driver;
mod files;
mod handshake;
mod message;
mod options;
mod permit;
mod place;
mod process;
mod transcript;
mod turn;

pub use self::agent::Agent;
pub use self::driver::Setting;
pub use self::files::Files;
pub use self::options::AcpOptions;
pub use self::place::Place;
