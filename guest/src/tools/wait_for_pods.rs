//! WaitForPods: until one of several pods is done, or all are.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use serde::Serialize;

use crate::escape::{Shown, excerpt};
use crate::host::{Error, Host, State, Verb};
use crate::tools::input::{self, Enough, WaitInput};
use crate::tools::output::Output;
use crate::tools::read::PodState;
use crate::tools::wait::{self, Outcome, Watch};

/// The most pods that one call waits for: each takes a connection.
const MAX_PODS: usize = 100;
/// How much of the reason of a failure is told, in characters.
const REASON_CHARACTERS: usize = 200;

/// Data of WaitForPods.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WaitData<'a> {
    /// `done`: as many are as were waited for; `time-up`: fewer.
    outcome: WaitOutcome,
    /// The Pods, in the order in which they were named, each once.
    pods: Vec<WaitedPod<'a>>,
}

/// Whether the wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WaitOutcome {
    Done,
    TimeUp,
}

/// One Pod that was waited for.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WaitedPod<'a> {
    /// The Pod's name.
    name: &'a str,
    /// `ended`: no run goes on; `asked`: a person is asked; `stopped`: it cannot be reached; `running`: not done.
    outcome: PodOutcome,
    /// The Pod's own word; `stopped`: it cannot be reached; `unknown`: it gives none.
    state: PodState,
    /// Why the run that was waited for has failed, in the Pod's words, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

/// What a wait for one Pod has come to.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodOutcome {
    Ended,
    Asked,
    Stopped,
    Running,
}

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let input: WaitInput = input::parse("WaitForPods", input_json)?;
    wait_for_pods(host, &input)
}

fn wait_for_pods<H: Host>(host: &H, input: &WaitInput) -> Result<Output, Error> {
    let mut names: Vec<&str> = Vec::new();
    for name in &input.names {
        if names.len() == MAX_PODS {
            return Err(Error::invalid(format!(
                "WaitForPods waits for at most {MAX_PODS} pods, and was given more; wait for some of them"
            )));
        }
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Error::invalid(
            "WaitForPods was given no names in `names`; ListPods shows the pods that there are",
        ));
    }
    let bounds = host.bounds();
    let wait_ms = match input.wait_seconds {
        Some(seconds) => wait::bounded_ms(bounds, seconds)?,
        None => wait::longest_ms(bounds),
    };
    // All are found before any is waited for: an unknown name is told at once.
    let pods = names.iter().map(|name| host.find(name, Verb::Read)).collect::<Result<Vec<_>, _>>()?;
    let mut watches = Vec::with_capacity(pods.len());
    for (pod, name) in pods.iter().zip(&names) {
        let during = |failure: Error| failure.during(format_args!("wait for `{}`", Shown(name)));
        watches.push(Watch::begin(host, pod).map_err(during)?);
    }
    let all = pods.len();
    let is_enough = |done| match input.enough {
        Enough::Any => done > 0,
        Enough::All => done == all,
    };
    wait::until(host, &mut watches, wait_ms, is_enough).map_err(|failure| failure.during("wait"))?;

    let mut waited = Vec::with_capacity(all);
    for ((name, pod), watch) in names.iter().zip(&pods).zip(&watches) {
        let outcome = match watch.outcome() {
            Some(Outcome::Ended) => PodOutcome::Ended,
            Some(Outcome::Asked) => PodOutcome::Asked,
            Some(Outcome::Stopped) => PodOutcome::Stopped,
            None => PodOutcome::Running,
        };
        let state = match (outcome, host.state(pod)) {
            (PodOutcome::Stopped, _) => PodState::Stopped,
            (_, Ok(State::Idle)) => PodState::Idle,
            (_, Ok(State::Running)) => PodState::Running,
            (_, Ok(State::Paused)) => PodState::Paused,
            (_, Ok(State::Unknown) | Err(_)) => PodState::Unknown,
        };
        let failed = watch.failed().map(|reason| excerpt(reason, REASON_CHARACTERS));
        waited.push(WaitedPod { name, outcome, state, failed });
    }
    let done = watches.iter().filter(|watch| watch.outcome().is_some()).count();
    let outcome = if is_enough(done) { WaitOutcome::Done } else { WaitOutcome::TimeUp };
    let mut summary = format!("{done} of {all} pod(s) done");
    if outcome == WaitOutcome::TimeUp {
        summary.push_str("; the time is up");
    }
    let content = waited.iter().map(line).collect::<Vec<_>>().join("\n");
    Output::new(summary, Some(content), &WaitData { outcome, pods: waited })
}

/// How a pod is, on one line.
fn line(pod: &WaitedPod<'_>) -> String {
    let word = match pod.outcome {
        PodOutcome::Ended => "run ended",
        PodOutcome::Asked => "needs an answer",
        PodOutcome::Stopped => "stopped",
        PodOutcome::Running => "running",
    };
    let mut line = format!("{} [{word}]", Shown(pod.name));
    if let Some(reason) = &pod.failed {
        // Writing to a string cannot fail.
        let _ = write!(line, " its run failed: {reason}");
    }
    line
}
