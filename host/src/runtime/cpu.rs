//! The interruption of plugins that compute.
//!
//! The engine's epoch advances every 10 ms while calls compute. At each step a running plugin is interrupted, its
//! [time](crate::call::cpu_clock) is looked at, and others that share the thread get their turn. Calls that wait, for a
//! pod's run to end, say, keep nothing awake.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// The time between two interruptions of a running plugin.
const TICK: Duration = Duration::from_millis(10);

/// Advances the engine's epoch while calls compute.
#[derive(Debug)]
pub(super) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    computing: usize,
    /// One has computed since the last tick. A call that waits for a moment only finds the thread awake.
    computed: bool,
    /// The ticker has been dropped.
    ended: bool,
    /// The thread waits for a call that computes. It mostly does not: then no thread has to be woken.
    awaited: bool,
}

/// Keeps the epoch advancing until it is dropped.
#[derive(Debug)]
pub(super) struct Ticking<'a>(&'a Shared);

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (engine, of_thread) = (engine.weak(), shared.clone());
        std::thread::Builder::new()
            .name("pod-tools-epoch".into())
            .spawn(move || tick(&engine, &of_thread))?;
        Ok(Self(shared))
    }

    pub(super) fn ticking(&self) -> Ticking<'_> {
        self.0.change(|calls| calls.computing += 1);
        Ticking(&self.0)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.change(|calls| calls.ended = true);
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.change(|calls| {
            calls.computing -= 1;
            calls.computed = true;
        });
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Calls)) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut calls);
        let wakes = calls.awaited && (calls.ended || calls.computing > 0);
        calls.awaited &= !wakes;
        // Whom it wakes takes the lock: not while it is held here.
        drop(calls);
        if wakes {
            self.changed.notify_one();
        }
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    loop {
        let mut calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while !calls.ended && calls.computing == 0 && !calls.computed {
            calls.awaited = true;
            calls = shared.changed.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
        if calls.ended {
            return;
        }
        calls.computed = false;
        drop(calls);
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}
