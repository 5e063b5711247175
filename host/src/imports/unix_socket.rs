//! `unix-socket`: exchanges and probes.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;
use wasmtime::component::Resource;

use super::bindings::pod::tools::unix_socket as wit;
use super::convert;
use crate::authority::limits::LimitReached;
use crate::authority::operation::Operation;
use crate::call::PodCtxView;
use crate::call::exchange::Exchange;
use crate::call::gate::{Pod, PodPermit};
use crate::call::host_error::HostResult;
use crate::call::wait::blocking;
use crate::error::ToolError;
use crate::sockets::connect::{ConnectError, connect, connect_until};
use crate::sockets::refusal::descriptors_exhausted;

/// How many pods are probed before others that share the thread get their turn.
const PROBES_AT_ONCE: usize = 128;
/// How many of them are worth the waking of a second thread, which probes half of them at the same time.
const WORTH_A_THREAD: usize = 64;

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

    async fn probe(&mut self, pods: Vec<Resource<Pod>>) -> HostResult<Vec<wit::Reachability>> {
        // A pod that is named more than once is asked once.
        let mut asked = HashMap::new();
        let mut permits = Vec::new();
        let mut places = Vec::with_capacity(pods.len());
        for pod in &pods {
            // Each connection counts as a host call, and each pod needs its grant.
            let permit = self.admit(Operation::ProbeSocket, pod)?;
            let record = std::ptr::from_ref(permit.record()).addr();
            places.push(*asked.entry(record).or_insert_with(|| {
                permits.push(permit);
                permits.len() - 1
            }));
        }
        let mut answers = Vec::with_capacity(permits.len());
        for some in permits.chunks(PROBES_AT_ONCE) {
            self.ctx.step()?;
            let on_a_thread = if some.len() < WORTH_A_THREAD { 0 } else { some.len() / 2 };
            let (rest, here) = some.split_at(on_a_thread);
            if rest.is_empty() {
                answers.append(&mut probe_all(here)?);
            } else {
                let rest = rest.to_vec();
                let rest = blocking(self.ctx.clock(), move || probe_all(&rest));
                // The thread is woken first.
                let (rest, here) = tokio::join!(rest, async { probe_all(here) });
                answers.append(&mut rest??);
                answers.append(&mut here?);
            }
            if some.len() == PROBES_AT_ONCE {
                tokio::task::yield_now().await;
            }
        }
        Ok(places.into_iter().map(|place| answers[place]).collect())
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

/// Asks of each pod whether its socket takes connections, one after the other.
fn probe_all(permits: &[PodPermit]) -> Result<Vec<wit::Reachability>, ToolError> {
    let probe = |permit: &PodPermit| match connect(permit.directories(), &permit.record().socket_path) {
        Ok(_) | Err(ConnectError::BacklogFull) => Ok(wit::Reachability::Alive),
        Err(ConnectError::Unreachable(_)) => Ok(wit::Reachability::Stopped),
        Err(ConnectError::Refused(_)) => Ok(wit::Reachability::Denied),
        Err(ConnectError::DescriptorsExhausted) => Err(descriptors_exhausted()),
    };
    permits.iter().map(probe).collect()
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
