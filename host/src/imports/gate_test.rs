//! The way through the gate, which compiles, and ways around it, which do not. `tests/gate.sh` compiles this file; no
//! other build does. Each way around names the error of the compiler that it must fail with. Functions with the same
//! error are compiled together: the compiler stops at the first of its passes that finds errors.

#![expect(dead_code, unused_imports, reason = "compiled is all that this is to be")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::Resource;

use crate::authority::Parts;
use crate::authority::operation::Operation;
use crate::call::exchange::Exchange;
use crate::call::gate::{Awaiting, Permit, Pod, PodPermit, Reading};
use crate::call::host_error::HostResult;
use crate::call::{PodCtx, PodCtxView};
use crate::registry::Record;

#[cfg(through_the_gate)]
fn through(view: &mut PodCtxView<'_>, pod: &Resource<Pod>) -> HostResult<Record> {
    let permit = view.admit(Operation::ReadState, pod)?;
    Ok(permit.record().clone())
}

#[cfg(around_the_gate = "E0616")]
fn record(view: &mut PodCtxView<'_>, pod: &Resource<Pod>) -> HostResult<Record> {
    Ok((*view.table.get(pod)?.record).clone())
}

#[cfg(around_the_gate = "E0616")]
fn release(view: &mut PodCtxView<'_>, pod: &Resource<Pod>) -> HostResult<()> {
    view.table.get_mut(pod)?.released = true;
    Ok(())
}

#[cfg(around_the_gate = "E0624")]
fn parts(view: &mut PodCtxView<'_>) -> Arc<Parts> {
    view.ctx.parts().clone()
}

#[cfg(around_the_gate = "E0616")]
fn authority(ctx: &PodCtx) -> Arc<Parts> {
    ctx.authority.parts().clone()
}

#[cfg(around_the_gate = "E0451")]
fn permit(parts: Arc<Parts>) -> Permit {
    Permit { parts, operation: Operation::ReadState }
}

#[cfg(around_the_gate = "E0451")]
fn pod_permit(permit: Permit, record: Arc<Record>) -> PodPermit {
    PodPermit { permit, record, released: true, is_anothers: false }
}

#[cfg(around_the_gate = "E0624")]
async fn read(
    view: &mut PodCtxView<'_>,
    exchange: &Resource<Exchange>,
    until: Instant,
) -> HostResult<Vec<u8>> {
    Ok(view.table.get_mut(exchange)?.read(1, until, Duration::ZERO).await?)
}

#[cfg(around_the_gate = "E0423")]
fn reading(exchange: &mut Exchange) -> Reading<'_> {
    Reading(exchange)
}

#[cfg(around_the_gate = "E0423")]
fn awaiting<'a>(exchanges: Vec<&'a Exchange>) -> Awaiting<'a> {
    Awaiting(exchanges)
}

#[cfg(around_the_gate = "E0616")]
fn cursors(ctx: &mut PodCtx) {
    let _ = &mut ctx.cursors;
}
