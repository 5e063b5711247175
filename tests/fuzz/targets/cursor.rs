//! The properties of the cursor, over sequences of growth, compaction, reads and deaths that the fuzzer chooses.
#![no_main]

#[path = "../../../guest/tests/tools/scripted.rs"]
#[allow(dead_code, reason = "a part of it is enough here")]
mod scripted;

#[path = "../../../guest/tests/tools/compaction.rs"]
#[allow(dead_code, unused_imports, reason = "its tests are not built here")]
mod compaction;

use compaction::{Act, play};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Choice {
    Grow(Vec<bool>),
    Compact(u8),
    Shrink(u8),
    Read,
    ReadAndDie,
}

fuzz_target!(|input: (Vec<Choice>, Option<u16>)| {
    let (choices, max_output) = input;
    let acts: Vec<Act> = choices
        .into_iter()
        .take(64)
        .map(|choice| match choice {
            Choice::Grow(turns) => Act::Grow(turns),
            Choice::Compact(much) => Act::Compact(much.into()),
            Choice::Shrink(much) => Act::Shrink(much.into()),
            Choice::Read => Act::Read,
            Choice::ReadAndDie => Act::ReadAndDie,
        })
        .collect();
    play(&acts, max_output.map(u64::from)).unwrap();
});
