//! ReadPodOutput.

mod answer;
mod cursor;
mod history;
mod reader;
