//! What all sessions share: the plugin's tools, and the way of a client's call to the one [`Caller`], with its place in
//! the queue, its progress and its early end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pod_tools_host::registry::Reader;
use pod_tools_host::{Answer, Authority, Document, ErrorKind, PodTools, ToolError};
use rmcp::model::ProgressNotificationParam;
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::Value;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::answer_room::AnswerRooms;
use super::catalogue::Catalogue;
use super::client_log::{self, LogSender};
use super::delivery::Delivery;
use super::reader::Readers;
use super::watched::{Far, Subscription};
use crate::audit::AuditLog;
use crate::caller::{Admission, Caller, PluginCall, ToolCall, TranscriptCall};
use crate::options::HostOptions;
use crate::watcher::Watcher;

/// Calls of all clients that run at once; further ones wait. Half of what [`PodTools`] has places for.
const RUNNING: usize = 64;
/// Calls of one client that run at once: none takes the places of all others.
const RUNNING_OF_ONE: usize = 16;
/// Calls of all clients that wait for a place; further ones fail.
const WAITING: usize = 2048;
/// How often a client that asked for it hears that its call goes on.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The server: the plugin, what it may do at present, and its bounds.
#[derive(Debug)]
pub struct McpServer {
    pub caller: Arc<Caller>,
    authority: watch::Receiver<Authority>,
    pub catalogue: Catalogue,
    pub readers: Readers,
    pub watcher: Watcher,
    /// Pods of other machines that are watched.
    far: Far,
    /// The server ends.
    pub stopping: CancellationToken,
    running: Semaphore,
    waiting: AtomicUsize,
    rooms: AnswerRooms,
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum Ended {
    /// It failed.
    Failed(ToolError),
    /// The client has cancelled it, or left.
    Cancelled,
    /// The server ends.
    Stopping,
}

impl From<ToolError> for Ended {
    fn from(error: ToolError) -> Self {
        Self::Failed(error)
    }
}

/// A place to run in. No semaphore here is ever closed, so that it is always one.
type Place<'a> = Result<SemaphorePermit<'a>, AcquireError>;

/// How a client asks: its request, and the way back to it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub context: &'a RequestContext<RoleServer>,
    pub delivery: &'a Delivery,
}

/// Who asks: one client's places and log.
#[derive(Debug, Clone)]
pub struct Client {
    places: Arc<Semaphore>,
    log: LogSender,
}

impl Client {
    pub fn new(log: LogSender) -> Self {
        Self { places: Arc::new(Semaphore::new(RUNNING_OF_ONE)), log }
    }

    /// This client, with a log of its own for one request.
    pub fn logging_to(&self, log: LogSender) -> Self {
        Self { places: self.places.clone(), log }
    }
}

impl McpServer {
    /// Of a component that is loaded.
    pub fn new(
        tools: PodTools,
        authority: watch::Receiver<Authority>,
        audit: Option<AuditLog>,
        host: &HostOptions,
        readers: Readers,
        stopping: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let catalogue = Catalogue::new(tools.definitions())?;
        let watcher = Watcher::start(authority.clone(), &stopping);
        Ok(Arc::new(Self {
            caller: Arc::new(Caller::of_server(tools, authority.clone(), audit, host)?),
            authority,
            catalogue,
            readers,
            watcher,
            far: Far::default(),
            stopping,
            running: Semaphore::new(RUNNING),
            waiting: AtomicUsize::new(0),
            rooms: AnswerRooms::default(),
        }))
    }

    /// What the plugin may do at present.
    pub fn authority(&self) -> Authority {
        self.authority.borrow().clone()
    }

    /// Tells when that has changed.
    pub fn authority_changes(&self) -> watch::Receiver<Authority> {
        let mut changes = self.authority.clone();
        changes.mark_unchanged();
        changes
    }

    /// Subscribes to a pod that may be read, wherever it is.
    pub async fn subscribe(&self, pod: &str) -> Result<Subscription, ToolError> {
        match self.far.subscribe(&self.caller, &self.watcher, pod).await? {
            Some(subscription) => Ok(subscription),
            None => self.watcher.subscribe(pod).map(Subscription::Here),
        }
    }

    /// Calls a tool that there is. What is wrong with its arguments the plugin says.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Value,
        reader: Option<&Reader>,
        client: &Client,
        asked: Asked<'_>,
    ) -> Result<Answer, Ended> {
        // From here on they are text: a tree takes many times as much memory, and the call may wait.
        let input = arguments.to_string();
        drop(arguments);
        let waiting = format!("{name} is waiting for its pod");
        let call = ToolCall { name, input: &input, reader, peek: false };
        self.carry_out(&call, waiting, client, asked).await
    }

    /// Reads the whole conversation of the pod of that name.
    pub async fn transcript(&self, pod: &str, client: &Client, asked: Asked<'_>) -> Result<Document, Ended> {
        let waiting = "reading the conversation".to_owned();
        self.carry_out(&TranscriptCall { pod }, waiting, client, asked).await
    }

    /// Carries out what a client asks for, in its turn, until it is done, cancelled or the server ends.
    /// `waiting` is what the client is told meanwhile, if it wants to be.
    async fn carry_out<C: PluginCall>(
        &self,
        call: &C,
        waiting: String,
        client: &Client,
        asked: Asked<'_>,
    ) -> Result<C::Answer, Ended> {
        let Asked { context, delivery } = asked;
        let admission = async {
            // What this client has been sent so far is to count before it asks for more.
            delivery.outbox().settled().await;
            let _queued = Queued::enter(&self.waiting)?;
            let room = self.rooms.enter().await;
            let share = Some(room.share.clone());
            delivery.keep(room);
            Ok(Admission { share, place: self.place(client).await })
        };
        let made = client_log::to_client(client.log.clone(), self.caller.call(call, admission));
        let progress = self.tell_progress(context, waiting);
        tokio::select! {
            // An answer that is there is given, whatever else has happened.
            biased;
            done = made => Ok(done?),
            () = context.ct.cancelled() => Err(Ended::Cancelled),
            () = delivery.gone() => Err(Ended::Cancelled),
            () = self.stopping.cancelled() => Err(Ended::Stopping),
            never = progress => match never {},
        }
    }

    /// Waits for a place to run in: the client's own first, so that its further calls stand in nobody's way.
    async fn place<'a>(&'a self, client: &'a Client) -> [Place<'a>; 2] {
        [client.places.acquire().await, self.running.acquire().await]
    }

    /// Tells the client every second that its call goes on, if it asked for that. Never ends.
    async fn tell_progress(&self, context: &RequestContext<RoleServer>, waiting: String) -> Infallible {
        let Some(token) = context.meta.get_progress_token() else {
            return std::future::pending().await;
        };
        let total = self.authority().limits().call_time.as_secs_f64();
        let begun = Instant::now();
        let mut ticks = interval_at(begun + PROGRESS_EVERY, PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let progress = ProgressNotificationParam::new(token.clone(), begun.elapsed().as_secs_f64())
                .with_total(total)
                .with_message(waiting.clone());
            notify(&context.peer, progress).await;
        }
    }
}

async fn notify(peer: &Peer<RoleServer>, progress: ProgressNotificationParam) {
    // A client that has left is noticed by its transport.
    let _ = peer.notify_progress(progress).await;
}

/// One of the calls that wait for a place.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Result<Self, ToolError> {
        let queued = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < WAITING {
            return Ok(queued);
        }
        let message = format!(
            "the server has {WAITING} calls waiting already, which is its limit; try again when some are done"
        );
        Err(ToolError::new(ErrorKind::Limit, None, message))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
