//! What the four tools mean, and their wording to the letter.

pub mod list;
pub mod protocol;
pub mod read;
pub mod send;
pub mod stop;
