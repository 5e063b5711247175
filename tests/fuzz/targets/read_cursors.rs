//! Read cursors of any bytes, moved by several readers, and torn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pod_tools_fuzz::memory::within_bounds;
use pod_tools_fuzz::read_cursors_properties::check;

fuzz_target!(|bytes: &[u8]| within_bounds(bytes, check));
