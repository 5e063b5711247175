//! The properties of the cursor, over sequences of growth, compaction, reads and deaths that the fuzzer chooses.
#![no_main]

#[path = "../../../guest/tests/tools/scripted.rs"]
#[allow(dead_code, reason = "a part of it is enough here")]
mod scripted;

#[path = "../../../guest/tests/tools/compaction.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are not built here")]
mod compaction;

mod choose;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((acts, max_output)) = choose::from(bytes, compaction::acts()) {
        compaction::play(&acts, max_output).unwrap();
    }
});
