//! The gate: the one way from a handle to what it stands for.
//!
//! An operation is decided here: by the grants, within the limits, and recorded in the ledger. What an import needs to
//! carry it out, it is given by the permit that the gate makes, and has from nowhere else: the record behind a
//! handle, the registry, the granted directories and the scope lock are private to this room. A host function that
//! passes by the gate does not compile (`tests/gate.sh` shows it).

use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::component::Resource;

use super::context::{PodCtx, PodCtxView};
use super::exchange::{Exchange, OpenExchange};
use super::host_error::{HostError, HostResult};
use super::request_line;
use crate::authority::Parts;
use crate::authority::ledger::Decision;
use crate::authority::limits::{LimitReached, Limits, call_time_is_up};
use crate::authority::operation::Operation;
use crate::authority::visible::Visible;
use crate::error::ToolError;
use crate::registry::{Record, Registry, RegistryError, StoredCursor};
use crate::scope::ScopeLock;
use crate::sockets::directory::GrantedDirectories;

/// What a handle to a pod stands for: one record of the registry.
#[derive(Debug)]
pub struct Pod {
    record: Arc<Record>,
    /// The pod's scope was released through this handle, so its record may go.
    released: bool,
    /// It was spawned by another pod, and its record is in that one's registry.
    is_anothers: bool,
}

/// Permission for one operation, and with it what the operation may use. Only the gate makes one.
#[derive(Clone)]
pub(crate) struct Permit {
    parts: Arc<Parts>,
    operation: Operation,
}

/// Permission for one operation on one pod.
#[derive(Clone)]
pub(crate) struct PodPermit {
    permit: Permit,
    record: Arc<Record>,
    released: bool,
    is_anothers: bool,
}

impl Permit {
    /// Whether a pod that another one says to have spawned may be handed out: the grants cover it. It is noted when it is
    /// used.
    pub(crate) fn allows(&self, pod: &str) -> bool {
        self.parts.check(self.operation, Some(pod)).is_ok()
    }

    pub(crate) fn registry(&self) -> &dyn Registry {
        &*self.parts.registry
    }

    pub(crate) fn directories(&self) -> &GrantedDirectories {
        &self.parts.directories
    }

    pub(crate) fn scope_lock(&self) -> Option<&ScopeLock> {
        self.parts.scope_lock.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// The records that a listing shows: what it does is decided pod by pod.
    pub(crate) fn visible(&self) -> Result<Arc<Visible>, RegistryError> {
        self.parts.visible()
    }
}

impl std::ops::Deref for PodPermit {
    type Target = Permit;

    fn deref(&self) -> &Permit {
        &self.permit
    }
}

impl PodPermit {
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The pod's name.
    pub(crate) fn name(&self) -> &str {
        &self.record.pod_name
    }

    /// Whether the pod's scope was released through the handle.
    pub(crate) fn is_released(&self) -> bool {
        self.released
    }

    /// Whether its record is in the registry of the pod that spawned it, and not in the operator's.
    pub(crate) fn is_anothers(&self) -> bool {
        self.is_anothers
    }

    /// The line that asks the pod for the operation, with the text that goes with it, in at most `max` bytes; no bytes where
    /// the operation asks a pod for nothing. `None` where it is longer.
    pub(crate) fn request_line(&self, input: Option<&str>, max: usize) -> Option<Vec<u8>> {
        match self.permit.operation.method() {
            Some(method) => request_line::encode(method, input, max),
            None => Some(Vec::new()),
        }
    }
}

impl PodCtx {
    /// The gate for an operation on no pod in particular, or on a pod by its name, before there is a handle.
    pub(crate) fn admit(&mut self, operation: Operation, pod: Option<&str>) -> HostResult<Permit> {
        if self.count()? >= self.deadline() {
            return Err(call_time_is_up(self.limits().call_time).into());
        }
        if !operation.verbs().is_empty() {
            let decided = self.parts().check(operation, pod);
            if let Some(ledger) = self.ledger() {
                match &decided {
                    Ok(verb) => ledger.note(operation, *verb, pod, Decision::Allowed),
                    Err((missing, _)) => ledger.note(operation, *missing, pod, Decision::Denied),
                }
            }
            decided.map_err(|(_, denied)| denied)?;
        }
        Ok(Permit { parts: self.parts().clone(), operation })
    }

    /// The read cursor of the pod, as the call sees it: staged, or stored.
    pub(crate) fn cursor(&mut self, permit: &PodPermit) -> HostResult<Option<StoredCursor>> {
        self.cursors.get(permit.registry(), permit.name())
    }

    /// Stages a read cursor, to be stored once the caller has been given the answer.
    pub(crate) fn stage_cursor(&mut self, permit: &PodPermit, cursor: StoredCursor) -> HostResult<()> {
        self.cursors.stage(permit.registry(), permit.name(), cursor)
    }

    /// Takes a place for an exchange with the pod, where there are fewer open than allowed.
    pub(crate) fn place_for_exchange(&self, permit: &PodPermit) -> Result<OpenExchange, ToolError> {
        Ok(self.exchanges.take(permit.limits().exchanges)?)
    }

    /// Forgets the cursor that was staged for a pod whose record is gone.
    pub(crate) fn drop_staged_cursor(&mut self, permit: &PodPermit) {
        self.cursors.drop_staged(permit.name());
    }
}

impl PodCtxView<'_> {
    /// The gate for an operation on the pod behind a handle. A handle that is not alive is the guest's fault, and a
    /// trap.
    pub(crate) fn admit(&mut self, operation: Operation, pod: &Resource<Pod>) -> HostResult<PodPermit> {
        let Pod { record, released, is_anothers } = self.table.get(pod)?;
        let (record, released, is_anothers) = (record.clone(), *released, *is_anothers);
        let permit = self.ctx.admit(operation, Some(&record.pod_name))?;
        Ok(PodPermit { permit, record, released, is_anothers })
    }

    /// The gate for [`Operation::DescribePod`], which needs no verb and has no error to answer with: the handle allows it.
    pub(crate) fn admit_description(&mut self, pod: &Resource<Pod>) -> wasmtime::Result<&Record> {
        self.ctx.count()?;
        Ok(&self.table.get(pod)?.record)
    }

    /// The gate for reading on in an exchange: its request was admitted when it was opened.
    pub(crate) fn admit_reading(&mut self, exchange: &Resource<Exchange>) -> HostResult<Reading<'_>> {
        self.ctx.admit(Operation::ReadOn, None)?;
        Ok(Reading(self.table.get_mut(exchange)?))
    }

    /// The gate for waiting until one of the exchanges can be read on in: their requests were admitted when they were opened.
    pub(crate) fn admit_waiting(&mut self, exchanges: &[Resource<Exchange>]) -> HostResult<Awaiting<'_>> {
        self.ctx.admit(Operation::ReadOn, None)?;
        for exchange in exchanges {
            self.ctx.step()?;
            self.table.get_mut(exchange)?.watch()?;
        }
        let exchanges =
            exchanges.iter().map(|exchange| self.table.get(exchange)).collect::<Result<_, _>>()?;
        Ok(Awaiting(exchanges))
    }

    /// Hands the guest a handle to the pod of a record.
    pub(crate) fn hand_out_pod(&mut self, _: &Permit, record: &Arc<Record>) -> HostResult<Resource<Pod>> {
        self.hand_out(record, false)
    }

    /// Hands the guest a handle to a pod that the permit's pod has spawned.
    pub(crate) fn hand_out_spawned(
        &mut self,
        _: &PodPermit,
        record: &Arc<Record>,
    ) -> HostResult<Resource<Pod>> {
        self.hand_out(record, true)
    }

    fn hand_out(&mut self, record: &Arc<Record>, is_anothers: bool) -> HostResult<Resource<Pod>> {
        self.ctx.step()?;
        self.ctx.hold(record)?;
        self.push(Pod { record: record.clone(), released: false, is_anothers })
    }

    /// Hands the guest an exchange on a connection to the pod, in a place that was taken for it. `line` goes out on it;
    /// `left` is how long may be waited in it, if it has a time of its own.
    pub(crate) fn hand_out_exchange(
        &mut self,
        permit: &PodPermit,
        stream: UnixStream,
        line: Vec<u8>,
        left: Option<Duration>,
        place: OpenExchange,
    ) -> HostResult<Resource<Exchange>> {
        let ledger = self.ctx.ledger().cloned();
        self.push(Exchange::new(stream, line, left, permit.limits().line, place, ledger))
    }

    fn push<T: Send + 'static>(&mut self, entry: T) -> HostResult<Resource<T>> {
        let limit = LimitReached::Handles(self.ctx.limits().handles);
        self.table.push(entry).map_err(|_| HostError::Trap(limit.into()))
    }

    /// Notes that the pod's scope was released, so that its record may go.
    pub(crate) fn note_released(&mut self, _: &PodPermit, pod: &Resource<Pod>) -> HostResult<()> {
        self.table.get_mut(pod)?.released = true;
        Ok(())
    }
}

/// Permission to wait for exchanges.
pub(crate) struct Awaiting<'a>(Vec<&'a Exchange>);

impl Awaiting<'_> {
    /// Waits until some can be read on in, and gives their positions; none when it is `until`.
    pub(crate) async fn any(self, until: Instant) -> Vec<u32> {
        let any = poll_fn(|cx| {
            let ready = (0..).zip(&self.0).filter(|(_, exchange)| exchange.poll_readable(cx).is_ready());
            let ready: Vec<u32> = ready.map(|(at, _)| at).collect();
            if ready.is_empty() { Poll::Pending } else { Poll::Ready(ready) }
        });
        timeout_at(until, any).await.unwrap_or_default()
    }
}

/// Permission to read on in an exchange.
pub(crate) struct Reading<'a>(&'a mut Exchange);

impl Reading<'_> {
    /// What has arrived: see [`Exchange::read`]. `until` is when the wait for it ends, unless the time of the exchange as a
    /// whole is used up before.
    pub(crate) async fn read(
        self,
        max: usize,
        until: Instant,
        waiting: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        let Some(left) = self.0.left else { return self.0.read(max, until, waiting).await };
        let began = Instant::now();
        let read = self.0.read(max, until.min(began + left), waiting).await;
        self.0.left = Some(left.saturating_sub(began.elapsed()));
        read
    }
}
