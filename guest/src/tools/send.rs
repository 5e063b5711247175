//! SendToPod: a message to a pod, and whether the pod took it.
//!
//! Events are a broadcast, so a `turn_start` may be another client's, and the refusal of our message may come
//! right behind it. Where the pod says, while we are connected and have sent nothing yet, that it is idle,
//! the first `turn_start` is ours; otherwise a refusal that follows shortly wins.

use serde::Serialize;

use crate::event::{Decoder, Ending, ErrorCode, Event};
use crate::host::{Error, Host, Reason, Request, State, Verb};
use crate::input;
use crate::text::{Shown, excerpt};
use crate::tools::{Output, PIECE_BYTES, QUOTED_CHARACTERS};

/// How long a refusal may take to follow a `turn_start` that may be another client's, in milliseconds. A
/// component has no clock of its own: this bounds each of a few reads.
const REFUSAL_MS: u32 = 20;
/// After so many further pieces that end a line, and so many in all, no refusal is expected any more.
const REFUSAL_LINES: u32 = 8;
const REFUSAL_PIECES: u32 = 256;

/// Data of SendToPod.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SendData<'a> {
    /// The Pod's name.
    pod: &'a str,
}

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let input = input::send_to_pod(input_json)?;
    let name = Shown(&input.name);
    let sent = host.find(&input.name, Verb::Send).and_then(|pod| send(host, &pod, input.message));
    sent.map_err(|failure| {
        if failure.is(Reason::AlreadyRunning) {
            let message = format!("pod `{name}` is already running a turn; wait for it to finish and retry");
            return Error::failed(Reason::AlreadyRunning, message);
        }
        failure.during(format_args!("send to `{name}`"))
    })?;
    Output::new(format!("sent message to `{name}`"), None, &SendData { pod: &input.name })
}

fn send<H: Host>(host: &H, pod: &H::Pod, message: String) -> Result<(), Error> {
    let exchange = host.open(pod, Request::Run(message), None)?;
    // Connected, but nothing is sent before the first read. A state that cannot be had is unknown.
    let state = host.state(pod).unwrap_or(State::Unknown);
    let mut decoder = Decoder::new();
    loop {
        let piece = host.read(&exchange, PIECE_BYTES, None)?;
        let mut rest = piece.as_slice();
        loop {
            let (event, ended) = if piece.is_empty() {
                match decoder.end(None)? {
                    Ending::Event(event) => (event, true),
                    Ending::BetweenLines => return Err(Error::closed("connection closed before response")),
                    Ending::WithinLine => {
                        return Err(Error::closed("connection closed before response, within a line"));
                    }
                }
            } else {
                match decoder.next(&mut rest, None)? {
                    Some(event) => (event, false),
                    None => break,
                }
            };
            if let Event::TurnStart = event {
                if state == State::Idle || ended {
                    return Ok(());
                }
                return await_refusal(host, &exchange, &mut decoder, rest);
            }
            refusal(&event)?;
            if event == Event::Shutdown {
                return Err(Error::closed("the pod is shutting down"));
            }
        }
    }
}

/// Fails if the event says that the pod has not taken the message. Other errors may be anybody's.
fn refusal(event: &Event) -> Result<(), Error> {
    match event {
        Event::Error(error) if error.code == ErrorCode::AlreadyRunning => {
            Err(Error::failed(Reason::AlreadyRunning, error.message.as_str()))
        }
        Event::Error(error) if error.is_invalid_method() => {
            let quoted = excerpt(&error.message, QUOTED_CHARACTERS);
            Err(Error::failed(Reason::PodError, format!("the pod does not take messages: {quoted}")))
        }
        _ => Ok(()),
    }
}

/// A turn has begun, of whichever client: looks on for a little while whether our message is refused.
fn await_refusal<H: Host>(
    host: &H,
    exchange: &H::Exchange,
    decoder: &mut Decoder,
    rest: &[u8],
) -> Result<(), Error> {
    let mut piece = rest.to_vec();
    let mut lines = 0;
    for _ in 0..REFUSAL_PIECES {
        let mut rest = piece.as_slice();
        let mut ended_line = false;
        // What is not the protocol's is no refusal.
        while let Ok(Some(event)) | Err(event) = decoder.next(&mut rest, None).map_err(|_| Event::Other) {
            refusal(&event)?;
            ended_line = true;
        }
        lines += u32::from(ended_line);
        if lines > REFUSAL_LINES {
            break;
        }
        match host.read(exchange, PIECE_BYTES, Some(REFUSAL_MS)) {
            Ok(next) if !next.is_empty() => piece = next,
            // The end, a time-out or a broken connection: the turn had begun, and no refusal came.
            _ => {
                if let Ok(Ending::Event(event)) = decoder.end(None) {
                    refusal(&event)?;
                }
                break;
            }
        }
    }
    Ok(())
}
