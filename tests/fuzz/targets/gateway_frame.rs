//! The content of a frame to the gateway, of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pod_tools_fuzz::memory::within_bounds;
use pod_tools_fuzz::gateway::frame_properties::check;

fuzz_target!(|bytes: &[u8]| within_bounds(bytes, check));
