//! The tools, one module each, and the conversation as a document. A tool is a function of the host and
//! its input; it keeps nothing.

mod get_history;
pub(crate) mod input;
pub(crate) mod list;
mod output;
pub(crate) mod read;
pub(crate) mod send;
pub(crate) mod stop;
mod text;
pub(crate) mod transcript;
mod wait;
pub(crate) mod wait_for_pods;

pub use output::Output;
pub use transcript::Document;
