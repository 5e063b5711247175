//! ReadPodOutput: what an assistant has said since the last read, and how the pod is.
//!
//! The cursor is staged when the whole history was decoded; the host stores it (see `wit/`).

use std::fmt::Write;

use serde::Serialize;

use crate::escape::Shown;
use crate::host::{Error, Host, Reason, State, Verb};
use crate::protocol::history::{Position, Unread};
use crate::tools::get_history::get_history;
use crate::tools::input::{self, NameInput};
use crate::tools::output::Output;

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

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let input: NameInput = input::parse("ReadPodOutput", input_json)?;
    read(host, &input.name).map_err(|failure| failure.during(format_args!("read `{}`", Shown(&input.name))))
}

fn read<H: Host>(host: &H, name: &str) -> Result<Output, Error> {
    let pod = host.find(name, Verb::Read)?;
    let from = host.cursor(&pod)?.map_or(Some(Position::START), |stored| Position::of(&stored));
    let hand_over = |text: &str| host.append(text);
    let mut unread = Unread::behind(from, host.bounds().max_output, &hand_over);
    let state = match get_unread(host, &pod, &mut unread) {
        Ok(state) => state,
        Err(error) if error.is(Reason::Unreachable) => return stopped(name),
        Err(error) => return Err(error),
    };

    let end = unread.end();
    if from != Some(end) {
        host.set_cursor(&pod, end.cursor())?;
    }
    answer(name, state, unread)
}

/// Reads the pod's history, twice where it was rewritten. Gives the pod's state.
fn get_unread<H: Host>(host: &H, pod: &H::Pod, unread: &mut Unread<'_>) -> Result<State, Error> {
    let state = get_history(host, pod, unread)?;
    if unread.continues() {
        return Ok(state);
    }
    unread.start_over();
    get_history(host, pod, unread)
}

fn answer(name: &str, state: State, unread: Unread<'_>) -> Result<Output, Error> {
    let (word, pod_state) = match state {
        State::Idle => ("idle", PodState::Idle),
        State::Running => ("running", PodState::Running),
        State::Paused => ("paused", PodState::Paused),
        State::Unknown => ("running", PodState::Unknown),
    };
    let data = ReadData {
        pod: name,
        state: pod_state,
        new_items: unread.new_items(),
        remaining_items: unread.remaining_items(),
        continued: unread.is_continued(),
        cut: unread.is_cut(),
        rewritten: unread.is_rewritten(),
        unanswered: state == State::Idle && unread.ends_with_user(),
    };
    let (text, lines) = unread.into_text();

    let shown = Shown(name);
    let mut summary = if lines == 0 {
        format!("pod `{shown}` {word}; no new assistant text")
    } else {
        let now = if state == State::Unknown { String::new() } else { format!("; now {word}") };
        format!("pod `{shown}`: {lines} new line(s) of assistant text{now}")
    };
    if data.unanswered {
        summary.push_str("; the last message has no answer");
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

fn stopped(name: &str) -> Result<Output, Error> {
    let data = ReadData {
        pod: name,
        state: PodState::Stopped,
        new_items: 0,
        remaining_items: 0,
        continued: false,
        cut: false,
        rewritten: false,
        unanswered: false,
    };
    Output::new(format!("pod `{}` is stopped (unreachable)", Shown(name)), None, &data)
}
