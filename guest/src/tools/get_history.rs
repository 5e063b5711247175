//! The request for a pod's history, which ReadPodOutput and the transcript share.

use crate::host::{Error, Host, Reason, Request, State};
use crate::protocol::{Event, Events, ItemSink, Next};

/// Gives the items of the pod's history to `items`, and the pod's state. Fails with `unreachable` where
/// nothing takes connections at the pod's socket.
///
/// The state is asked for after the connection stands and before the history is: an `idle` then means that
/// the text of the finished run is in the history that follows.
pub(super) fn get_history<H: Host>(host: &H, pod: &H::Pod, items: &mut dyn ItemSink) -> Result<State, Error> {
    let exchange = host.open(pod, Request::GetHistory, None)?;
    // A state that cannot be had is unknown.
    let state = host.state(pod).unwrap_or(State::Unknown);
    let mut events = Events::of(host, exchange, Some(items));
    loop {
        match events.next()? {
            Next::Event(Event::History) | Next::LastEvent(Event::History) => return Ok(state),
            // Errors go to all clients: any other error may be the answer to another client.
            Next::Event(Event::Error(error)) if error.is_invalid_method() => {
                let message = format!("the pod does not give its history: {}", error.quoted());
                return Err(Error::failed(Reason::PodError, message));
            }
            Next::Event(_) | Next::LastEvent(_) => {}
            Next::Malformed(line) => return Err(line.into()),
            Next::End(end) => return Err(end.into()),
        }
    }
}
