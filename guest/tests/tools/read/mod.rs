//! ReadPodOutput.

mod answer;
mod cursor;
mod history;
mod parts;
mod reader;
