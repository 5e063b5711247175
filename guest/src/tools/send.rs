//! SendToPod: a message to a pod, and whether the pod took it.
//!
//! A pod sends its events to all clients, so a `turn_start` may be another client's, and the refusal of our
//! message may come right behind it. Where the pod says, while we are connected and have sent nothing yet,
//! that it is idle, the first `turn_start` is ours; otherwise a refusal that follows shortly wins.

use alloc::format;
use alloc::string::String;

use serde::Serialize;

use crate::escape::Shown;
use crate::host::{Error, Host, Reason, Request, State, Verb};
use crate::protocol::{ErrorCode, Event, Events, Next};
use crate::tools::input::{self, SendToPodInput, WhenBusy};
use crate::tools::output::Output;
use crate::tools::wait::{self, Outcome, Watch};

/// How long a refusal may take to follow a `turn_start` that may be another client's, in milliseconds. A
/// component has no clock of its own: this bounds each of a few reads.
const REFUSAL_MS: u32 = 20;
/// No refusal is expected any more behind so many pieces that end a line.
const REFUSAL_LINES: u32 = 8;
/// No refusal is expected any more behind so many pieces.
const REFUSAL_PIECES: u32 = 256;

/// Data of SendToPod.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SendData<'a> {
    /// The Pod's name.
    pod: &'a str,
}

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let mut input = input::send_to_pod(input_json)?;
    let sent = host.find(&input.name, Verb::Send).and_then(|pod| send(host, &pod, &mut input));
    let name = Shown(&input.name);
    sent.map_err(|failure| {
        if failure.is(Reason::AlreadyRunning) {
            let message = format!("pod `{name}` is already running a turn; wait for it to finish and retry");
            return Error::failed(Reason::AlreadyRunning, message);
        }
        failure.during(format_args!("send to `{name}`"))
    })?;
    Output::new(format!("sent message to `{name}`"), None, &SendData { pod: &input.name })
}

fn send<H: Host>(host: &H, pod: &H::Pod, input: &mut SendToPodInput) -> Result<(), Error> {
    if input.when_busy == WhenBusy::Refuse {
        return attempt(host, pod, core::mem::take(&mut input.message))?.1;
    }
    let mut left_ms = wait::longest_ms(host.bounds());
    loop {
        // A refusal comes on a connection that goes on to tell what the pod does.
        let (events, taken) = attempt(host, pod, input.message.clone())?;
        let error = match taken {
            Err(error) if error.is(Reason::AlreadyRunning) && left_ms > 0 => error,
            taken => return taken,
        };
        let mut watch = [Watch::of(host, pod, events)?];
        left_ms = wait::until(host, &mut watch, left_ms, |done| done == 1)?;
        // Whoever asks takes no message before the answer.
        if watch[0].outcome() != Some(Outcome::Ended) && watch[0].outcome() != Some(Outcome::Stopped) {
            return Err(error);
        }
    }
}

/// Sends the message, and says whether it was taken; with the events that are still to come on the connection.
fn attempt<'a, H: Host>(
    host: &'a H,
    pod: &H::Pod,
    message: String,
) -> Result<(Events<'a, H>, Result<(), Error>), Error> {
    let exchange = host.open(pod, Request::Run(message), None)?;
    // Connected, but nothing is sent before the first read. A state that cannot be had is unknown.
    let state = host.state(pod).unwrap_or(State::Unknown);
    let mut events = Events::of(host, exchange, None);
    let taken = await_turn(&mut events, state);
    Ok((events, taken))
}

/// Waits until the pod has taken the message that is sent with the first read.
fn await_turn<H: Host>(events: &mut Events<'_, H>, state: State) -> Result<(), Error> {
    loop {
        let event = match events.next()? {
            Next::Event(Event::TurnStart) if state != State::Idle => return await_refusal(events),
            // Where the connection has ended, no refusal can follow.
            Next::Event(Event::TurnStart) | Next::LastEvent(Event::TurnStart) => return Ok(()),
            Next::Event(event) | Next::LastEvent(event) => event,
            Next::Malformed(line) => return Err(Error::from(line).during("read")),
            Next::End(end) => return Err(end.into()),
        };
        refusal(&event)?;
        if event == Event::Shutdown {
            return Err(Error::failed(Reason::Closed, "the pod is shutting down"));
        }
    }
}

/// Fails if the event says that the pod has not taken the message. Any other error may be the answer to
/// another client.
fn refusal(event: &Event) -> Result<(), Error> {
    match event {
        Event::Error(error) if error.code == ErrorCode::AlreadyRunning => {
            Err(Error::failed(Reason::AlreadyRunning, error.message.as_str()))
        }
        Event::Error(error) if error.is_invalid_method() => {
            let message = format!("the pod does not take messages: {}", error.quoted());
            Err(Error::failed(Reason::PodError, message))
        }
        _ => Ok(()),
    }
}

/// A turn has begun, perhaps another client's: reads on for a little while, and fails if our message is
/// refused.
fn await_refusal<H: Host>(events: &mut Events<'_, H>) -> Result<(), Error> {
    let mut lines = 0;
    for _ in 0..REFUSAL_PIECES {
        let mut ended_line = false;
        while let Some(next) = events.arrived() {
            // A malformed line is no refusal.
            if let Next::Event(event) = next {
                refusal(&event)?;
            }
            ended_line = true;
        }
        lines += u32::from(ended_line);
        if lines > REFUSAL_LINES {
            break;
        }
        let has_failed = events.read(Some(REFUSAL_MS)).is_err();
        if has_failed || events.has_ended() {
            // The end, a time-out or a broken connection: the turn has begun, and no refusal follows but one
            // whose line lacks its end.
            if let Next::LastEvent(event) = events.at_end() {
                refusal(&event)?;
            }
            break;
        }
    }
    Ok(())
}
