//! Arbitrary bytes of a pod, in arbitrary pieces: no tool panics, and what a read yields does not depend on where
//! the pieces were cut.
#![no_main]

#[path = "../../../guest/tests/tools/scripted.rs"]
#[allow(dead_code, reason = "a part of it is enough here")]
mod scripted;

use libfuzzer_sys::fuzz_target;
use scripted::{Step, host, pod, says};

fuzz_target!(|input: (Vec<u8>, Vec<u16>)| {
    let (bytes, cuts) = input;
    let cut = || -> Vec<Step> {
        let mut places: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut) % (bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places.dedup();
        places.windows(2).map(|place| says(&bytes[place[0]..place[1]])).collect()
    };
    let whole = || vec![says(bytes.clone())];
    let read = |steps: &dyn Fn() -> Vec<Step>| {
        // A history that does not continue what was read is asked for twice.
        let host = host([pod("x").answering(steps()).answering(steps())]);
        let answers = [(); 2].map(|()| host.call("ReadPodOutput", r#"{"name":"x"}"#));
        (answers, host.pods[0].cursor.borrow().clone())
    };
    assert_eq!(read(&cut), read(&whole));
    for (tool, input) in [("StopPod", r#"{"name":"x"}"#), ("SendToPod", r#"{"name":"x","message":""}"#)] {
        let _ = host([pod("x").answering(cut())]).call(tool, input);
    }
    let _ = pod_tools_guest::transcript(&host([pod("x").answering(cut())]), "x");
});
