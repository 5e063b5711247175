//! State on disk, through the public API: the scope table, the file that holds it, and the registry.

mod lock;
mod native;
mod process;
mod recovery;
mod registry;
mod rule;
mod table;
mod table_properties;
