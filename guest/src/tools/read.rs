//! ReadPodOutput: what an assistant has said since the last read, and how the pod is.
//!
//! The cursor is staged when the whole history was decoded; the host stores it (see `wit/`).

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use serde::Serialize;

use crate::escape::{Shown, excerpt};
use crate::host::{Error, Host, Reason, State, Verb};
use crate::protocol::history::{Failure, Position, Unread};
use crate::tools::get_history::{Told, get_history};
use crate::tools::input::{self, ReadInput};
use crate::tools::output::Output;
use crate::tools::wait::{self, Waited, Watch};

/// How much of the reason of a failure is told, in characters.
const REASON_CHARACTERS: usize = 1200;

/// Data of ReadPodOutput.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReadData<'a> {
    /// The Pod's name.
    pod: &'a str,
    /// The Pod's own word; `stopped`: it cannot be reached; `unknown`: it gives none.
    state: PodState,
    /// How many history items were read, with or without text.
    new_items: u64,
    /// How many more there are to read, where the host bounds an answer's length; one that is read in part counts.
    remaining_items: u64,
    /// The text begins where the last one broke off within an item: nothing belongs between the two.
    continued: bool,
    /// The text breaks off within an item, which is longer than an answer may be: the next read goes on from there.
    cut: bool,
    /// The history does not begin with what was read before: it was given from its start.
    rewritten: bool,
    /// The Pod is idle, and the newest item is a user message.
    unanswered: bool,
    /// The turn that failed, if one did: the last one, or one before it that is read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
    /// What a wait for the Pod has come to, where `wait_seconds` was given: `ended`: no run goes on; `asked`: a person is
    /// asked; `stopped`: it cannot be reached any more; `time-up`: its run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited: Option<Waited>,
    /// What a person is asked, while the Pod is paused: `ID: QUESTION`, several one behind the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<&'a str>,
    /// How much text the run that goes on has said so far, in bytes, where the Pod says it: it is given when the run has
    /// ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    streamed: Option<u64>,
}

/// A turn that failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed {
    /// Why, in the Pod's words: how its command ended, and the end of what that wrote to standard error.
    reason: String,
    /// No turn came behind it.
    last: bool,
}

/// How a Pod is.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodState {
    Idle,
    Running,
    Paused,
    Stopped,
    Unknown,
}

impl From<State> for PodState {
    fn from(state: State) -> Self {
        match state {
            State::Idle => Self::Idle,
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Unknown => Self::Unknown,
        }
    }
}

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let input: ReadInput = input::parse("ReadPodOutput", input_json)?;
    read(host, &input).map_err(|failure| failure.during(format_args!("read `{}`", Shown(&input.name))))
}

fn read<H: Host>(host: &H, ReadInput { name, wait_seconds }: &ReadInput) -> Result<Output, Error> {
    let wait_ms = wait_seconds.map(|seconds| wait::bounded_ms(host.bounds(), seconds)).transpose()?;
    let pod = host.find(name, Verb::Read)?;
    let waited = match wait_ms {
        Some(wait_ms) => Some(wait_for(host, &pod, wait_ms)?),
        None => None,
    };
    let from = host.cursor(&pod)?.map_or(Some(Position::START), |stored| Position::of(&stored));
    let hand_over = |text: &str| host.append(text);
    let mut unread = Unread::behind(from, host.bounds().max_output, &hand_over);
    let mut told = match get_unread(host, &pod, &mut unread) {
        Ok(told) => told,
        Err(error) if error.is(Reason::Unreachable) => return stopped(name, waited),
        Err(error) => return Err(error),
    };

    let end = unread.end();
    if from != Some(end) {
        host.set_cursor(&pod, end.cursor())?;
    }
    // Here, where it is: moving what is unread costs more than all else that an answer takes.
    let failed = failed(told.state, told.failure.take(), unread.failure());
    answer(name, &told, waited, failed, unread)
}

/// Waits for the pod. Its history is asked for after that, and what was read of it before is looked up then.
fn wait_for<H: Host>(host: &H, pod: &H::Pod, wait_ms: u32) -> Result<Waited, Error> {
    let mut watch = [Watch::begin(host, pod)?];
    wait::until(host, &mut watch, wait_ms, |done| done == 1)?;
    Ok(Waited::of(watch[0].outcome()))
}

/// Reads the pod's history: again where it was rewritten, and where it ended among items that were skipped.
fn get_unread<H: Host>(host: &H, pod: &H::Pod, unread: &mut Unread<'_>) -> Result<Told, Error> {
    loop {
        match get_history(host, pod, unread) {
            Ok(told) if unread.continues() => return Ok(told),
            Err(error) if error.is(Reason::Closed) && unread.no_skipping() => {}
            Err(error) if !unread.is_astray() => return Err(error),
            Ok(_) | Err(_) => unread.start_over(),
        }
    }
}

/// The failure that is to be told: the last turn's in each read until there is another turn, any other one once.
fn failed(state: State, told: Option<String>, read: Option<Failure>) -> Option<Failed> {
    let failure = match (read, told) {
        (Some(failure), _) if failure.is_last && failure.is_certain => failure,
        (_, Some(reason)) => Failure { reason, is_last: true, is_new: true, is_certain: true },
        (Some(failure), None) => failure,
        (None, None) => return None,
    };
    (failure.is_new || state != State::Running).then(|| Failed {
        reason: failure.reason.chars().take(REASON_CHARACTERS).collect(),
        last: failure.is_last,
    })
}

fn answer(
    name: &str,
    &Told { state, ref asked, streamed, .. }: &Told,
    waited: Option<Waited>,
    failed: Option<Failed>,
    unread: Unread<'_>,
) -> Result<Output, Error> {
    let word = match state {
        State::Idle => "idle",
        State::Running | State::Unknown => "running",
        State::Paused => "paused",
    };
    let data = ReadData {
        pod: name,
        state: state.into(),
        new_items: unread.new_items(),
        remaining_items: unread.remaining_items(),
        continued: unread.is_continued(),
        cut: unread.is_cut(),
        rewritten: unread.is_rewritten(),
        unanswered: state == State::Idle && unread.ends_with_user(),
        failed,
        waited,
        asked: asked.as_deref(),
        streamed,
    };
    let (text, lines) = unread.into_text();

    let shown = Shown(name);
    let mut summary = if lines == 0 {
        format!("pod `{shown}` {word}; no new assistant text")
    } else {
        let now = if state == State::Unknown { String::new() } else { format!("; now {word}") };
        format!("pod `{shown}`: {lines} new line(s) of assistant text{now}")
    };
    if let Some(asked) = data.asked {
        // Writing to a string cannot fail.
        let _ = write!(summary, "; needs an answer: {}", excerpt(asked, REASON_CHARACTERS));
    }
    if data.unanswered {
        summary.push_str("; the last message has no answer");
    }
    if let Some(Failed { reason, last }) = &data.failed {
        let which = if *last { "the last" } else { "a" };
        // Writing to a string cannot fail.
        let _ = write!(summary, "; {which} turn failed: {}", excerpt(reason, REASON_CHARACTERS));
    }
    if let Some(waited) = waited {
        summary.push_str(match waited {
            Waited::Ended => "; no run goes on",
            Waited::Asked => "; it waits for somebody",
            Waited::Stopped => "; it has stopped",
            Waited::TimeUp => "; its run still goes on after the wait",
        });
    }
    if data.rewritten {
        summary.push_str("; history was rewritten, given from its start");
    }
    if data.remaining_items > 0 {
        // Writing to a string cannot fail.
        let _ = write!(summary, "; {} more item(s) to read", data.remaining_items);
    }
    if data.cut {
        summary.push_str("; the text breaks off within an item, and the next read goes on from there");
    }
    Output::new(summary, Some(text).filter(|text| !text.is_empty()), &data)
}

fn stopped(name: &str, waited: Option<Waited>) -> Result<Output, Error> {
    let data = ReadData {
        pod: name,
        state: PodState::Stopped,
        new_items: 0,
        remaining_items: 0,
        continued: false,
        cut: false,
        rewritten: false,
        unanswered: false,
        failed: None,
        waited: waited.map(|_| Waited::Stopped),
        asked: None,
        streamed: None,
    };
    Output::new(format!("pod `{}` is stopped (unreachable)", Shown(name)), None, &data)
}
