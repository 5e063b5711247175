//! What all sessions share, and the one place through which every call and every reading of a transcript
//! passes: its place in the queue, its authority, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pod_tools_host::{Answer, Authority, Document, ErrorKind, Ledger, PodTools, ToolError};
use rmcp::model::ProgressNotificationParam;
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::catalogue::Catalogue;
use super::client_log::{self, LogSender};
use super::delivery::Delivery;
use super::watcher::Watcher;
use crate::audit::{self, AuditLog};
use crate::options::remedy::explained;

/// Calls of all clients that run at once; further ones wait. Half of what [`PodTools`] has places for.
const RUNNING: usize = 64;
/// Calls of one client that run at once: none takes the places of all others.
const RUNNING_OF_ONE: usize = 16;
/// Calls of all clients that wait for a place; further ones fail.
const WAITING: usize = 2048;
/// Bytes of answers that are not out yet, of all clients together, in pieces of [`PIECE`].
const UNSENT: usize = 256 << 20;
const PIECE: usize = 1 << 10;
/// How often a client that asked for it hears that its call goes on.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The server: the plugin, what it may do at present, and its bounds.
#[derive(Debug)]
pub struct Server {
    tools: PodTools,
    authority: watch::Receiver<Authority>,
    audit: Option<AuditLog>,
    pub catalogue: Catalogue,
    pub watcher: Watcher,
    /// The server ends.
    pub stopping: CancellationToken,
    running: Semaphore,
    waiting: AtomicUsize,
    unsent: Arc<Semaphore>,
}

/// What a client asks for.
#[derive(Debug)]
pub enum Operation {
    /// A call of a tool that there is.
    Tool { name: String, arguments: Value },
    /// The whole conversation of the pod of that name.
    Transcript { pod: String },
}

impl Operation {
    /// As it stands in the audit log.
    fn name(&self) -> &str {
        match self {
            Self::Tool { name, .. } => name,
            Self::Transcript { .. } => "resources/read",
        }
    }
}

/// What comes of it.
#[derive(Debug)]
pub enum Outcome {
    Answer(Answer),
    Transcript(Document),
}

impl Outcome {
    /// How many bytes it has.
    pub fn size(&self) -> usize {
        match self {
            Self::Answer(answer) => audit::size(answer.output()),
            Self::Transcript(document) => document.text.len(),
        }
    }
}

/// Why nothing comes of it.
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

    /// The same client, with a log of its own for one request.
    pub fn logging_to(&self, log: LogSender) -> Self {
        Self { places: self.places.clone(), log }
    }
}

impl Server {
    /// Asks the component for its tools.
    pub async fn new(
        tools: PodTools,
        authority: watch::Receiver<Authority>,
        audit: Option<AuditLog>,
        stopping: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let catalogue = Catalogue::new(tools.definitions().await.map_err(explained)?)?;
        let watcher = Watcher::start(authority.clone(), &stopping)?;
        Ok(Arc::new(Self {
            tools,
            authority,
            audit,
            catalogue,
            watcher,
            stopping,
            running: Semaphore::new(RUNNING),
            waiting: AtomicUsize::new(0),
            unsent: Arc::new(Semaphore::new(UNSENT / PIECE)),
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

    /// Does what a client asks for, with the authority of this moment. Every call of a tool and every reading
    /// of a transcript passes here, whoever asks and however it ends.
    pub async fn carry_out(
        &self,
        operation: &Operation,
        client: &Client,
        context: &RequestContext<RoleServer>,
        delivery: &Delivery,
    ) -> Result<Outcome, Ended> {
        let call = async {
            let Some(audit) = &self.audit else {
                return self.call(operation, client, delivery, None).await;
            };
            // Dropped before it is finished, it says that the call was cancelled.
            let entry = audit.begin(operation.name())?;
            let done = self.call(operation, client, delivery, Some(entry.ledger())).await;
            match &done {
                Ok(outcome) => entry.finish(Ok(outcome.size())),
                Err(Ended::Failed(error)) => entry.finish(Err(error)),
                Err(Ended::Cancelled | Ended::Stopping) => drop(entry),
            }
            done
        };
        let call = client_log::to_client(client.log.clone(), call);
        let progress = self.tell_progress(context, operation);
        tokio::select! {
            // An outcome that is there is given, whatever else has happened.
            biased;
            done = call => done,
            () = context.ct.cancelled() => Err(Ended::Cancelled),
            () = delivery.gone() => Err(Ended::Cancelled),
            () = self.stopping.cancelled() => Err(Ended::Stopping),
            never = progress => match never {},
        }
    }

    async fn call(
        &self,
        operation: &Operation,
        client: &Client,
        delivery: &Delivery,
        ledger: Option<&Ledger>,
    ) -> Result<Outcome, Ended> {
        self.check(operation)?;
        // What this client has been sent so far is to count before it asks for more.
        delivery.outbox().settled().await;
        let _place = self.place(client).await?;
        let authority = self.authority();
        let authority = ledger.map_or_else(|| authority.clone(), |ledger| authority.recorded_in(ledger));
        Ok(match operation {
            Operation::Tool { name, arguments } => {
                Outcome::Answer(self.tools.call(&authority, name, &arguments.to_string()).await?)
            }
            Operation::Transcript { pod } => {
                Outcome::Transcript(self.tools.transcript(&authority, pod).await?)
            }
        })
    }

    /// Arguments that their schema forbids start no plugin.
    fn check(&self, operation: &Operation) -> Result<(), ToolError> {
        let Operation::Tool { name, arguments } = operation else { return Ok(()) };
        let complaint = self.catalogue.get(name).and_then(|entry| entry.complaint(arguments));
        complaint.map_or(Ok(()), |complaint| {
            let message = format!("the arguments are not what {name} takes: {complaint}");
            Err(ToolError::new(ErrorKind::InvalidArgument, None, message))
        })
    }

    /// A share of the memory for answers that are not out yet: waits while clients that do not read have all
    /// of it.
    pub async fn memory_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Ended> {
        let pieces = bytes.div_ceil(PIECE).clamp(1, UNSENT / PIECE);
        // The clamp keeps it within 32 bits.
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        tokio::select! {
            share = self.unsent.clone().acquire_many_owned(pieces) => share.map_err(|_| Ended::Stopping),
            () = self.stopping.cancelled() => Err(Ended::Stopping),
        }
    }

    /// Waits for a place to run in: the client's own first, so that its further calls stand in nobody's way.
    async fn place<'a>(&'a self, client: &'a Client) -> Result<[SemaphorePermit<'a>; 2], Ended> {
        let _queued = Queued::enter(&self.waiting)?;
        let own = client.places.acquire().await.map_err(|_| Ended::Stopping)?;
        let shared = self.running.acquire().await.map_err(|_| Ended::Stopping)?;
        Ok([own, shared])
    }

    /// Tells the client every second that its call goes on, if it asked for that. Never ends.
    async fn tell_progress(
        &self,
        context: &RequestContext<RoleServer>,
        operation: &Operation,
    ) -> std::convert::Infallible {
        let Some(token) = context.meta.get_progress_token() else {
            return std::future::pending().await;
        };
        let total = self.authority().limits().call_time.as_secs_f64();
        let what = match operation {
            Operation::Tool { name, .. } => format!("{name} is waiting for its pod"),
            Operation::Transcript { .. } => "reading the conversation".to_owned(),
        };
        let begun = Instant::now();
        let mut ticks = interval_at(begun + PROGRESS_EVERY, PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let progress = ProgressNotificationParam::new(token.clone(), begun.elapsed().as_secs_f64())
                .with_total(total)
                .with_message(what.clone());
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
