//! State on disk, through the public API: the scope table, the file that holds it, and the registry.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod descriptors;
mod life;
mod lock;
mod native;
mod place;
mod readers;
mod recovery;
mod registry;
mod rule;
mod table;
mod table_properties;
