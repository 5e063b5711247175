//! stub

mod raw_object;
pub mod registry;
pub mod scope;
mod state_file;
