//! ReadPodOutput.

mod answer;
mod cursor;
mod failed;
mod history;
mod parts;
mod reader;
