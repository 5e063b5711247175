//! Descriptors that a pod passes with its answer.

use std::fs;
use std::io;

use super::answering;
use crate::case::Case;
use crate::failure::holds;
use crate::flaw::Flaw;
use crate::script::{Step, assistant, history};

/// Passed with each answer.
const PASSED: usize = 16;
const READS: usize = 20;
/// A host may open some of its own.
const OWN: usize = 2 * PASSED;

fn open_descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// The cases.
pub const CASES: &[Case] = &[Case::new(
    "faults/descriptors-passed",
    "descriptors that a pod passes with its answer are nobody's: the answer counts, and none is kept",
    |t| {
        let line = format!("{}\n", history(&[assistant("one")]));
        let (start, end) = line.split_at(line.len() / 2);
        let steps = [Step::WithDescriptors(start.into(), PASSED), Step::WithDescriptors(end.into(), PASSED)];
        let _pod = t.pod("worker", answering(steps))?;
        t.read("worker")?.with_content("one")?;
        let pid = t.host()?.pid();
        let before = open_descriptors(pid)?;
        for _ in 0..READS {
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        }
        let after = open_descriptors(pid)?;
        holds(after < before + OWN, "no descriptor to be kept", format!("{before}, then {after}"))
    },
)
.catches(&[Flaw::KeepsDescriptors])];
