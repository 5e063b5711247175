//! The scope table and its journal, torn by a kill or passed by by a native process.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pod_tools_fuzz::journal_properties::check;
use pod_tools_fuzz::memory::within_bounds;

fuzz_target!(|bytes: &[u8]| within_bounds(bytes, check));
