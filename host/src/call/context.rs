//! The state of one call: its authority, what it has used up, what it has staged, and its answer's content.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::ResourceTable;

use super::cursors::{CallCursors, Staged};
use super::exchange::OpenExchanges;
use super::wait::Wait;
use crate::authority::ledger::Ledger;
use crate::authority::limits::{LimitReached, Limits, call_time_is_up};
use crate::authority::{Authority, Parts};
use crate::error::{Reason, ToolError};

/// The context of one call, kept in the store of the component instance that serves it.
#[derive(Debug)]
pub struct PodCtx {
    authority: Authority,
    started: Instant,
    host_calls: u64,
    pub(super) exchanges: OpenExchanges,
    pub(super) cursors: CallCursors,
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
            cursors: CallCursors::of(authority.reader().cloned()),
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

    /// Takes a piece of the answer's content. Counted, as every call of a host function is.
    pub(crate) fn append_content(&mut self, text: String) -> wasmtime::Result<()> {
        self.count()?;
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

    /// Where account is kept of the call, if it is.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.authority.ledger()
    }

    /// Counts a call of a host function.
    pub(super) fn count(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        let limit = self.limits().host_calls;
        if self.host_calls > limit { Err(LimitReached::HostCalls(limit).into()) } else { Ok(()) }
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
