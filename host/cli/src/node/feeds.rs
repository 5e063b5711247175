//! What a pod says as it comes, for callers on other machines: they pull, and a pull waits here until there is something.
//!
//! A feed keeps what has come until the next pull says that it has arrived, so that an answer that is lost loses nothing.
//! What its caller does not pull is held up: the pod cuts off who is too slow, and the caller begins anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pod_tools_host::{Authority, ErrorKind, Operation, PodEvents, Reason, ToolError};
use pod_tools_node::request::is_nonce;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::afar::beside::{FOLLOW, Pull, Pulled};
use crate::logs::PodLog;
use crate::pod_files;
use crate::read::events::Event;

/// How long a pull waits.
const WAIT: Duration = Duration::from_secs(10);
/// What comes within so long goes in one answer.
const SETTLE: Duration = Duration::from_millis(20);
/// A feed that nobody pulls so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Feeds of one caller.
const OF_A_CALLER: usize = 16;
/// Bytes of one answer; one piece in any case.
const ANSWER: usize = 256 << 10;
/// Bytes that one feed holds before it is held up; one piece more in any case.
const HELD: usize = 1 << 20;

/// All feeds, by the caller's key and the feed's word.
#[derive(Debug, Default)]
pub struct Feeds(Mutex<HashMap<(String, String), Arc<Feed>>>);

#[derive(Debug)]
struct Feed {
    tool: String,
    pod: String,
    so_far: bool,
    state: Mutex<State>,
    more: Notify,
    room: Notify,
}

#[derive(Debug)]
struct State {
    pieces: VecDeque<String>,
    bytes: usize,
    /// The number of the first of them.
    first: u64,
    is_over: bool,
    pulled: Instant,
}

/// Where pieces come from.
enum Source {
    Events(PodEvents),
    Log(Box<PodLog>),
    /// The pod has ended.
    Nothing,
}

impl Source {
    async fn next(&mut self) -> Option<String> {
        match self {
            Source::Events(events) => loop {
                let line = events.next().await.ok().flatten()?;
                // The others may be long, and tell nothing of the text.
                if Event::parse(&line) != Event::Other {
                    return Some(String::from_utf8_lossy(&line).into_owned() + "\n");
                }
            },
            Source::Log(log) => log.next().await.ok().flatten(),
            Source::Nothing => None,
        }
    }
}

impl Feeds {
    /// What has come of a feed, as soon as there is something: the pieces, and what is to be said of them.
    pub async fn pull(
        &self,
        (caller, authority): (&str, &Authority),
        tool: &str,
        pull: Pull,
        time: Duration,
    ) -> Result<(String, Pulled), ToolError> {
        authority.permits(Operation::ReadOutput, Some(&pull.name))?;
        let id = (caller.to_owned(), pull.feed.clone());
        let known = self.all().get(&id).cloned();
        let (feed, is_new) = match known {
            Some(feed) if feed.pod == pull.name && feed.tool == tool => (feed, false),
            None if pull.from == 0 => (self.begin(id.clone(), authority, tool, &pull).await?, true),
            // It was forgotten, or is of a run of this node that is over: the caller begins another.
            _ => return Ok((String::new(), Pulled { next: pull.from, over: true, so_far: false })),
        };
        feed.arrived(pull.from);
        // The first pull is answered at once: it says that the feed is there.
        if !is_new {
            let _ = timeout(WAIT.min(time / 2), feed.has_some()).await;
            sleep(SETTLE).await;
        }
        // What was revoked meanwhile is not given.
        authority.permits(Operation::ReadOutput, Some(&pull.name))?;
        let (text, pulled) = feed.give(pull.from);
        if pulled.over {
            self.all().remove(&id);
        }
        Ok((text, pulled))
    }

    async fn begin(
        &self,
        id: (String, String),
        authority: &Authority,
        tool: &str,
        pull: &Pull,
    ) -> Result<Arc<Feed>, ToolError> {
        if !is_nonce(&pull.feed) {
            let message = "a feed's word is 32 hexadecimal digits";
            return Err(ToolError::new(ErrorKind::InvalidArgument, None, message));
        }
        let (source, so_far) = source(authority, tool, pull).await?;
        let state =
            State { pieces: VecDeque::new(), bytes: 0, first: 0, is_over: false, pulled: Instant::now() };
        let (tool, pod, state) = (tool.to_owned(), pull.name.clone(), Mutex::new(state));
        let feed = Arc::new(Feed { tool, pod, so_far, state, more: Notify::new(), room: Notify::new() });
        let mut all = self.all();
        all.retain(|_, feed| feed.state().pulled.elapsed() < FORGOTTEN);
        if all.keys().filter(|(caller, _)| *caller == id.0).count() >= OF_A_CALLER {
            let message = format!("the caller follows {OF_A_CALLER} pods already, the most there may be");
            return Err(ToolError::new(ErrorKind::Limit, None, message));
        }
        all.insert(id, feed.clone());
        tokio::spawn(fill(feed.clone(), source));
        Ok(feed)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens what is to be followed. Whether a pod says what its run has said so far is told beside it.
async fn source(authority: &Authority, tool: &str, pull: &Pull) -> Result<(Source, bool), ToolError> {
    let pod = &pull.name;
    if tool != FOLLOW {
        let log = PodLog::open(authority.pod_directory(pod)?, pod, pull.go_on)
            .map_err(|error| ToolError::new(ErrorKind::ExecutionFailed, None, format!("{error:#}")))?;
        return Ok((Source::Log(Box::new(log)), false));
    }
    let Some(mut events) = authority.pod_events(pod).await? else { return Ok((Source::Nothing, false)) };
    let directory = authority.pod_directory(pod)?;
    let so_far = directory.is_some_and(|directory| pod_files::knows(&directory, "watch"));
    if so_far {
        events.ask_so_far().await.map_err(|error| {
            let message = format!("pod `{}` cannot be asked: {error}", pod.escape_debug());
            ToolError::new(ErrorKind::ExecutionFailed, Reason::Closed, message)
        })?;
    }
    Ok((Source::Events(events), so_far))
}

/// Takes in what comes, until there is no more or nobody pulls.
async fn fill(feed: Arc<Feed>, mut source: Source) {
    loop {
        let forgotten = feed.state().pulled + FORGOTTEN;
        let step = async {
            while feed.state().bytes >= HELD {
                feed.room.notified().await;
            }
            source.next().await
        };
        tokio::select! {
            piece = step => match piece {
                Some(piece) => feed.take(piece),
                None => break,
            },
            () = sleep_until(forgotten) => if feed.state().pulled.elapsed() >= FORGOTTEN { break },
        }
    }
    feed.state().is_over = true;
    feed.more.notify_waiters();
}

impl Feed {
    fn take(&self, piece: String) {
        let mut state = self.state();
        state.bytes += piece.len();
        state.pieces.push_back(piece);
        drop(state);
        self.more.notify_waiters();
    }

    /// Keeps no longer what has arrived.
    fn arrived(&self, from: u64) {
        let mut state = self.state();
        state.pulled = Instant::now();
        while state.first < from {
            let Some(piece) = state.pieces.pop_front() else { break };
            state.first += 1;
            state.bytes -= piece.len();
        }
        drop(state);
        self.room.notify_one();
    }

    /// Waits until there is something to give.
    async fn has_some(&self) {
        loop {
            let mut more = std::pin::pin!(self.more.notified());
            // From here on a word is heard.
            more.as_mut().enable();
            if self.has_any() {
                return;
            }
            more.await;
        }
    }

    fn has_any(&self) -> bool {
        let state = self.state();
        state.is_over || !state.pieces.is_empty()
    }

    fn give(&self, from: u64) -> (String, Pulled) {
        let state = self.state();
        let (mut text, mut next) = (String::new(), state.first);
        for piece in &state.pieces {
            if next > state.first && text.len() + piece.len() > ANSWER {
                break;
            }
            text.push_str(piece);
            next += 1;
        }
        let is_all = next == state.first + state.pieces.len() as u64;
        // What is asked for once more and was said to have arrived is not there: this is no feed any more.
        let is_gone = from != state.first;
        (text, Pulled { next, over: is_gone || state.is_over && is_all, so_far: self.so_far })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
