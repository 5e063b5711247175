//! What the tools mean, and their wording to the letter.

pub mod broadcast;
pub mod ending;
pub mod failed;
pub mod history;
pub mod list;
pub mod listing;
pub mod names;
pub mod protocol;
pub mod read;
pub mod send;
pub mod spawned;
pub mod stop;
pub mod wait;
