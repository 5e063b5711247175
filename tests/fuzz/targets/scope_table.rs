//! The properties of the scope table, over changes that the fuzzer chooses, and over bytes that are none.
#![no_main]

#[path = "../../../host/tests/state/table_properties.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are not built here")]
mod table_properties;

mod choose;

use libfuzzer_sys::fuzz_target;
use pod_tools_host::scope::Table;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = Table::parse(bytes) {
        table.render().unwrap();
    }
    if let Some(changes) = choose::from(bytes, table_properties::changes()) {
        table_properties::keep_the_rules(changes).unwrap();
    }
});
