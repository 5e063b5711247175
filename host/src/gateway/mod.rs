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
//! ```
//! use pod_tools_host::Authority;
//! use pod_tools_host::gateway::{Begin, Reply, Session};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The content of the first frame: version 4, and a token.
//! let begin = Begin::parse(b"\0\x08\0\0\0podtools\x04\0\x05\0\0\0sesam").map_err(|_| "it is to be told so")?;
//! assert_eq!(begin.token(), "sesam");
//!
//! // Nothing is granted to who shows it, so that `list` is denied: the session goes on.
//! let authority = Authority::builder().build()?;
//! let (mut session, answer) = Session::begin(&authority).map_err(|_| "it is to be told so")?;
//! assert_eq!(answer[..3], [0, 4, 0]);
//! let Reply::Answer(denied) = session.answer(vec![2]).await else { return Err("no answer".into()) };
//! assert_eq!(denied[..3], [1, 3, 14]);
//!
//! // A handle that there is not: it is over.
//! let Reply::Over(over) = session.answer(vec![3, 7, 0, 0, 0]).await else { return Err("it goes on".into()) };
//! assert_eq!(over.error.ok_or("no error")?.message, "the session is over: the session has no pod with handle 7");
//! # Ok(())
//! # }
//! ```
//!
//! - `frame`: the notation of frames, read and written.
//! - `handles`: the names of a session's handles.
//! - `session`: what each request does.

mod frame;
#[cfg(test)]
#[path = "../../../tests/fuzz/properties/gateway_frame.rs"]
mod frame_properties;
mod handles;
mod session;

pub use self::frame::{Begin, MAX_BEGIN};
pub use self::session::{CursorUse, Over, Reply, Session};
