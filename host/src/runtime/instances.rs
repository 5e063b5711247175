//! Instances of a plugin: each call runs in one of its own, from a pool, within its limits, and nothing of it survives
//! the call.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::cpu::Ticker;
use super::limiter::Limiter;
use super::load_error::LoadError;
use super::log::{self, ErrorLog};
use super::wasi;
use crate::authority::Authority;
use crate::authority::limits::{LimitReached, call_time_is_up};
use crate::call::host_error::{ended_by, limit_of};
use crate::call::{PodCtx, PodCtxView, PodView};
use crate::error::ToolError;
use crate::imports::bindings::{Plugin, PluginPre};

/// A plugin that is compiled and linked.
pub(super) struct Instances {
    plugin: PluginPre<CallState>,
    /// As many as the pool holds instances. Further calls wait, within their own time.
    places: Semaphore,
    ticker: Ticker,
}

impl Instances {
    /// Links a component that was compiled for that engine. `name` is for errors.
    pub(super) fn of(
        component: &Component,
        engine: &Engine,
        name: &str,
        concurrent_calls: u32,
    ) -> Result<Self, LoadError> {
        let plugin = link(engine)
            .and_then(|linker| linker.instantiate_pre(component))
            .and_then(PluginPre::new)
            .map_err(|error| LoadError::WrongShape { name: name.to_owned(), detail: format!("{error:#}") })?;
        let ticker = Ticker::start(engine).map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self { plugin, places: Semaphore::new(concurrent_calls as usize), ticker })
    }

    /// Runs `work` on a fresh instance, within the authority's limits.
    pub(super) async fn run<T>(
        &self,
        authority: &Authority,
        work: impl AsyncFnOnce(&Plugin, &mut Store<CallState>) -> wasmtime::Result<T>,
    ) -> Result<(T, PodCtx), ToolError> {
        let ctx = PodCtx::new(authority);
        let limits = authority.limits();
        let within_time = timeout_at(ctx.deadline(), async {
            let _place = self.places.acquire().await;
            let clock = ctx.clock().clone();
            let mut store = self.store(ctx);
            let done = {
                let mut running = pin!(clock.measure(async {
                    let plugin = self.plugin.instantiate_async(&mut store).await?;
                    work(&plugin, &mut store).await
                }));
                poll_fn(|context| {
                    let _ticking = self.ticker.ticking();
                    running.as_mut().poll(context)
                })
                .await
            };
            let state = store.into_data();
            state.log.flush_to_log();
            match done {
                Ok(done) => Ok((done, state.pods)),
                Err(trap) => Err(explain(&trap, &state)),
            }
        });
        let done = within_time.await.unwrap_or_else(|_| Err(call_time_is_up(limits.call_time)));
        done.map_err(|error| authority.parts().explain(error))
    }

    fn store(&self, pods: PodCtx) -> Store<CallState> {
        let limits = pods.limits().clone();
        let clock = pods.clock().clone();
        let limiter = Limiter::new(&limits, pods.memory().clone());
        let log = ErrorLog::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let state = CallState { wasi: None, table, pods, log, limiter };
        let mut store = Store::new(self.plugin.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.transfer);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            clock.check(Instant::now(), limits.cpu_time)?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    crate::imports::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// What a store holds for one call.
pub(super) struct CallState {
    /// Made when the plugin first asks for something of WASI. The bundled one never does.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    pods: PodCtx,
    limiter: Limiter,
    log: ErrorLog,
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, log, table, .. } = self;
        WasiCtxView { ctx: wasi.get_or_insert_with(|| wasi::empty_context(log)), table }
    }
}

impl PodView for CallState {
    fn pods(&mut self) -> PodCtxView<'_> {
        PodCtxView { ctx: &mut self.pods, table: &mut self.table }
    }
}

/// Why a call ended without an answer.
fn explain(trap: &wasmtime::Error, state: &CallState) -> ToolError {
    let limits = state.pods.limits();
    if let Some(limit) = limit_of(trap, limits).or(state.limiter.reached) {
        return limit.into();
    }
    // wasmtime keeps the types of these to itself.
    let message = format!("{trap:#}");
    if message.contains("fuel allocated for hostcalls has been exhausted") {
        return LimitReached::Transfer(limits.transfer).into();
    }
    if message.contains("store handle limit exceeded") {
        return LimitReached::Handles(limits.handles).into();
    }
    if message.contains("resource limit exceeded") || trap.is::<wasmtime::PoolConcurrencyLimitError>() {
        return LimitReached::Instances(limits.instances).into();
    }
    log::trapped(trap);
    ended_by(trap, limits, "the plugin failed")
}
