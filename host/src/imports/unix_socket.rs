//! `unix-socket`: exchanges and probes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmtime::component::Resource;

use super::bindings::pod::tools::unix_socket as wit;
use super::convert;
use crate::authority::limits::{LimitReached, call_time_is_up};
use crate::authority::operation::Operation;
use crate::call::PodCtxView;
use crate::call::exchange::Exchange;
use crate::call::gate::Pod;
use crate::call::host_error::HostResult;
use crate::error::ToolError;
use crate::sockets::connect::{ConnectError, connect, connect_until};
use crate::sockets::refusal::descriptors_exhausted;

/// How many pods are probed before others that share the thread get their turn.
const PROBES_AT_ONCE: usize = 128;

impl wit::Host for PodCtxView<'_> {
    async fn open(
        &mut self,
        to: Resource<Pod>,
        request: wit::Request,
        within_ms: Option<u32>,
    ) -> HostResult<Resource<Exchange>> {
        let (operation, input) = convert::operation(request);
        let permit = self.admit(operation, &to)?;
        let wait = self.ctx.wait(within_ms);
        let place = self.ctx.place_for_exchange(&permit)?;

        let most = permit.limits().transfer;
        let line = permit
            .request_line(input.as_deref(), place.room(most))
            .ok_or_else(|| ToolError::from(LimitReached::Transfer(most)))?;
        // It may be large, and the line holds it.
        drop(input);

        let socket = &permit.record().socket_path;
        let stream = connect_until(permit.directories(), socket, wait.until)
            .await
            .map_err(|error| self.ctx.call_time_first(error.error(permit.name(), socket, wait.length)))?;
        let left = within_ms.map(|_| wait.left());
        self.hand_out_exchange(&permit, stream, line, left, place)
    }

    async fn await_any(
        &mut self,
        exchanges: Vec<Resource<Exchange>>,
        within_ms: u32,
    ) -> HostResult<wit::Awaited> {
        let (began, deadline) = (Instant::now(), self.ctx.deadline());
        let until = deadline.min(began + Duration::from_millis(within_ms.into()));
        let ready = self.admit_waiting(&exchanges)?.any(until).await;
        if ready.is_empty() && Instant::now() >= deadline {
            return Err(call_time_is_up(self.ctx.limits().call_time).into());
        }
        Ok(wit::Awaited { ready, waited_ms: self.ctx.count_wait(began.elapsed()) })
    }

    async fn probe(&mut self, pods: Vec<Resource<Pod>>) -> HostResult<Vec<wit::Reachability>> {
        let mut answers = Vec::with_capacity(pods.len());
        // A pod that is named more than once is asked once.
        let mut asked = HashMap::new();
        for (i, pod) in pods.iter().enumerate() {
            if i % PROBES_AT_ONCE == PROBES_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            // Each connection counts as a host call, and each pod needs its grant.
            let permit = self.admit(Operation::ProbeSocket, pod)?;
            let record = std::ptr::from_ref(permit.record()).addr();
            if let Some(answer) = asked.get(&record) {
                answers.push(*answer);
                continue;
            }
            let answer = match connect(permit.directories(), &permit.record().socket_path) {
                Ok(_) | Err(ConnectError::BacklogFull) => wit::Reachability::Alive,
                Err(ConnectError::Unreachable(_)) => wit::Reachability::Stopped,
                Err(ConnectError::Refused(_)) => wit::Reachability::Denied,
                Err(ConnectError::DescriptorsExhausted) => return Err(descriptors_exhausted().into()),
            };
            asked.insert(record, answer);
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn await_closed(&mut self, pod: Resource<Pod>, within_ms: Option<u32>) -> HostResult<bool> {
        let permit = self.admit(Operation::AwaitClosed, &pod)?;
        let wait = self.ctx.wait(within_ms);
        let socket = &permit.record().socket_path;
        // A pod that has said goodbye is gone within milliseconds, and nothing tells of it.
        let mut pause = Duration::from_micros(500);
        loop {
            match connect(permit.directories(), socket) {
                Err(ConnectError::Unreachable(_)) => return Ok(true),
                Ok(_) | Err(ConnectError::BacklogFull) => {}
                Err(failed) => return Err(failed.error(permit.name(), socket, wait.length).into()),
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
        let wait = self.ctx.wait(within_ms);
        let read = self.admit_reading(&exchange)?.read(max as usize, wait.until, wait.length).await;
        Ok(read.map_err(|error| self.ctx.call_time_first(error))?)
    }

    fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}
