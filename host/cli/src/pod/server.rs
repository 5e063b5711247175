//! The pod itself: one task that owns the history, the turn, the buffered notifications and the clients. All
//! that happens passes through it one after the other, so every client sees the same events in the same order.
//!
//! Order of what is seen: `running` is in `status.json` before `turn_start` is sent; `history.json`, then
//! `idle`, before the event that ends a run. Who has seen the end of a run finds all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::client::{ClientId, FromClient, Heard, Places, serve};
use super::directory::{Loss, OwnDirectory, State};
use super::ending::Ending;
use super::history::History;
use super::limits::PodLimits;
use super::notifications::{self, Notifications};
use super::outbox::{OutLine, Outbox, Refused, held, outbox};
use super::protocol::{Choice, ErrorCode, Event, Method, RunResult};
use super::session::Session;
use super::signals::Signals;
use super::turn::{Progress, Question, Turn, TurnEnd};
use super::turn_item::{TurnItem, append, text, text_bytes};
use super::worker::Worker;

/// How long clients have, all together, to take what is still on its way to them when the pod ends.
const FLUSH: Duration = Duration::from_secs(1);
/// How often a pod looks whether its socket and its directory are still there.
const LOOK: Duration = Duration::from_secs(1);
/// How long to leave new connections waiting when one could not be accepted, most likely for want of
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Methods on their way to the server, of all clients. Few: a method can be large, and a client can wait.
const METHODS_AHEAD: usize = 8;
/// How many clients are connected at a time. One more takes the place of one that has said nothing yet, else of the one
/// that has said nothing for the longest time: whoever only connects keeps nobody out.
const MAX_CLIENTS: usize = 256;
/// How long a client has to say something before another may take its place.
const MAY_SPEAK: Duration = Duration::from_millis(50);
/// Descriptors that clients leave to the pod itself: for its files, and for the streams of its command.
const RESERVED_DESCRIPTORS: usize = 32;
/// How much of the end of what a run has said so far is told to who asks for it, in bytes.
const MAX_SO_FAR: usize = 128 << 10;
/// How many bytes of lines may be held for clients beside two histories. Beyond that the client goes for whom most waits.
const MAX_HELD: usize = 256 << 20;

struct Client {
    outbox: Outbox,
    connection: AbortHandle,
    /// It has said something.
    has_spoken: bool,
    /// When it did so last; when it connected, if it never did.
    since: Instant,
}

struct Run {
    turn: Turn,
    input: String,
    items: Vec<TurnItem>,
    usage: Option<(u64, u64)>,
    questions: Vec<Question>,
}

/// A pod that is being served.
pub struct PodServer<'a> {
    directory: &'a OwnDirectory,
    /// At work for the turn while one runs.
    worker: Worker,
    history: History,
    notifications: Notifications,
    limits: PodLimits,
    places: Places,
    clients: BTreeMap<ClientId, Client>,
    connections: JoinSet<()>,
    run: Option<Run>,
    session: Session,
    ending: Option<Ending>,
}

impl<'a> PodServer<'a> {
    pub fn new(
        directory: &'a OwnDirectory,
        worker: Worker,
        session: Session,
        history: History,
        limits: PodLimits,
    ) -> PodServer<'a> {
        PodServer {
            directory,
            worker,
            history,
            notifications: Notifications::default(),
            limits,
            places: Places::new(),
            clients: BTreeMap::new(),
            connections: JoinSet::new(),
            run: None,
            session,
            ending: None,
        }
    }

    /// Serves until a client asks for the end or a signal does. When this returns, the command and all that it
    /// has left in the background is gone, the socket takes no connections and has been removed, and the clients
    /// have been told.
    pub async fn serve(mut self, mut listener: UnixListener, signals: &mut Signals) -> Ending {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (sender, mut receiver) = mpsc::channel(METHODS_AHEAD);
        let mut next_id = 0;
        let most_clients = most_clients();
        let ending = loop {
            if let (Some(ending), None) = (self.ending, &self.run) {
                break ending;
            }
            // The one that is too many is let in, as nothing else tells that somebody waits; the next one is not.
            let to_go = (self.clients.len() > most_clients).then(|| self.next_to_go()).flatten();
            let may_go = to_go.map_or_else(Instant::now, |(_, since)| since + MAY_SPEAK);
            tokio::select! {
                () = sleep_until(may_go), if to_go.is_some() => {
                    if let Some((id, _)) = to_go {
                        self.cut(id);
                    }
                }
                accepted = accept(&listener), if to_go.is_none() => {
                    if let Some(stream) = accepted {
                        self.connect(ClientId(next_id), stream, sender.clone());
                        next_id += 1;
                    }
                }
                Some(heard) = receiver.recv() => self.hear(heard),
                progress = next_progress(&mut self.run) => self.advance(progress),
                ending = signals.next() => self.end(ending),
                _ = look.tick() => match self.directory.loss() {
                    None => {}
                    Some(Loss::Directory) => self.end(Ending::Lost),
                    Some(Loss::Socket) => {
                        for stream in self.listen_again(&mut listener) {
                            self.connect(ClientId(next_id), stream, sender.clone());
                            next_id += 1;
                        }
                    }
                },
                Some(_) = self.connections.join_next() => {}
            }
        };
        self.worker.end().await;
        drop((listener, receiver));
        self.directory.remove_socket();
        self.broadcast(OutLine::streamed(Event::Shutdown.encode()));
        // Without their outboxes the connections end, each when it has written everything.
        self.clients.clear();
        let flushed = async { while self.connections.join_next().await.is_some() {} };
        let _ = timeout(FLUSH, flushed).await;
        self.connections.shutdown().await;
        ending
    }

    fn connect(&mut self, id: ClientId, stream: UnixStream, server: mpsc::Sender<Heard>) {
        let (outbox, inbox) = outbox();
        for line in self.notifications.lines() {
            // An empty outbox has room for all of them.
            let _ = outbox.push(line);
        }
        let connection = self.connections.spawn(serve(id, stream, inbox, self.places.clone(), server));
        self.clients.insert(id, Client { outbox, connection, has_spoken: false, since: Instant::now() });
    }

    /// The client whose place another takes, and since when it has been silent.
    fn next_to_go(&self) -> Option<(ClientId, Instant)> {
        let silent = self.clients.iter().map(|(id, client)| (client.has_spoken, client.since, *id));
        silent.min().map(|(_, since, id)| (id, since))
    }

    /// Ends a connection at once.
    fn cut(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            client.connection.abort();
        }
    }

    /// Where too much is held for clients, cuts off the one that holds most. What it held is free a moment later: one at
    /// a time is enough, as with each line it is looked again.
    fn relieve(&mut self) {
        if held() <= MAX_HELD.saturating_add(self.limits.history.saturating_mul(2)) {
            return;
        }
        let furthest = self.clients.iter().max_by_key(|(_, client)| client.outbox.unwritten());
        if let Some(id) = furthest.filter(|(_, client)| client.outbox.unwritten() > 0).map(|(id, _)| *id) {
            self.cut(id);
        }
    }

    fn hear(&mut self, Heard { from, said, .. }: Heard) {
        if let Some(client) = self.clients.get_mut(&from) {
            (client.has_spoken, client.since) = (true, Instant::now());
        }
        match said {
            FromClient::Method(Method::Run { input }) => self.start_run(input),
            FromClient::Method(Method::Notify { source, message }) => {
                match self.notifications.add(&source, &message) {
                    Ok(line) => self.broadcast(line),
                    Err(reason) => self.refuse(from, &reason),
                }
            }
            FromClient::Method(Method::Resume) => match self.history.asked() {
                None => self.error(ErrorCode::NotPaused, "Pod is not paused"),
                Some(_) => self.error(ErrorCode::NotPaused, "Pod waits for an answer: `pod-tools answer`"),
            },
            FromClient::Method(Method::Answer { id, option }) => self.answer(from, &id, option),
            FromClient::Method(Method::Cancel) => match &mut self.run {
                Some(run) => run.turn.cancel(),
                None => self.error(ErrorCode::NotRunning, "Pod is not executing a turn"),
            },
            FromClient::Method(Method::Shutdown) => self.end(Ending::Shutdown),
            FromClient::Method(Method::GetHistory) => {
                let streamed = self.run.as_ref().map(|run| text_bytes(&run.items));
                let line = self.history.line(streamed);
                self.send(from, line);
            }
            FromClient::Method(Method::Watch) => self.tell_so_far(from),
            FromClient::Invalid(reason) => self.refuse(from, &reason),
            FromClient::Gone => drop(self.clients.remove(&from)),
        }
    }

    /// For who comes in the middle of a run: all that is said from here on it is told as it comes.
    fn tell_so_far(&mut self, to: ClientId) {
        let said = self.run.as_ref().map(|run| text(&run.items));
        let bytes = said.as_ref().map_or(0, String::len);
        let from = bytes.saturating_sub(MAX_SO_FAR);
        let end = said.as_ref().map(|said| &said[said.ceil_char_boundary(from)..]);
        let line = Event::Watching { text: end, bytes }.encode();
        self.send(to, OutLine::streamed(line));
    }

    fn start_run(&mut self, input: String) {
        if self.run.is_some() {
            return self.error(ErrorCode::AlreadyRunning, "Pod is already executing a turn");
        }
        self.directory.write_status(State::Running);
        self.stream(&Event::TurnStart { turn: 0 });
        let number = self.session.next_turn();
        let turn = self.worker.start(number, input.clone(), self.limits.turn_output);
        self.run = Some(Run { turn, input, items: Vec::new(), usage: None, questions: Vec::new() });
    }

    fn advance(&mut self, progress: Progress) {
        let outcome = match progress {
            Progress::Item(item) => return self.add(item),
            Progress::ToolStarted { id, name } => {
                return self.stream(&Event::ToolCallStart { id: &id, name: &name });
            }
            Progress::ToolEnded { id, output, is_error } => {
                return self.stream(&Event::ToolResult { id: &id, output: &output, is_error });
            }
            Progress::Warning(message) => return self.warn(&message),
            Progress::Asks(questions) => return self.ask(questions),
            Progress::Usage { input, output } => {
                if let Some(run) = &mut self.run {
                    run.usage = Some((input, output));
                }
                return;
            }
            Progress::Ended(outcome) => outcome,
        };
        let Some(Run { input, items, usage, .. }) = self.run.take() else { return };
        let failure = match &outcome {
            TurnEnd::Finished => None,
            TurnEnd::Failed(failure) => Some(failure.reason.clone()),
            TurnEnd::LimitReached(limit) => Some(format!("too long: it reached its limit of {limit}")),
            TurnEnd::Cancelled => Some("cancelled".to_owned()),
        };
        self.history.ask(None);
        self.history.add_run(&input, &items, failure.as_deref());
        self.directory.write_history(&self.history.file());
        self.directory.write_status(State::Idle);
        let result = match outcome {
            TurnEnd::Finished => RunResult::Finished,
            TurnEnd::LimitReached(_) => RunResult::LimitReached,
            TurnEnd::Failed(failure) => return self.error(ErrorCode::ProviderError, &failure.message),
            TurnEnd::Cancelled => return self.error(ErrorCode::Internal, "Cancelled"),
        };
        self.broadcast(OutLine::shared(Event::TextDone { text: &text(&items) }.encode()));
        let (input_tokens, output_tokens) = usage.unzip();
        self.stream(&Event::Usage { input_tokens, output_tokens });
        self.stream(&Event::TurnEnd { turn: 0, result: RunResult::Finished });
        self.stream(&Event::RunEnd { result });
    }

    fn add(&mut self, item: TurnItem) {
        match &item {
            TurnItem::Text(text) | TurnItem::Notice(text) => self.stream(&Event::TextDelta { text }),
            TurnItem::ToolCall { id, name, arguments } => {
                self.stream(&Event::ToolCallDone { id, name, arguments });
            }
            TurnItem::Thought(_) | TurnItem::ToolResult { .. } | TurnItem::Permission { .. } => {}
        }
        if let Some(run) = &mut self.run {
            append(&mut run.items, item);
        }
    }

    /// Tells everybody what is asked of a person, or that nothing is any more.
    fn ask(&mut self, questions: Vec<Question>) {
        let Some(run) = &mut self.run else { return };
        let is_new = |question: &&Question| !run.questions.contains(question);
        let new: Vec<Question> = questions.iter().filter(is_new).cloned().collect();
        let list: Vec<String> =
            questions.iter().map(|asked| format!("{}: {}", asked.id, asked.text)).collect();
        run.questions = questions;
        let is_asked = !list.is_empty();
        self.history.ask(is_asked.then(|| list.join("; ")));
        self.directory.write_status(if is_asked { State::Paused } else { State::Running });
        for Question { id, text } in new {
            self.warn(&format!("needs an answer: {id}: {text}"));
        }
    }

    fn answer(&mut self, from: ClientId, id: &str, option: Choice) {
        let is_answered = self.run.as_ref().is_some_and(|run| {
            run.questions.iter().any(|question| question.id == id) && run.turn.answer(id, option)
        });
        if is_answered {
            self.stream(&Event::Answered { id, option });
        } else {
            self.refuse(from, &format!("nothing is asked under the id `{id}`"));
        }
    }

    /// Tells those who watch; it is not kept for others.
    fn warn(&mut self, message: &str) {
        self.broadcast(notifications::line(message));
    }

    /// Makes the socket anew where a cleaner has removed it. The connections that there are stay; those that
    /// waited to be accepted at the old one are returned.
    fn listen_again(&self, listener: &mut UnixListener) -> Vec<UnixStream> {
        let path = self.directory.socket_path();
        match self.directory.listen().and_then(|again| Ok(UnixListener::from_std(again)?)) {
            Ok(again) => {
                let old = std::mem::replace(listener, again);
                tracing::warn!("the socket `{}` was removed; the pod listens there again", path.display());
                waiting(old).unwrap_or_default()
            }
            Err(error) => {
                tracing::warn!("the socket `{}` was removed: {error:#}", path.display());
                Vec::new()
            }
        }
    }

    /// Ends the pod, once the turn has ended.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        if let Some(run) = &mut self.run {
            run.turn.cancel();
        }
    }

    /// An error that everybody sees.
    fn error(&mut self, code: ErrorCode, message: &str) {
        self.stream(&Event::Error { code, message });
    }

    /// The answer to a line that is no method: it concerns nobody else.
    fn refuse(&mut self, to: ClientId, reason: &str) {
        let message = format!("invalid method: {reason}");
        let line = Event::Error { code: ErrorCode::Internal, message: &message }.encode();
        self.send(to, OutLine::streamed(line));
    }

    fn stream(&mut self, event: &Event) {
        self.broadcast(OutLine::streamed(event.encode()));
    }

    fn broadcast(&mut self, line: OutLine) {
        self.clients.retain(|_, client| client.take(line.clone()));
        drop(line);
        self.relieve();
    }

    fn send(&mut self, to: ClientId, line: OutLine) {
        if self.clients.get(&to).is_some_and(|client| !client.take(line)) {
            self.clients.remove(&to);
        }
        self.relieve();
    }
}

impl Client {
    /// Queues a line. `false`: the client gets no more, because it has gone or is too far behind; in the
    /// latter case its connection is cut.
    fn take(&self, line: OutLine) -> bool {
        match self.outbox.push(line) {
            Ok(()) => true,
            Err(Refused::Closed) => false,
            Err(Refused::Full) => {
                self.connection.abort();
                false
            }
        }
    }
}

/// What the turn says next; never, while there is none.
async fn next_progress(run: &mut Option<Run>) -> Progress {
    match run {
        Some(run) => run.turn.next().await,
        None => std::future::pending().await,
    }
}

/// How many clients there may be, with the descriptors that this process may have.
fn most_clients() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let open = std::fs::read_dir("/proc/self/fd").map_or(RESERVED_DESCRIPTORS, Iterator::count);
    let left = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    left.saturating_sub(open + RESERVED_DESCRIPTORS).clamp(1, MAX_CLIENTS)
}

/// The connections that nobody has accepted yet. No more can come: the listener's name is gone.
fn waiting(listener: UnixListener) -> std::io::Result<Vec<UnixStream>> {
    let listener = listener.into_std()?;
    let accepted = std::iter::from_fn(|| listener.accept().ok());
    accepted
        .map(|(stream, _)| {
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        })
        .collect()
}

/// The next connection; `None` after a pause, when it could not be accepted.
async fn accept(listener: &UnixListener) -> Option<UnixStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(_) => {
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
