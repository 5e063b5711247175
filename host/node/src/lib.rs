//! The signed envelope in which a call goes to a node and its answer comes back.
//!
//! Whoever carries it (a broker, a scheduler) is trusted with no authority: a [`request`] is signed by its
//! caller and names one node, tool, input and deadline; an [`answer`] is signed by its node and names the
//! request. What was done is kept in [`nonces`], so that a repeated request gets the first one's outcome.
//! Nothing here reads a clock or a network: times are arguments, in milliseconds since 1970.
#![deny(missing_docs)]

pub mod answer;
pub mod nonces;
pub mod refusal;
pub mod request;
mod signed;
