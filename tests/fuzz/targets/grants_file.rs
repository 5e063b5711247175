//! A grants file of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pod_tools_fuzz::grants_file_properties::check;
use pod_tools_fuzz::memory::within_bounds;

fuzz_target!(|bytes: &[u8]| within_bounds(bytes, check));
