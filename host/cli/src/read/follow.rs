//! A pod's text as it comes: its events are watched, and each run's text is taken for read when the run has ended.
//!
//! What counts is the history, which ReadPodOutput gives; the events only show it earlier. Where they show less than that,
//! as to who comes in the middle of a run, the history's text is shown then.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::events::{Event, next};
use super::output::{Reading, shown, with_end};
use crate::nearest::explained;
use crate::stdout::print;
use crate::streams::tell;

/// Before another connection is made where the pod has ended one.
const PAUSE: Duration = Duration::from_millis(250);
/// What is kept of a run's text to be compared with the history, in bytes.
const MAX_SAID: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    RunEnds,
    PodEnds,
}

/// How the last run that was seen has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Well,
    Failed,
    /// The pod is gone.
    Gone,
}

/// The run that is going on.
#[derive(Debug, Default)]
struct Run {
    is_on: bool,
    /// It was seen from its beginning.
    is_whole: bool,
    said: String,
}

impl Run {
    fn begin(&mut self, is_whole: bool) {
        *self = Run { is_on: true, is_whole, said: String::new() };
    }

    fn hear(&mut self, text: &str) {
        if !self.is_on {
            self.begin(false);
        }
        // Beyond that it is not known what was shown.
        self.is_whole &= self.said.len() + text.len() <= MAX_SAID;
        if self.said.len() + text.len() <= MAX_SAID {
            self.said += text;
        }
    }

    /// Whether all of that text was shown. How items are set apart is no difference.
    fn has_shown(&self, text: &str) -> bool {
        let of = |text: &str| text.split_whitespace().collect::<String>();
        of(&self.said).ends_with(&of(text))
    }
}

/// Shows what is new and what comes, until the pod has ended, or its run.
pub async fn follow(reading: Reading<'_>, until: Until) -> anyhow::Result<Outcome> {
    loop {
        let authority = reading.caller.authority().map_err(shown)?;
        let events = authority.pod_events(reading.pod).await;
        let events = events
            .map_err(|error| shown(explained(error, reading.caller, "ReadPodOutput", Some(reading.pod))))?;
        let (_, mut told) = reading.show().await?;
        let Some(mut events) = events.filter(|_| told.state != "stopped") else { return Ok(Outcome::Gone) };
        let mut run = Run::default();
        let mut has_ended = false;
        // What has arrived so far: runs that have ended meanwhile are in the history.
        while let Ok(event) = timeout(Duration::ZERO, next(&mut events)).await {
            match event {
                Some(Event::TurnStart {}) if !run.is_on => run.begin(true),
                Some(Event::TextDelta { text }) => run.hear(&text),
                Some(event) if event.ends_run() => (run, has_ended) = (Run::default(), true),
                Some(Event::Shutdown) | None => break,
                Some(_) => {}
            }
        }
        if has_ended {
            told = reading.show().await?.1;
        }
        if until == Until::RunEnds && told.is_over() && !run.is_on {
            return Ok(ended(reading.pod, told.failure()));
        }
        if !told.is_over() && !run.is_on {
            run.begin(false);
        }
        if let Some(asked) = &told.asked {
            tell(format_args!("pod `{}` needs an answer: {asked}", reading.pod));
        }
        if run.is_on && !run.is_whole {
            tell(format_args!("pod `{}` is in the middle of its answer", reading.pod));
        }
        if !run.said.is_empty() {
            print(run.said.clone()).await?;
        }
        if let Some(outcome) = live(reading, &mut events, run, until).await? {
            return Ok(outcome);
        }
        sleep(PAUSE).await;
    }
}

/// Until the connection has ended: `None`.
async fn live(
    reading: Reading<'_>,
    events: &mut pod_tools_host::PodEvents,
    mut run: Run,
    until: Until,
) -> anyhow::Result<Option<Outcome>> {
    loop {
        let Some(event) = next(events).await else {
            end_line(&run).await?;
            return Ok(None);
        };
        match event {
            Event::TurnStart {} if !run.is_on => run.begin(true),
            Event::TextDelta { text } => {
                run.hear(&text);
                print(text).await?;
            }
            Event::Notification { message } => {
                tell(format_args!("pod `{}`: {message}", reading.pod));
            }
            Event::Shutdown => {
                end_line(&run).await?;
                return Ok(Some(Outcome::Gone));
            }
            event if event.ends_run() => {
                end_line(&run).await?;
                let failure = take_for_read(reading, &run).await?;
                let outcome = ended(reading.pod, failure.as_deref());
                if until == Until::RunEnds {
                    return Ok(Some(outcome));
                }
                run = Run::default();
            }
            _ => {}
        }
    }
}

/// What the history has of it is read by that, and shown where the events have not. Why the run failed, if it did.
async fn take_for_read(reading: Reading<'_>, run: &Run) -> anyhow::Result<Option<String>> {
    loop {
        let show = async |text: String| match run.is_whole && !run.said.is_empty() || run.has_shown(&text) {
            true => Ok(()),
            false => print(with_end(text)).await,
        };
        let (text, told) = reading.take(show).await?;
        if told.remaining_items == 0 || text.is_empty() {
            return Ok(told.failure().map(str::to_owned));
        }
    }
}

async fn end_line(run: &Run) -> std::io::Result<()> {
    let is_open = !run.said.is_empty() && !run.said.ends_with('\n');
    if is_open { print("\n".to_owned()).await } else { Ok(()) }
}

fn ended(pod: &str, failure: Option<&str>) -> Outcome {
    match failure {
        None => Outcome::Well,
        Some(reason) => {
            tell(format_args!("pod-tools: the last turn of pod `{pod}` failed: {reason}"));
            Outcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_told_by_its_end_whatever_stands_between_its_parts() {
        let mut run = Run::default();
        run.hear("the end");
        assert!(!run.is_whole);
        run.begin(true);
        run.hear("one\n");
        run.hear("two");
        assert!(run.has_shown("one\n\ntwo\n") && run.has_shown("two") && run.has_shown(""));
        assert!(!run.has_shown("zero one two") && !run.has_shown("one two three"));
    }
}
