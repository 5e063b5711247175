//! For people: a line a case while it runs, then the failures, and a table by family.

use std::fmt::{self, Display};

use crate::case::Family;
use crate::report::count;
use crate::run::{Outcome, Status};

/// One line on a case that has ended.
pub struct Progress<'a>(pub &'a Outcome);

impl Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { case, status, reason, duration, .. } = self.0;
        write!(f, "{:<13} {:7.3} s  {}", status.word(), duration.as_secs_f64(), case.id)?;
        match reason {
            Some(reason) => write!(f, "  ({reason})"),
            None => Ok(()),
        }
    }
}

/// All failures, each with what was expected, what came, and the transcript; what was not run, and why; and
/// a table by family.
pub struct Summary<'a>(pub &'a [Outcome]);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in self.0 {
            let Some((failure, transcript)) = &outcome.failure else { continue };
            writeln!(f, "{}: {}", outcome.case.id, outcome.case.about)?;
            writeln!(f, "  expected  {}", failure.expected)?;
            writeln!(f, "  came      {}", failure.came)?;
            writeln!(f, "  on the wires, by seconds:")?;
            for line in transcript.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
            writeln!(f)?;
        }
        for (status, title) in [(Status::NotSupported, "not supported"), (Status::NotRun, "not run")] {
            let mut reasons: Vec<&str> = Vec::new();
            let so = || self.0.iter().filter(|outcome| outcome.status == status);
            for outcome in so() {
                let reason = outcome.reason.as_deref().unwrap_or_default();
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            for reason in reasons {
                let cases = so().filter(|outcome| outcome.reason.as_deref() == Some(reason)).count();
                writeln!(f, "{title}: {cases} case(s): {reason}")?;
            }
        }
        writeln!(
            f,
            "{:<8} {:>7} {:>7} {:>14} {:>8}",
            "family", "passed", "failed", "not supported", "not run"
        )?;
        for family in Family::ALL {
            let of_family = || self.0.iter().filter(|outcome| outcome.case.family == family);
            if of_family().next().is_some() {
                row(f, family.word(), of_family)?;
            }
        }
        row(f, "all", || self.0.iter())
    }
}

fn row<'a, I: Iterator<Item = &'a Outcome>>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    outcomes: impl Fn() -> I,
) -> fmt::Result {
    let count = |status| count(outcomes(), status);
    writeln!(
        f,
        "{name:<8} {:>7} {:>7} {:>14} {:>8}",
        count(Status::Passed),
        count(Status::Failed),
        count(Status::NotSupported),
        count(Status::NotRun)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::one_of_each;

    #[test]
    fn a_summary_shows_failures_reasons_and_a_table() {
        let outcomes = one_of_each();
        let text = Summary(&outcomes).to_string();
        for part in [
            "  expected  `a` < b\n",
            "host answers <\"&'\\u{1b}]]>\n",
            "not supported: 1 case(s): needs limits: <no fuel>\n",
            "not run: 1 case(s): needs strace: \"not\" here\n",
            "all            1       1              1        1\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
