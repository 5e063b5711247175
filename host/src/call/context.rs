//! The state of one call: its authority, what it has used up, what it has staged, and its answer's content.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::ResourceTable;

use super::cpu_clock::CpuClock;
use super::cursors::{CallCursors, Staged};
use super::exchange::OpenExchanges;
use super::memory::{HeldRecords, MemoryAccount};
use super::wait::Wait;
use crate::authority::ledger::Ledger;
use crate::authority::limits::{LimitReached, Limits, call_time_is_up};
use crate::authority::{Authority, Parts};
use crate::error::{Reason, ToolError};
use crate::registry::Record;

/// The context of one call, kept in the store of the component instance that serves it.
#[derive(Debug)]
pub struct PodCtx {
    authority: Authority,
    started: Instant,
    clock: CpuClock,
    memory: MemoryAccount,
    held: HeldRecords,
    host_calls: u64,
    /// What was waited, and the plugin was not told yet.
    untold: Duration,
    pub(super) exchanges: OpenExchanges,
    pub(super) cursors: CallCursors,
    pub(super) content: String,
}

impl PodCtx {
    /// A context for one call. The call's time begins now.
    pub fn new(authority: &Authority) -> Self {
        let memory = MemoryAccount::new(authority.limits().memory);
        Self {
            authority: authority.clone(),
            started: Instant::now(),
            clock: CpuClock::new(),
            held: HeldRecords::default(),
            host_calls: 0,
            untold: Duration::ZERO,
            exchanges: OpenExchanges::default(),
            cursors: CallCursors::of(authority.reader().cloned(), memory.clone()),
            memory,
            content: String::new(),
        }
    }

    /// What the call has staged, to be stored once its caller has been given the answer.
    pub fn take_staged(&mut self) -> Staged {
        self.cursors.take_staged(&self.authority)
    }

    /// What the call has handed over of its answer's content: `output.content` comes behind it.
    pub fn take_content(&mut self) -> String {
        std::mem::take(&mut self.content)
    }

    /// How many bytes its exchanges still have to send.
    pub(crate) fn unsent(&self) -> usize {
        self.exchanges.unsent()
    }

    /// The limits of the call.
    pub fn limits(&self) -> &Limits {
        self.authority.limits()
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn parts(&self) -> &Arc<Parts> {
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

    /// Counts a wait, and gives how long was waited since it was told last, in whole milliseconds.
    pub(crate) fn count_wait(&mut self, waited: Duration) -> u32 {
        self.untold += waited;
        let told = u32::try_from(self.untold.as_millis()).unwrap_or(u32::MAX);
        self.untold -= Duration::from_millis(told.into());
        told
    }

    /// Where account is kept of the call, if it is.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.authority.ledger()
    }

    /// The clock of what the call computes. Until it [measures](CpuClock::measure) the call, only what is done on other
    /// threads counts.
    pub(crate) fn clock(&self) -> &CpuClock {
        &self.clock
    }

    /// Where the memory of the call is counted.
    pub(crate) fn memory(&self) -> &MemoryAccount {
        &self.memory
    }

    /// Counts a call of a host function, and gives the time that it is.
    pub(super) fn count(&mut self) -> wasmtime::Result<Instant> {
        self.host_calls += 1;
        let limit = self.limits().host_calls;
        if self.host_calls > limit {
            return Err(LimitReached::HostCalls(limit).into());
        }
        let now = Instant::now();
        self.clock.check(now.into_std(), self.limits().cpu_time)?;
        Ok(now)
    }

    /// Takes the next step of a host function that has many of them: CPU time is asked for at each.
    pub(crate) fn step(&self) -> wasmtime::Result<()> {
        Ok(self.clock.check(std::time::Instant::now(), self.limits().cpu_time)?)
    }

    /// Holds a record for a handle.
    pub(super) fn hold(&mut self, record: &Arc<Record>) -> wasmtime::Result<()> {
        Ok(self.held.hold(record, &self.memory)?)
    }

    /// Counts a call of a host function that has no error to answer with and no time to take, and gives the limits.
    pub(crate) fn bounds(&mut self) -> wasmtime::Result<&Limits> {
        self.count()?;
        Ok(self.limits())
    }

    /// The error of an operation, or of the call where it is the call's time that is up.
    pub(crate) fn call_time_first(&self, error: ToolError) -> ToolError {
        let is_up = error.reason == Some(Reason::SocketTimeout) && Instant::now() >= self.deadline();
        if is_up { call_time_is_up(self.limits().call_time) } else { error }
    }

    /// The error with the embedder's remedy for its setting, if it has given one.
    pub(crate) fn explain(&self, error: ToolError) -> ToolError {
        self.parts().explain(error)
    }
}

/// What host functions are implemented on: the context of a call and its table of handles.
pub struct PodCtxView<'a> {
    /// The context of the call.
    pub ctx: &'a mut PodCtx,
    /// The handles that the guest holds.
    pub table: &'a mut ResourceTable,
}

/// Gives a store's data access to the context of its call, as `wasmtime_wasi::WasiView` does for WASI.
pub trait PodView: Send {
    /// The context and the table of handles.
    fn pods(&mut self) -> PodCtxView<'_>;
}
