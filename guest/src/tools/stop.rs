//! StopPod: shuts a pod down, and only when it is gone gives its scope back and forgets it.
//!
//! A pod that has much to replay reads its requests late, so the connection is kept and drained until the
//! pod says `shutdown` or closes it; and a pod is gone only when its socket takes no new connection.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use serde::Serialize;

use crate::escape::Shown;
use crate::host::{Description, Error, ErrorKind, Host, Reason, Request, ScopeRule, Verb};
use crate::protocol::{Event, Events, Next};
use crate::tools::input::{self, StopInput};
use crate::tools::output::Output;
use crate::tools::text::{scope_summary, seconds};

/// How deep pods that pods have spawned are looked for.
const MAX_DEPTH: usize = 16;

/// Data of StopPod.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StopData<'a> {
    /// The Pod's name.
    pod: &'a str,
    /// The Pod said itself that it shuts down; false as well where it was dead already.
    confirmed: bool,
    /// What had been delegated to it, and is free again.
    scope: &'a [ScopeRule],
    /// With `descendants`: the Pods that it spawned, and theirs, in the order in which they were stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    descendants: Option<Vec<Stopped>>,
}

/// A Pod that was stopped.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Stopped {
    /// The Pod's name.
    pod: String,
    /// The Pod said itself that it shuts down; false as well where it was dead already.
    confirmed: bool,
    /// What had been delegated to it, and is free again.
    scope: Vec<ScopeRule>,
    /// It was gone without a word of its own.
    #[serde(skip)]
    unconfirmed: bool,
}

/// How the request to shut down ended.
enum Ended {
    /// Nothing took connections there.
    WasDead,
    /// The pod said `shutdown`.
    Confirmed,
    /// The connection was closed without a word.
    Closed,
    /// The time was up, or the host would not read on.
    GaveUp(Error),
}

pub(crate) fn call<H: Host>(host: &H, input_json: &str) -> Result<Output, Error> {
    let input: StopInput = input::parse("StopPod", input_json)?;
    stop(host, &input).map_err(|failure| match failure.kind {
        // There is no such pod.
        ErrorKind::InvalidArgument => failure,
        // Refusals too say what was not done.
        _ => failure.behind(format_args!("stop `{}`", Shown(&input.name))),
    })
}

fn stop<H: Host>(host: &H, input: &StopInput) -> Result<Output, Error> {
    let pod = host.find(&input.name, Verb::Stop)?;
    let mut descendants = Vec::new();
    if input.descendants {
        stop_spawned(host, &pod, &mut Vec::new(), &mut descendants)?;
    }
    let Stopped { pod, confirmed, scope, unconfirmed } =
        stop_pod(host, &pod).map_err(|failure| with_stopped(failure, &descendants))?;
    let mut summary = format!("stopped pod `{}`; reclaimed scope: {}", Shown(&pod), scope_summary(&scope));
    if unconfirmed {
        summary.push_str("; the pod did not confirm");
    }
    if !descendants.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(summary, "; and before it {}", names(&descendants));
    }
    let descendants = input.descendants.then_some(descendants);
    Output::new(summary, None, &StopData { pod: &pod, confirmed, scope: &scope, descendants })
}

/// Stops what the pod has spawned, the deepest first. Where one cannot be stopped, the pods above it are left as they are:
/// its record is with the pod that spawned it, and would be lost.
fn stop_spawned<H: Host>(
    host: &H,
    pod: &H::Pod,
    above: &mut Vec<String>,
    stopped: &mut Vec<Stopped>,
) -> Result<(), Error> {
    let name = host.describe(pod).name;
    let spawned = host.spawned_by(pod).map_err(|failure| with_stopped(failure, stopped))?;
    above.push(name);
    let mut failed: Option<Error> = None;
    for child in &spawned.pods {
        let name = host.describe(child).name;
        // What names itself its own ancestor lies.
        if above.contains(&name) {
            continue;
        }
        let ended = if above.len() == MAX_DEPTH {
            let message = format!("it lies deeper than {MAX_DEPTH} pods; stop it by itself first");
            Err(Error { kind: ErrorKind::Limit, reason: None, message })
        } else {
            stop_spawned(host, child, above, stopped).and_then(|()| stop_pod(host, child))
        };
        match ended {
            Ok(ended) => stopped.push(ended),
            Err(error) => {
                let error =
                    error.behind(format_args!("`{}`, which it spawned, is not stopped", Shown(&name)));
                failed = Some(match failed {
                    Some(mut first) => {
                        // Writing to a string cannot fail.
                        let _ = write!(first.message, "; {}", error.message);
                        first
                    }
                    None => error,
                });
            }
        }
    }
    above.pop();
    match failed {
        Some(error) => Err(with_stopped(error, stopped)),
        None if spawned.others > 0 => {
            let message = format!(
                "it spawned {} more pod(s) that no `stop` grant covers, or whose records cannot be trusted; stop it without \
                 `descendants` to leave them running",
                spawned.others
            );
            let error = Error { kind: ErrorKind::Denied, reason: Some(Reason::NotGranted), message };
            Err(with_stopped(error, stopped))
        }
        None => Ok(()),
    }
}

/// The error, and what was stopped before.
fn with_stopped(mut error: Error, stopped: &[Stopped]) -> Error {
    const BEFORE: &str = "; stopped before that: ";
    if !stopped.is_empty() && !error.message.contains(BEFORE) {
        error.message.push_str(BEFORE);
        error.message.push_str(&names(stopped));
    }
    error
}

fn names(stopped: &[Stopped]) -> String {
    stopped.iter().map(|stopped| format!("`{}`", Shown(&stopped.pod))).collect::<Vec<_>>().join(", ")
}

/// Stops one pod, gives its scope back and forgets it.
fn stop_pod<H: Host>(host: &H, pod: &H::Pod) -> Result<Stopped, Error> {
    let operation_ms = host.bounds().operation_ms;

    let ended = shut_down(host, pod, operation_ms)?;
    let closed = match &ended {
        Ended::WasDead => true,
        // All the time that it had is up.
        Ended::GaveUp(error) if error.is(Reason::SocketTimeout) => host.await_closed(pod, Some(0))?,
        Ended::Confirmed | Ended::Closed | Ended::GaveUp(_) => host.await_closed(pod, None)?,
    };
    if !closed {
        if let Ended::GaveUp(error) = ended
            && !error.is(Reason::SocketTimeout)
        {
            return Err(error);
        }
        let message = format!("still running after {}; nothing was released", seconds(operation_ms));
        return Err(Error::failed(Reason::StillRunning, message));
    }

    host.release(pod, None)?;
    host.forget(pod).map_err(|failure| failure.during("update spawned_pods.json"))?;

    let Description { name, scope, .. } = host.describe(pod);
    Ok(Stopped {
        pod: name,
        confirmed: matches!(ended, Ended::Confirmed),
        scope,
        unconfirmed: matches!(ended, Ended::Closed | Ended::GaveUp(_)),
    })
}

/// Asks the pod to shut down and reads on until it says `shutdown` or the connection ends. Malformed lines
/// are passed over: a pod that sends them can still be stopped.
fn shut_down<H: Host>(host: &H, pod: &H::Pod, within_ms: u32) -> Result<Ended, Error> {
    let exchange = match host.open(pod, Request::Shutdown, Some(within_ms)) {
        Ok(exchange) => exchange,
        Err(error) if error.is(Reason::Unreachable) => return Ok(Ended::WasDead),
        // The backlog stayed full.
        Err(error) if error.is(Reason::SocketTimeout) => return Ok(Ended::GaveUp(error)),
        Err(error) => return Err(error),
    };
    let mut events = Events::of(host, exchange, None);
    loop {
        match events.next() {
            Ok(Next::Event(Event::Shutdown) | Next::LastEvent(Event::Shutdown)) => {
                return Ok(Ended::Confirmed);
            }
            Ok(Next::Event(_) | Next::LastEvent(_) | Next::Malformed(_)) => {}
            Ok(Next::End(_)) => return Ok(Ended::Closed),
            Err(error) if error.is(Reason::Closed) => return Ok(Ended::Closed),
            Err(error) if error.is(Reason::SocketTimeout) || error.kind == ErrorKind::Limit => {
                return Ok(Ended::GaveUp(error));
            }
            Err(error) => return Err(error),
        }
    }
}
