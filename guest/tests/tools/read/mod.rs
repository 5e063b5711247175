//! ReadPodOutput.

mod answer;
mod cursor;
mod failed;
mod history;
mod reader;
