//! A pod's history, asked for and handed on item by item.

use crate::event::{Decoder, Ending, Event, ItemSink};
use crate::host::{Error, Host, Reason, Request, State};
use crate::text::excerpt;
use crate::tools::{PIECE_BYTES, QUOTED_CHARACTERS};

/// Gives the items of the pod's history to `items`, and the pod's state. Fails with `unreachable` where nothing
/// takes connections.
///
/// The state is asked for after the connection stands and before the history is: an `idle` then means that the
/// text of the finished run is in the history that follows.
pub(super) fn fetch<H: Host>(host: &H, pod: &H::Pod, items: &mut dyn ItemSink) -> Result<State, Error> {
    let exchange = host.open(pod, Request::GetHistory, None)?;
    // A state that cannot be had is unknown.
    let state = host.state(pod).unwrap_or(State::Unknown);
    let mut decoder = Decoder::new();
    loop {
        let piece = host.read(&exchange, PIECE_BYTES, None)?;
        let mut rest = piece.as_slice();
        loop {
            let event = if piece.is_empty() {
                match decoder.end(Some(items))? {
                    Ending::Event(Event::History) => Event::History,
                    Ending::WithinLine => {
                        return Err(Error::closed("connection closed before response, within a line"));
                    }
                    Ending::Event(_) | Ending::BetweenLines => {
                        return Err(Error::closed("connection closed before response"));
                    }
                }
            } else {
                match decoder.next(&mut rest, Some(items))? {
                    Some(event) => event,
                    None => break,
                }
            };
            match event {
                Event::History => return Ok(state),
                // Errors are a broadcast: any other may be the answer to somebody else.
                Event::Error(error) if error.is_invalid_method() => {
                    let quoted = excerpt(&error.message, QUOTED_CHARACTERS);
                    let message = format!("the pod does not give its history: {quoted}");
                    return Err(Error::failed(Reason::PodError, message));
                }
                _ => {}
            }
        }
    }
}
