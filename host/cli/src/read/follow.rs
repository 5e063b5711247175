//! A pod's text as it comes: its events are watched, and each run's text is taken for read when the run has ended.
//!
//! What counts is the history, which ReadPodOutput gives; the events only show it earlier. Where they show less than that,
//! as to who comes in the middle of a run of a pod that cannot say what it has said so far, the history's text is shown.

use std::time::Duration;

use pod_tools_host::PodEvents;
use tokio::time::{sleep, timeout};

use super::events::Event;
use super::feed::Feed;
use super::output::{Reading, Told, shown, with_end};
use super::run::Run;
use crate::afar::beside::FOLLOW;
use crate::nearest::explained;
use crate::pod_files;
use crate::stdout::print;
use crate::streams::tell;

/// Before another connection is made where the pod has ended one.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an event that is on its way is waited for.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Where a pod's events come from.
enum Events<'a> {
    Here(PodEvents),
    Elsewhere(Feed<'a>),
}

impl Events<'_> {
    /// The next one; `None` where the connection has ended.
    async fn next(&mut self) -> Option<Event> {
        match self {
            Events::Here(events) => events.next().await.ok().flatten().map(|line| Event::parse(&line)),
            Events::Elsewhere(feed) => {
                feed.next_line().await.ok().flatten().map(|line| Event::parse(line.as_bytes()))
            }
        }
    }
}

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

/// Shows what is new and what comes, until the pod has ended, or its run.
pub async fn follow(reading: Reading<'_>, until: Until) -> anyhow::Result<Outcome> {
    loop {
        let Some((mut events, run, told)) = join(reading).await? else { return Ok(Outcome::Gone) };
        if until == Until::RunEnds && told.is_over() && !run.is_on {
            return Ok(ended(reading.pod, &told));
        }
        if let Some(asked) = &told.asked {
            tell(format_args!("pod `{}` needs an answer: {asked}", reading.pod));
        }
        if until == Until::PodEnds && run.is_on && !run.is_whole {
            tell(format_args!("pod `{}` is in the middle of its answer; its beginning follows", reading.pod));
        }
        if let Some(outcome) = live(reading, &mut events, run, until).await? {
            return Ok(outcome);
        }
        sleep(PAUSE).await;
    }
}

/// Shows what is new, has a run begin, and shows what comes until it has ended.
pub async fn follow_from(
    reading: Reading<'_>,
    begin: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Outcome> {
    let joined = join(reading).await?;
    begin.await?;
    let Some((mut events, run, _)) = joined else { return follow(reading, Until::RunEnds).await };
    match live(reading, &mut events, run, Until::RunEnds).await? {
        Some(outcome) => Ok(outcome),
        None => follow(reading, Until::RunEnds).await,
    }
}

/// Connects, and shows what is there to be shown: the history, then what the run that goes on has said so far. `None`: the
/// pod has ended.
async fn join(reading: Reading<'_>) -> anyhow::Result<Option<(Events<'_>, Run, Told)>> {
    let Some((mut events, mut run)) = connect(reading).await? else {
        reading.show().await?;
        return Ok(None);
    };
    let mut told = reading.show().await?;
    if told.state == "stopped" {
        return Ok(None);
    }
    // The pod had ended its run when it was asked for the history: the end is on its way.
    let mut is_ending = told.is_over() && run.is_on;
    let mut has_ended = false;
    loop {
        let patience = if is_ending { ON_ITS_WAY } else { Duration::ZERO };
        let Ok(event) = timeout(patience, events.next()).await else { break };
        match event {
            Some(Event::TurnStart {}) if !run.is_on => run.begin(true),
            Some(Event::TextDelta { .. }) if !run.is_on && told.is_over() => is_ending = true,
            Some(Event::TextDelta { text }) => run.hear(&text),
            Some(event) if event.ends_run() => {
                (run, is_ending, has_ended) = (Run::default(), false, true);
            }
            Some(Event::Shutdown) | None => break,
            Some(_) => {}
        }
    }
    if has_ended {
        told = reading.show().await?;
    }
    if !told.is_over() && !run.is_on {
        run.begin(false);
    }
    if !run.said.is_empty() {
        print(run.said.clone()).await?;
    }
    Ok(Some((events, run, told)))
}

/// The events of the pod, and its run, if one goes on of which it says what it has said so far.
async fn connect(reading: Reading<'_>) -> anyhow::Result<Option<(Events<'_>, Run)>> {
    let wrong = |error| shown(explained(error, reading.caller, "ReadPodOutput", Some(reading.pod)));
    let authority = reading.caller.authority().map_err(shown)?;
    let mut run = Run::default();
    let (mut events, says_so_far) = if reading.caller.is_elsewhere(reading.pod) {
        let feed = Feed::begin(reading.caller, FOLLOW, reading.pod, true).await.map_err(wrong)?;
        if feed.is_over() {
            return Ok(None);
        }
        let says = feed.so_far;
        (Events::Elsewhere(feed), says)
    } else {
        let events = authority.pod_events(reading.pod).await.map_err(wrong)?;
        let Some(mut events) = events else { return Ok(None) };
        let directory = authority.pod_directory(reading.pod).map_err(wrong)?;
        let knows = directory.is_some_and(|directory| pod_files::knows(&directory, "watch"));
        let says = knows && events.ask_so_far().await.is_ok();
        (Events::Here(events), says)
    };
    if says_so_far {
        let so_far = async {
            loop {
                if let Event::Watching { text, bytes } = events.next().await? {
                    return text.map(|text| (text.len() == bytes, text));
                }
            }
        };
        let so_far = timeout(ON_ITS_WAY, so_far).await;
        if let Ok(Some((is_whole, text))) = so_far {
            run.begin(is_whole);
            run.hear(&text);
        }
    }
    Ok(Some((events, run)))
}

/// Shows what comes; `None`: the connection has ended.
async fn live(
    reading: Reading<'_>,
    events: &mut Events<'_>,
    mut run: Run,
    until: Until,
) -> anyhow::Result<Option<Outcome>> {
    loop {
        let event = events.next().await;
        match event {
            Some(Event::TurnStart {}) if !run.is_on => run.begin(true),
            Some(Event::TextDelta { text }) => {
                run.hear(&text);
                print(text).await?;
            }
            Some(Event::Notification { message }) => {
                tell(format_args!("pod `{}`: {message}", reading.pod));
            }
            None | Some(Event::Shutdown) => {
                end_line(&run).await?;
                return Ok(event.map(|_| Outcome::Gone));
            }
            Some(event) if event.ends_run() => {
                end_line(&run).await?;
                let told = take_for_read(reading, &run).await?;
                let outcome = ended(reading.pod, &told);
                // Another run may have begun since, which is then the one that is waited for.
                if until == Until::RunEnds && told.is_over() {
                    return Ok(Some(outcome));
                }
                run = Run::default();
            }
            Some(_) => {}
        }
    }
}

/// What the history has of the run is read by that, and shown where the events have not.
async fn take_for_read(reading: Reading<'_>, run: &Run) -> anyhow::Result<Told> {
    loop {
        let show = async |text: String| match run.has_shown(&text) {
            true => Ok(()),
            false => print(with_end(text)).await,
        };
        let (has_text, told) = reading.take(show).await?;
        if told.remaining_items == 0 || !has_text {
            return Ok(told);
        }
    }
}

async fn end_line(run: &Run) -> std::io::Result<()> {
    if run.ends_line() { Ok(()) } else { print("\n".to_owned()).await }
}

fn ended(pod: &str, told: &Told) -> Outcome {
    match told.failure() {
        None => Outcome::Well,
        Some(reason) => {
            tell(format_args!("pod-tools: the last turn of pod `{pod}` failed: {reason}"));
            Outcome::Failed
        }
    }
}
