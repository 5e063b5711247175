//! The state of one call: its authority, what it has used up, and what it has staged. And the gate: the one
//! function through which every request of a plugin passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::{Resource, ResourceTable};

use crate::authority::{Authority, Parts};
use crate::error::{HostError, HostResult, Reason, ToolError};
use crate::escape::Escaped;
use crate::exchange::OpenExchanges;
use crate::grants::Verb;
use crate::ledger::{Decision, Ledger};
use crate::limits::{LimitReached, Limits, call_time_is_up};
use crate::registry::{Record, RegistryError, StoredCursor};

/// The context of one call, kept in the store of the component instance that serves it.
#[derive(Debug)]
pub struct PodCtx {
    authority: Authority,
    started: Instant,
    host_calls: u64,
    pub(crate) exchanges: OpenExchanges,
    /// By pod: what the store held when the call first asked for it.
    found: BTreeMap<String, Option<StoredCursor>>,
    staged: BTreeMap<String, StagedCursor>,
    content: String,
}

impl PodCtx {
    /// A context for one call. The call's time begins now.
    pub fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            started: Instant::now(),
            host_calls: 0,
            exchanges: OpenExchanges::default(),
            found: BTreeMap::new(),
            staged: BTreeMap::new(),
            content: String::new(),
        }
    }

    /// What the call has staged, to be stored once its caller has been given the answer.
    pub fn take_staged(&mut self) -> Staged {
        Staged { authority: self.authority.clone(), cursors: std::mem::take(&mut self.staged) }
    }

    /// What the call has handed over of its answer's content: `output.content` comes behind it.
    pub fn take_content(&mut self) -> String {
        std::mem::take(&mut self.content)
    }

    pub(crate) fn append_content(&mut self, text: String) -> wasmtime::Result<()> {
        let limit = self.limits().transfer;
        if text.len() > limit.saturating_sub(self.content.len()) {
            return Err(LimitReached::Transfer(limit).into());
        }
        if self.content.is_empty() {
            self.content = text;
        } else {
            self.content.push_str(&text);
        }
        Ok(())
    }

    /// The limits of the call.
    pub fn limits(&self) -> &Limits {
        self.authority.limits()
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        self.authority.parts()
    }

    /// When the call's time is up.
    pub(crate) fn deadline(&self) -> Instant {
        self.started + self.parts().limits.call_time
    }

    /// How long an operation may wait: all that the host allows, or less if the guest asked for less.
    pub(crate) fn wait(&self, within_ms: Option<u32>) -> Wait {
        let allowed = self.parts().limits.operation_time;
        let asked = within_ms.map(|ms| Duration::from_millis(ms.into()));
        let length = asked.map_or(allowed, |asked| asked.min(allowed));
        Wait { length, until: (Instant::now() + length).min(self.deadline()) }
    }

    /// The gate. Every request of the plugin passes here, and nowhere else is anything granted.
    pub(crate) fn admit(&mut self, request: Request, pod: Option<&str>) -> HostResult<()> {
        self.count()?;
        if Instant::now() >= self.deadline() {
            return Err(call_time_is_up(self.limits().call_time).into());
        }
        if request.verbs.is_empty() {
            return Ok(());
        }
        let decided = self.parts().check(request, pod);
        if let Some(ledger) = self.ledger() {
            match &decided {
                Ok(verb) => ledger.note(request, *verb, pod, Decision::Allowed),
                Err((missing, _)) => ledger.note(request, *missing, pod, Decision::Denied),
            }
        }
        match decided {
            Ok(_) => Ok(()),
            Err((_, denied)) => Err(denied.into()),
        }
    }

    /// Where account is kept of the call, if it is.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.authority.ledger()
    }

    /// The gate for what has no error to answer with and no time to take: it is counted all the same.
    pub(crate) fn count(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        let limit = self.limits().host_calls;
        if self.host_calls > limit { Err(LimitReached::HostCalls(limit).into()) } else { Ok(()) }
    }

    /// The cursor of a pod, as this call sees it: staged, or stored.
    pub(crate) fn cursor(&mut self, pod: &str) -> HostResult<Option<StoredCursor>> {
        match self.staged.get(pod) {
            Some(staged) => Ok(Some(staged.new.clone())),
            None => self.stored_cursor(pod),
        }
    }

    /// Stages a cursor, to take the place of the one that the call found: another reader may move that one
    /// meanwhile.
    pub(crate) fn stage_cursor(&mut self, pod: &str, new: StoredCursor) -> HostResult<()> {
        let base = self.stored_cursor(pod)?;
        self.staged.insert(pod.to_owned(), StagedCursor { base, new });
        Ok(())
    }

    fn stored_cursor(&mut self, pod: &str) -> HostResult<Option<StoredCursor>> {
        if let Some(found) = self.found.get(pod) {
            return Ok(found.clone());
        }
        let stored = self.parts().registry.cursor(pod)?;
        self.found.insert(pod.to_owned(), stored.clone());
        Ok(stored)
    }

    pub(crate) fn drop_staged_cursor(&mut self, pod: &str) {
        self.staged.remove(pod);
    }
}

/// What is asked of the gate: its name in a message to people, and the verbs of which one is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) words: &'static str,
    pub(crate) verbs: &'static [Verb],
}

/// All requests and what they need: the policy, in one place.
pub(crate) mod requests {
    use super::Request;
    use crate::grants::Verb;

    /// Reading on in an exchange: it was admitted when it was opened.
    pub(crate) const READ_ON: Request = Request { words: "", verbs: &[] };
    pub(crate) const LIST: Request = Request { words: "listing pods", verbs: &[Verb::List] };
    pub(crate) const STATE: Request =
        Request { words: "reading its state", verbs: &[Verb::Read, Verb::Send] };
    pub(crate) const CURSOR: Request = Request { words: "reading its output", verbs: &[Verb::Read] };
    pub(crate) const FORGET: Request = Request { words: "forgetting it", verbs: &[Verb::Stop] };
    pub(crate) const PROBE: Request = Request { words: "probing its socket", verbs: &[Verb::List] };
    pub(crate) const AWAIT_CLOSED: Request = Request { words: "awaiting its end", verbs: &[Verb::Stop] };
    pub(crate) const RELEASE: Request = Request { words: "releasing its scope", verbs: &[Verb::Stop] };
    pub(crate) const RECLAIM: Request = Request { words: "reclaiming stale scope", verbs: &[Verb::List] };

    /// Finding a pod for what a verb stands for, and doing it.
    pub(crate) const fn find(purpose: Verb) -> Request {
        match purpose {
            Verb::List => Request { words: "finding it", verbs: &[Verb::List] },
            Verb::Send => Request { words: "sending a message", verbs: &[Verb::Send] },
            Verb::Read => Request { words: "reading its output", verbs: &[Verb::Read] },
            Verb::Stop => Request { words: "stopping it", verbs: &[Verb::Stop] },
        }
    }
}

/// A bounded wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    /// How long, as it is said to people.
    pub(crate) length: Duration,
    /// Until when: no later than the end of the call.
    pub(crate) until: Instant,
}

impl Wait {
    /// What is left of it, for code that waits on a thread of its own.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// What a handle to a pod stands for: one record of the registry.
#[derive(Debug)]
pub struct Pod {
    pub(crate) record: Arc<Record>,
    /// Its scope was released through this handle, so its record may go.
    pub(crate) released: bool,
}

impl Pod {
    pub(crate) fn new(record: Record) -> Self {
        Self { record: Arc::new(record), released: false }
    }
}

/// What host functions are implemented on: the context of a call and its table of handles.
pub struct PodCtxView<'a> {
    /// The context of the call.
    pub ctx: &'a mut PodCtx,
    /// The handles that the guest holds.
    pub table: &'a mut ResourceTable,
}

impl PodCtxView<'_> {
    /// Hands the guest a new handle.
    pub(crate) fn push<T: Send + 'static>(&mut self, entry: T) -> HostResult<Resource<T>> {
        let limit = LimitReached::Handles(self.ctx.limits().handles);
        self.table.push(entry).map_err(|_| HostError::Trap(limit.into()))
    }

    /// The record behind a handle. A handle that is not alive is the guest's fault, and a trap.
    pub(crate) fn record(&self, pod: &Resource<Pod>) -> HostResult<Arc<Record>> {
        Ok(self.table.get(pod)?.record.clone())
    }
}

/// Gives a store's data access to the context of its call, as `wasmtime_wasi::WasiView` does for WASI.
pub trait PodView: Send {
    /// The context and the table of handles.
    fn pods(&mut self) -> PodCtxView<'_>;
}

#[derive(Debug)]
struct StagedCursor {
    base: Option<StoredCursor>,
    new: StoredCursor,
}

/// Read cursors that a call has staged. Dropped, they are forgotten, and the next read gives the same text
/// again; [`store`](Self::store) keeps them.
#[derive(Debug)]
#[must_use = "cursors are kept only by `store`, once the answer has been delivered"]
pub struct Staged {
    authority: Authority,
    cursors: BTreeMap<String, StagedCursor>,
}

impl Staged {
    /// Stores the cursors. To be called once the caller of the tool has been given the answer.
    ///
    /// # Errors
    ///
    /// Fails where the registry's files cannot be written or stay locked; then the text that was delivered
    /// is given again by the next read.
    pub async fn store(self) -> Result<(), ToolError> {
        if self.cursors.is_empty() {
            return Ok(());
        }
        let length = self.authority.parts().limits.operation_time;
        let wait = Wait { length, until: Instant::now() + length };
        patiently(wait, move |wait| self.store_within(wait)).await
    }

    fn store_within(&self, wait: Duration) -> Result<(), ToolError> {
        let parts = self.authority.parts();
        for (pod, StagedCursor { base, new }) in &self.cursors {
            parts.registry.set_cursor(pod, base.as_ref(), new.clone(), wait).map_err(|error| {
                let mut error = ToolError::from(error);
                error.message = format!(
                    "the read cursor of pod `{}` was not stored, its text will be given again: {}",
                    Escaped(pod),
                    error.message
                );
                error
            })?;
        }
        Ok(())
    }
}

/// Changes a file under its lock. That is mostly free, and the file is in memory: then it is done here and
/// now, as a registry is read, and no thread has to be woken for it. Where the lock is held, it is waited for
/// on a thread where waiting is no harm.
pub(crate) async fn patiently<T: Send + 'static>(
    wait: Wait,
    work: impl Fn(Duration) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match work(Duration::ZERO) {
        Err(error) if error.reason == Some(Reason::LockBusy) => {}
        done => return done,
    }
    blocking(move || work(wait.left())).await?
}

/// Runs code that waits for locks or disks on a thread where waiting is no harm. It runs to its end even if
/// the call is dropped meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        ToolError::internal(format!("the host failed in the middle of an operation: {error}"))
    })
}

impl From<RegistryError> for ToolError {
    fn from(error: RegistryError) -> Self {
        let reason = match &error {
            RegistryError::Busy { .. } => Reason::LockBusy,
            RegistryError::Unwritable { .. } => Reason::StateUnwritable,
            RegistryError::Descriptors { .. } => Reason::DescriptorsExhausted,
            RegistryError::Directory { .. } | RegistryError::Damaged { .. } => Reason::RegistryDamaged,
        };
        Self::failed(reason, error.to_string())
    }
}

impl From<RegistryError> for HostError {
    fn from(error: RegistryError) -> Self {
        Self::Value(error.into())
    }
}
