//! A registry of any bytes: nothing is lost by a change, and what is no list is left alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pod_tools_fuzz::memory::within_bounds;
use pod_tools_fuzz::registry_properties::check;

fuzz_target!(|bytes: &[u8]| within_bounds(bytes, check));
