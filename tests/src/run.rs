//! Runs cases against a host, several at a time, and says how each ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::case::Case;
use crate::failure::{Failure, Verdict};
use crate::profile::Profile;
use crate::transcript::Transcript;
use crate::trial::{Setting, Trial};

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The host did what the case asks.
    Passed,
    /// It did not.
    Failed,
    /// The host's profile says that it does not support what the case needs.
    NotSupported,
    /// This machine lacks what the case needs.
    NotRun,
}

impl Status {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotSupported => "not-supported",
            Self::NotRun => "not-run",
        }
    }
}

/// What became of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case.
    pub case: &'static Case,
    /// How it ended.
    pub status: Status,
    /// Why it was not run; `None` where it was.
    pub reason: Option<String>,
    /// Why it failed, and what had gone over the wires; `None` where it did not.
    pub failure: Option<(Failure, Transcript)>,
    /// How long it took.
    pub duration: Duration,
}

/// Why a case cannot be run here, if so, and how that is reported.
pub fn hindrance(case: &Case, profile: &Profile) -> Option<(Status, String)> {
    let lacks = case.needs.iter().find_map(|need| Some((*need, profile.lacks(*need)?)));
    if let Some((need, why)) = lacks {
        return Some((Status::NotSupported, format!("needs {need}: {why}")));
    }
    let missing = case.needs.iter().find_map(|need| Some((*need, need.missing_here()?)));
    missing.map(|(need, why)| (Status::NotRun, format!("needs {need}: {why}")))
}

/// Runs one case.
pub fn run_case(case: &'static Case, setting: &Setting, profile: &Profile) -> Outcome {
    let start = Instant::now();
    let (status, reason, failure) = match hindrance(case, profile) {
        Some((status, reason)) => (status, Some(reason), None),
        None => match judge(case, setting) {
            Ok(()) => (Status::Passed, None, None),
            Err(failure) => (Status::Failed, None, Some(failure)),
        },
    };
    Outcome { case, status, reason, failure, duration: start.elapsed() }
}

fn judge(case: &Case, setting: &Setting) -> Result<(), (Failure, Transcript)> {
    let mut trial = Trial::new(setting).map_err(|failure| (failure, Transcript::default()))?;
    let transcript = trial.place().transcript().clone();
    let verdict = catch_unwind(AssertUnwindSafe(|| -> Verdict {
        (case.run)(&mut trial)?;
        // Whatever else a case is about: a host ends in good order when its input does.
        trial.restart()
    }));
    // What the host says to the end belongs into the transcript.
    drop(trial);
    let verdict = verdict.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why");
        Err(Failure::new("the case to come to its end", format!("a panic: {said}")))
    });
    verdict.map_err(|failure| (failure, transcript))
}

/// Runs cases, `jobs` at a time, and tells `progress` of each as it ends. The outcomes are in the order of
/// the cases.
pub fn run(
    cases: &[&'static Case],
    setting: &Setting,
    profile: &Profile,
    jobs: usize,
    mut progress: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(cases.len());
    std::thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        for _ in 0..jobs.clamp(1, cases.len().max(1)) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    if sender.send((index, run_case(case, setting, profile))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, outcome) in ended {
            progress(&outcome);
            outcomes.push((index, outcome));
        }
    });
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
