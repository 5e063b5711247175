//! State on disk, through the public API: the scope table, the file that holds it, and the registry.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod descriptors;
#[path = "../../../tests/fuzz/properties/journal.rs"]
mod journal;
mod life;
mod lock;
mod native;
mod place;
#[path = "../../../tests/fuzz/properties/read_cursors.rs"]
mod read_cursors;
mod readers;
mod recovery;
mod registry;
#[path = "../../../tests/fuzz/properties/registry.rs"]
mod registry_of_any_bytes;
mod rule;
mod table;
mod table_properties;
