//! The contract's imports for clients elsewhere: the protocol that `wit/gateway.md` describes, from the bytes of a
//! request to those of its answer. Nothing is decided here: a request calls the very functions that a plugin in this
//! process calls, with the same gate, limits and ledger.
//!
//! How bytes come and go, who may begin a session and how many there are at once is the affair of who serves it. He
//! reads a frame, gives its content to [`Begin::parse`], sees whose token it shows, and makes a [`Session`] of that
//! caller's [`Authority`](crate::Authority). [`Session::answer`] takes the content of each further frame. A frame that
//! is longer than [`Session::longest_request`] is not to be read ([`Session::too_long`]), and when
//! [`Session::ends_at`] has come, the session is over ([`Session::time_is_up`]). A session that is dropped has closed
//! its exchanges and moved no cursor.
//!
//! - `frame`: the notation of frames, read and written.
//! - `handles`: the names of a session's handles.
//! - `session`: what each request does.

mod frame;
mod handles;
mod session;

pub use self::frame::{Begin, MAX_BEGIN};
pub use self::session::{Over, Reply, Session};
