//! StopPod: shuts a pod down, and only when it is gone gives its scope back and forgets it.
//!
//! A pod that has much to replay reads its requests late, so the connection is kept and drained until the
//! pod says `shutdown` or closes it; and a pod is gone only when its socket takes no new connection.

use alloc::format;

use serde::Serialize;

use crate::escape::Shown;
use crate::host::{Error, ErrorKind, Host, Reason, Request, ScopeRule, Verb};
use crate::protocol::{Event, Events, Next};
use crate::tools::input::{self, NameInput};
use crate::tools::output::Output;
use crate::tools::text::{scope_summary, seconds};

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
    let input: NameInput = input::parse("StopPod", input_json)?;
    stop(host, &input.name).map_err(|failure| match failure.kind {
        // There is no such pod.
        ErrorKind::InvalidArgument => failure,
        // Refusals too say what was not done.
        _ => failure.behind(format_args!("stop `{}`", Shown(&input.name))),
    })
}

fn stop<H: Host>(host: &H, name: &str) -> Result<Output, Error> {
    let pod = host.find(name, Verb::Stop)?;
    let operation_ms = host.bounds().operation_ms;

    let ended = shut_down(host, &pod, operation_ms)?;
    let closed = match &ended {
        Ended::WasDead => true,
        // All the time that it had is up.
        Ended::GaveUp(error) if error.is(Reason::SocketTimeout) => host.await_closed(&pod, Some(0))?,
        Ended::Confirmed | Ended::Closed | Ended::GaveUp(_) => host.await_closed(&pod, None)?,
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

    host.release(&pod, None)?;
    host.forget(&pod).map_err(|failure| failure.during("update spawned_pods.json"))?;

    let description = host.describe(&pod);
    let mut summary = format!(
        "stopped pod `{}`; reclaimed scope: {}",
        Shown(&description.name),
        scope_summary(&description.scope)
    );
    if matches!(ended, Ended::Closed | Ended::GaveUp(_)) {
        summary.push_str("; the pod did not confirm");
    }
    let confirmed = matches!(ended, Ended::Confirmed);
    Output::new(summary, None, &StopData { pod: &description.name, confirmed, scope: &description.scope })
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
