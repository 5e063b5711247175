//! The part of WASI 0.2 that a language's standard library drags in, with nothing behind it: no arguments, no
//! environment, no directory, no input, and clocks that stand still: what waits for them waits for nothing.
//! `wasi:sockets` is not linked at all.

use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock as monotonic;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

use super::log::ErrorLog;

/// A context that grants nothing; what the plugin says on its standard error goes to `log`.
pub(super) fn empty_context(log: &ErrorLog) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.stderr(log.clone()).wall_clock(Standstill).max_random_size(MAX_RANDOM);
    builder.build()
}

/// The most random bytes that are given at once. A hash table's seed has 16.
const MAX_RANDOM: u64 = 64 << 10;

/// Time is nothing that the tools need, and a clock is what side channels are measured with.
struct Standstill;

impl HostWallClock for Standstill {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// The monotonic clock on a store's table of handles. A pollable that became ready when a time has passed would be a
/// clock, so these are ready at once. A plugin that sleeps, as one of a standard library may, does not; should it wait in
/// a loop for its clock to advance, its CPU time is used up.
struct MonotonicClock<'a>(&'a mut ResourceTable);

impl HasData for MonotonicClock<'static> {
    type Data<'a> = MonotonicClock<'a>;
}

impl MonotonicClock<'_> {
    fn subscribe(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let ready = self.0.push(Ready)?;
        subscribe(self.0, ready)
    }
}

impl monotonic::Host for MonotonicClock<'_> {
    fn now(&mut self) -> wasmtime::Result<monotonic::Instant> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic::Duration> {
        Ok(1_000_000_000)
    }

    fn subscribe_instant(&mut self, _: monotonic::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe()
    }

    fn subscribe_duration(&mut self, _: monotonic::Duration) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe()
    }
}

/// Ready at once.
struct Ready;

#[wasmtime_wasi::async_trait]
impl Pollable for Ready {
    async fn ready(&mut self) {}
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

pub(super) fn add_to_linker<T: WasiView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<T, HasIo>(linker, |t| t.ctx().table)?;
    io::poll::add_to_linker::<T, HasIo>(linker, |t| t.ctx().table)?;
    io::streams::add_to_linker::<T, HasIo>(linker, |t| t.ctx().table)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    monotonic::add_to_linker::<T, MonotonicClock<'static>>(linker, |t| MonotonicClock(t.ctx().table))?;
    random::random::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |t| t.ctx().ctx.random())?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)
}
