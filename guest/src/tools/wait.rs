//! Waiting for pods: until a run has ended, a person is asked, or the pod is gone.
//!
//! A pod tells all its clients what it does, so a connection that asks for nothing hears of it. What was missed, before the
//! connection stood or where the pod has cut it, the pod's own state tells: it is looked at when the connection stands,
//! whenever the pod says what may have changed it, and now and then, ever more seldom.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::host::{Awaited, Bounds, Error, ErrorKind, Host, Reason, Request, State};
use crate::protocol::{Event, Events, Next, RunResult};
use crate::tools::text::seconds;

/// When the state is looked at again though nothing was heard: first after this time, then after ever more of it.
const FIRST_LOOK_MS: u32 = 40;
const LOOK_FACTOR: u32 = 4;
const LONGEST_LOOK_MS: u32 = 10_000;
/// How long the state of a pod may lag behind what it has said: this often, so many milliseconds.
const LAG: (u32, u32) = (20, 10);
/// What is left of a call for what comes behind a wait: a tenth of it, and no more than this, in milliseconds.
const LONGEST_REST_MS: u32 = 2000;

/// What a wait for a pod has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No run goes on.
    Ended,
    /// A person is asked, or the run has paused.
    Asked,
    /// Nothing takes connections at its socket.
    Stopped,
}

/// The same, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Waited {
    Ended,
    Asked,
    Stopped,
    TimeUp,
}

impl Waited {
    pub(super) fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Ended) => Self::Ended,
            Some(Outcome::Asked) => Self::Asked,
            Some(Outcome::Stopped) => Self::Stopped,
            None => Self::TimeUp,
        }
    }
}

/// One pod that is waited for.
pub(super) struct Watch<'a, H: Host> {
    host: &'a H,
    pod: &'a H::Pod,
    /// `None` while its backlog is full.
    events: Option<Events<'a, H>>,
    outcome: Option<Outcome>,
    /// Why the run that was waited for has failed, if it did.
    failed: Option<String>,
}

impl<'a, H: Host> Watch<'a, H> {
    /// Begins to listen.
    pub(super) fn begin(host: &'a H, pod: &'a H::Pod) -> Result<Self, Error> {
        let mut watch = Self { host, pod, events: None, outcome: None, failed: None };
        watch.listen()?;
        Ok(watch)
    }

    /// A run goes on, and its events come on a connection that there is.
    pub(super) fn of(host: &'a H, pod: &'a H::Pod, events: Events<'a, H>) -> Result<Self, Error> {
        let mut watch = Self { host, pod, events: Some(events), outcome: None, failed: None };
        watch.take_in()?;
        Ok(watch)
    }

    /// What it has come to; `None`: its run goes on.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Why the run that was waited for has failed, if it did.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn listen(&mut self) -> Result<(), Error> {
        match self.host.open(self.pod, Request::Listen, None) {
            Ok(exchange) => self.events = Some(Events::of(self.host, exchange, None)),
            Err(error) if error.is(Reason::Unreachable) => {
                self.end(Outcome::Stopped);
                return Ok(());
            }
            // The backlog stayed full.
            Err(error) if error.is(Reason::SocketTimeout) => self.events = None,
            Err(error) => return Err(error),
        }
        self.look();
        Ok(())
    }

    /// Looks at the pod's own state. One that cannot be had says nothing.
    fn look(&mut self) {
        match self.host.state(self.pod) {
            Ok(State::Idle) => self.end(Outcome::Ended),
            Ok(State::Paused) => self.end(Outcome::Asked),
            Ok(State::Running | State::Unknown) | Err(_) => {}
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.events = None;
    }

    /// Hears what has come.
    fn hear(&mut self) -> Result<(), Error> {
        let Some(events) = &mut self.events else { return Ok(()) };
        match events.read(Some(0)) {
            Ok(()) => {}
            Err(error) if error.is(Reason::SocketTimeout) => return Ok(()),
            Err(error) if error.is(Reason::Closed) => return self.listen(),
            Err(error) => return Err(error),
        }
        if events.has_ended() {
            let is_last_word = matches!(events.at_end(), Next::LastEvent(Event::Shutdown));
            if !is_last_word {
                return self.listen();
            }
            self.end(Outcome::Stopped);
            return Ok(());
        }
        self.take_in()
    }

    /// Takes in what was read.
    fn take_in(&mut self) -> Result<(), Error> {
        let Some(events) = &mut self.events else { return Ok(()) };
        let mut may_have_changed = false;
        let mut said = None;
        while let Some(next) = events.arrived() {
            let Next::Event(event) = next else { continue };
            match event {
                Event::TurnStart => (said, self.failed) = (None, None),
                Event::RunEnd(result) => {
                    self.failed = result.failed().map(str::to_owned);
                    said = Some(if result == RunResult::Paused { Outcome::Asked } else { Outcome::Ended });
                }
                Event::Error(error) if error.failed_turn().is_some() => {
                    self.failed = error.failed_turn().map(str::to_owned);
                    said = Some(Outcome::Ended);
                }
                Event::Shutdown => {
                    self.end(Outcome::Stopped);
                    return Ok(());
                }
                Event::Notification | Event::Error(_) => may_have_changed = true,
                Event::History(_) | Event::Other => {}
            }
        }
        if let Some(said) = said {
            self.await_state()?;
            self.end(said);
        } else if may_have_changed {
            self.look();
        }
        Ok(())
    }

    /// The run is over; the history is there when the pod's state says so too. One that goes on saying `running` has begun
    /// another run.
    fn await_state(&self) -> Result<(), Error> {
        let (times, pause) = LAG;
        for _ in 0..times {
            if !matches!(self.host.state(self.pod), Ok(State::Running)) {
                break;
            }
            self.host.await_any(&[], pause)?;
        }
        Ok(())
    }
}

/// The most that a tool may wait in a call, in milliseconds: some of the call's time is left for its answer.
pub(super) fn longest_ms(bounds: Bounds) -> u32 {
    bounds.call_ms - (bounds.call_ms / 10).min(LONGEST_REST_MS)
}

/// So many seconds, in milliseconds, as far as a tool may wait. Fails where that is longer than a call may take.
pub(super) fn bounded_ms(bounds: Bounds, wait: u32) -> Result<u32, Error> {
    match wait.checked_mul(1000).filter(|&wait| wait <= bounds.call_ms) {
        Some(wait) => Ok(wait.min(longest_ms(bounds))),
        None => Err(Error::invalid(format!(
            "`wait_seconds` is {wait}, and a call may take {} here; wait less, and again (who runs the host sets the time of \
             a call, as `--call-timeout` does)",
            seconds(bounds.call_ms)
        ))),
    }
}

/// Waits until `is_enough` of how many have come to something, at most `left_ms`. Gives what is left of that.
pub(super) fn until<H: Host>(
    host: &H,
    watches: &mut [Watch<'_, H>],
    mut left_ms: u32,
    is_enough: impl Fn(usize) -> bool,
) -> Result<u32, Error> {
    let mut next_look = FIRST_LOOK_MS;
    let mut look_in = next_look;
    loop {
        let done = watches.iter().filter(|watch| watch.outcome.is_some()).count();
        if is_enough(done) {
            return Ok(left_ms);
        }
        if left_ms == 0 {
            watches.iter_mut().filter(|watch| watch.outcome.is_none()).for_each(Watch::look);
            return Ok(0);
        }
        let mut heard = Vec::new();
        let mut exchanges = Vec::new();
        for (at, watch) in watches.iter().enumerate() {
            if let Some(events) = &watch.events {
                heard.push(at);
                exchanges.push(events.exchange());
            }
        }
        let Awaited { ready, waited_ms } = host.await_any(&exchanges, left_ms.min(look_in))?;
        drop(exchanges);
        let waited_ms = if ready.is_empty() { waited_ms.max(left_ms.min(look_in)) } else { waited_ms };
        left_ms = left_ms.saturating_sub(waited_ms);
        look_in = look_in.saturating_sub(waited_ms);
        for at in ready {
            let watch =
                usize::try_from(at).ok().and_then(|at| heard.get(at)).and_then(|&at| watches.get_mut(at));
            let Some(watch) = watch else {
                let message =
                    "the host says of an exchange that it was not given that it is ready".to_owned();
                return Err(Error { kind: ErrorKind::Internal, reason: None, message });
            };
            watch.hear()?;
        }
        if look_in == 0 {
            next_look = next_look.saturating_mul(LOOK_FACTOR).min(LONGEST_LOOK_MS);
            look_in = next_look;
            for watch in watches.iter_mut().filter(|watch| watch.outcome.is_none()) {
                if watch.events.is_none() { watch.listen()? } else { watch.look() }
            }
        }
    }
}
