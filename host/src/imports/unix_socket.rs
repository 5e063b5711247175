//! `unix-socket`: exchanges and probes. Nothing is sent to a pod but what [`request`] encodes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmtime::component::Resource;

use crate::bindings::pod::tools::unix_socket as wit;
use crate::connect::{ConnectError, connect, connect_until};
use crate::context::{Pod, PodCtxView, requests};
use crate::error::{ErrorKind, HostResult, Reason, ToolError};
use crate::escape::{Escaped, EscapedPath};
use crate::exchange::{Exchange, timed_out};
use crate::limits::{LimitReached, call_time_is_up};
use crate::registry::Record;
use crate::request;

/// How many pods are probed before others that share the thread get their turn.
const PROBES_AT_ONCE: usize = 128;

impl wit::Host for PodCtxView<'_> {
    async fn open(
        &mut self,
        to: Resource<Pod>,
        request: wit::Request,
        within_ms: Option<u32>,
    ) -> HostResult<Resource<Exchange>> {
        let record = self.record(&to)?;
        self.ctx.admit(request::admission(&request), Some(&record.pod_name))?;
        let (parts, wait) = (self.ctx.parts().clone(), self.ctx.wait(within_ms));
        let place = self.ctx.exchanges.take(parts.limits.exchanges).map_err(ToolError::from)?;

        let line = request::encode(&request, place.room(parts.limits.transfer))
            .ok_or_else(|| ToolError::from(LimitReached::Transfer(parts.limits.transfer)))?;
        drop(request);

        let stream = match connect_until(&parts.directories, &record.socket_path, wait.until).await {
            Ok(stream) => stream,
            Err(ConnectError::BacklogFull) => {
                return Err(self.call_time_first(timed_out("connect", wait.length)).into());
            }
            Err(ConnectError::Unreachable(error)) => {
                return Err(ToolError::failed(Reason::Unreachable, format!("connect: {error}")).into());
            }
            Err(ConnectError::Refused(why)) => return Err(socket_refused(&record, &why).into()),
            Err(ConnectError::DescriptorsExhausted) => return Err(descriptors_exhausted().into()),
        };
        let deadline = within_ms.map(|_| wait.until);
        let ledger = self.ctx.ledger().cloned();
        self.push(Exchange::new(stream, line, deadline, parts.limits.line, place, ledger))
    }

    async fn probe(&mut self, pods: Vec<Resource<Pod>>) -> HostResult<Vec<wit::Reachability>> {
        let parts = self.ctx.parts().clone();
        let mut answers = Vec::with_capacity(pods.len());
        for (i, pod) in pods.iter().enumerate() {
            let record = self.record(pod)?;
            // Each connection counts as a host call, and each pod needs its grant.
            self.ctx.admit(requests::PROBE, Some(&record.pod_name))?;
            answers.push(match connect(&parts.directories, &record.socket_path) {
                Ok(_) | Err(ConnectError::BacklogFull) => wit::Reachability::Alive,
                Err(ConnectError::Unreachable(_)) => wit::Reachability::Stopped,
                Err(ConnectError::Refused(_)) => wit::Reachability::Denied,
                Err(ConnectError::DescriptorsExhausted) => return Err(descriptors_exhausted().into()),
            });
            if i % PROBES_AT_ONCE == PROBES_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(answers)
    }

    async fn await_closed(&mut self, pod: Resource<Pod>, within_ms: Option<u32>) -> HostResult<bool> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::AWAIT_CLOSED, Some(&record.pod_name))?;
        let (parts, wait) = (self.ctx.parts().clone(), self.ctx.wait(within_ms));
        // A pod that has said goodbye is gone within milliseconds, and nothing tells of it.
        let mut pause = Duration::from_micros(500);
        loop {
            match connect(&parts.directories, &record.socket_path) {
                Err(ConnectError::Unreachable(_)) => return Ok(true),
                Ok(_) | Err(ConnectError::BacklogFull) => {}
                Err(ConnectError::Refused(why)) => return Err(socket_refused(&record, &why).into()),
                Err(ConnectError::DescriptorsExhausted) => return Err(descriptors_exhausted().into()),
            }
            let left = wait.left();
            if left.is_zero() {
                return Ok(false);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl wit::HostExchange for PodCtxView<'_> {
    async fn read(
        &mut self,
        exchange: Resource<Exchange>,
        max: u32,
        within_ms: Option<u32>,
    ) -> HostResult<Vec<u8>> {
        self.ctx.admit(requests::READ_ON, None)?;
        let wait = self.ctx.wait(within_ms);
        let exchange = self.table.get_mut(&exchange)?;
        let until = exchange.deadline.map_or(wait.until, |deadline| deadline.min(wait.until));
        let read = exchange.read(max as usize, until, wait.length).await;
        Ok(read.map_err(|error| self.call_time_first(error))?)
    }

    fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}

impl PodCtxView<'_> {
    /// The error of an operation, or of the call where it is the call's time that is up.
    fn call_time_first(&self, error: ToolError) -> ToolError {
        let is_up = error.reason == Some(Reason::SocketTimeout) && Instant::now() >= self.ctx.deadline();
        if is_up { call_time_is_up(self.ctx.limits().call_time) } else { error }
    }
}

/// The error of a socket that failed a check.
pub(crate) fn socket_refused(record: &Record, why: &str) -> ToolError {
    let message =
        format!("pod `{}`: its socket {} {why}", Escaped(&record.pod_name), EscapedPath(&record.socket_path));
    ToolError::new(ErrorKind::Denied, Reason::SocketRefused, message)
}

/// The error of a process that has no descriptor left.
pub(crate) fn descriptors_exhausted() -> ToolError {
    ToolError::failed(
        Reason::DescriptorsExhausted,
        "this process has no file descriptor left, so pods cannot be reached; raise its limit (ulimit -n)",
    )
}
