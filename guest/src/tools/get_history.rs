//! The request for a pod's history, which ReadPodOutput and the transcript share.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::host::{Error, Host, Reason, Request, State};
use crate::protocol::{Event, Events, ItemSink, Next};

/// What is told beside a history.
pub(super) struct Told {
    pub(super) state: State,
    /// Why a turn failed that has ended just now: the pod says it to all clients.
    pub(super) failure: Option<String>,
    /// What the pod asks a person.
    pub(super) asked: Option<String>,
    /// How many bytes of text the run that goes on has said so far.
    pub(super) streamed: Option<u64>,
}

/// Gives the items of the pod's history to `items`, and tells the pod's state. Fails with `unreachable` where
/// nothing takes connections at the pod's socket.
///
/// The state is asked for after the connection stands and before the history is: an `idle` then means that
/// the text of the finished run is in the history that follows.
pub(super) fn get_history<H: Host>(host: &H, pod: &H::Pod, items: &mut dyn ItemSink) -> Result<Told, Error> {
    let exchange = host.open(pod, Request::GetHistory, None)?;
    // A state that cannot be had is unknown.
    let mut told =
        Told { state: host.state(pod).unwrap_or(State::Unknown), failure: None, asked: None, streamed: None };
    let mut events = Events::of(host, exchange, Some(items));
    loop {
        match events.next()? {
            Next::Event(Event::History(beside)) | Next::LastEvent(Event::History(beside)) => {
                // Whoever asks is neither idle nor at work, whatever was said a moment before.
                told.state = if beside.asked.is_some() { State::Paused } else { told.state };
                (told.asked, told.streamed) = (beside.asked, beside.streamed);
                return Ok(told);
            }
            // Errors go to all clients: any other error may be the answer to another client.
            Next::Event(Event::Error(error)) if error.is_invalid_method() => {
                let message = format!("the pod does not give its history: {}", error.quoted());
                return Err(Error::failed(Reason::PodError, message));
            }
            Next::Event(Event::Error(error)) => {
                told.failure = error.failed_turn().map(str::to_owned).or(told.failure);
            }
            Next::Event(Event::RunEnd(result)) => {
                told.failure = result.failed().map(str::to_owned).or(told.failure);
            }
            Next::Event(Event::TurnStart) => told.failure = None,
            Next::Event(_) | Next::LastEvent(_) => {}
            Next::Malformed(line) => return Err(line.into()),
            Next::End(end) => return Err(end.into()),
        }
    }
}
