//! What a run has shown: for people, and for programs.

pub mod json;
pub mod junit;
pub mod table;

use crate::run::{Outcome, Status};

/// How many cases ended so.
pub(crate) fn count<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, status: Status) -> usize {
    outcomes.into_iter().filter(|outcome| outcome.status == status).count()
}

/// Whether the host has proved itself: no case failed, and some case passed. Cases that are not supported or
/// were not run prove nothing either way.
pub fn is_proof(outcomes: &[Outcome]) -> bool {
    count(outcomes, Status::Failed) == 0 && count(outcomes, Status::Passed) > 0
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cases;
    use crate::failure::Failure;
    use crate::transcript::Transcript;

    /// One outcome of each status, with texts that want escaping.
    pub(crate) fn one_of_each() -> Vec<Outcome> {
        let transcript = Transcript::default();
        transcript.add("host", "answers", "<\"&'\u{1b}]]>");
        let failure = Failure::new("`a` < b", "\u{0}\u{ffff}&]]>");
        let outcome = |index, status| Outcome {
            case: cases::all().nth(index).unwrap(),
            status,
            reason: None,
            failure: None,
            duration: Duration::from_millis(1500),
        };
        vec![
            outcome(0, Status::Passed),
            Outcome { failure: Some((failure, transcript)), ..outcome(1, Status::Failed) },
            Outcome { reason: Some("needs limits: <no fuel>".into()), ..outcome(2, Status::NotSupported) },
            Outcome { reason: Some("needs strace: \"not\" here".into()), ..outcome(3, Status::NotRun) },
        ]
    }

    #[test]
    fn a_run_proves_something_only_if_a_case_passed_and_none_failed() {
        let all = one_of_each();
        assert!(!is_proof(&all));
        assert!(!is_proof(&all[2..]), "nothing was run");
        assert!(!is_proof(&[]));
        assert!(is_proof(&[&all[..1], &all[2..]].concat()));
    }
}
