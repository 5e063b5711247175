//! CPU time: how long a plugin's own code has been computing, waits excluded.
//!
//! The engine's epoch advances every 10 ms while calls are under way. At each step a running plugin is
//! interrupted, its time is looked at, and others that share the thread get their turn. The time itself is
//! measured where it is spent: around each poll of the call's future. Waiting in the host costs nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::{Engine, EngineWeak, UpdateDeadline};

use crate::authority::limits::LimitReached;

/// The time between two interruptions of a running plugin.
const TICK: Duration = Duration::from_millis(10);

/// Advances the engine's epoch while calls are under way.
#[derive(Debug)]
pub(super) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    under_way: usize,
    /// The ticker has been dropped.
    ended: bool,
    /// The thread waits for a call. It mostly does not: then no thread has to be woken.
    awaited: bool,
}

/// Keeps the epoch advancing until it is dropped.
#[derive(Debug)]
pub(super) struct Ticking(Weak<Shared>);

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (engine, of_thread) = (engine.weak(), shared.clone());
        std::thread::Builder::new()
            .name("pod-tools-epoch".into())
            .spawn(move || tick(&engine, &of_thread))?;
        Ok(Self(shared))
    }

    pub(super) fn ticking(&self) -> Ticking {
        self.0.change(|calls| calls.under_way += 1);
        Ticking(Arc::downgrade(&self.0))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.change(|calls| calls.ended = true);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.change(|calls| calls.under_way -= 1);
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Calls)) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut calls);
        if calls.awaited && (calls.ended || calls.under_way > 0) {
            calls.awaited = false;
            self.changed.notify_one();
        }
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    loop {
        let mut calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while !calls.ended && calls.under_way == 0 {
            calls.awaited = true;
            calls = shared.changed.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
        if calls.ended {
            return;
        }
        drop(calls);
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

/// The CPU time of one call: what its future has used in finished polls, and when the current one began.
#[derive(Debug, Clone)]
pub(super) struct CpuClock(Arc<Used>);

#[derive(Debug)]
struct Used {
    born: Instant,
    /// Microseconds.
    finished: AtomicU64,
    /// Microseconds after `born`.
    poll_began: AtomicU64,
}

impl CpuClock {
    pub(super) fn new() -> Self {
        let used = Used { born: Instant::now(), finished: AtomicU64::new(0), poll_began: AtomicU64::new(0) };
        Self(Arc::new(used))
    }

    /// Follows `future`'s use of the processor.
    pub(super) fn measure<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        let clock = self.clone();
        let mut future = Box::pin(future);
        std::future::poll_fn(move |context| clock.poll(future.as_mut(), context))
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.now();
        self.0.poll_began.store(began, Ordering::Relaxed);
        let polled = future.poll(context);
        self.0.finished.fetch_add(self.now() - began, Ordering::Relaxed);
        polled
    }

    /// What to do when the epoch has advanced under a running plugin.
    pub(super) fn on_tick(&self, limit: Duration) -> wasmtime::Result<UpdateDeadline> {
        let current = self.now() - self.0.poll_began.load(Ordering::Relaxed);
        let used = Duration::from_micros(self.0.finished.load(Ordering::Relaxed) + current);
        if used > limit {
            return Err(LimitReached::CpuTime(limit).into());
        }
        Ok(UpdateDeadline::Yield(1))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
