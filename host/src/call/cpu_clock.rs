//! The CPU time of one call: what its plugin computes, and what the host computes for it. Waits cost nothing.
//!
//! The time is measured where it is spent: around each poll of the call's future, in which plugin and host functions
//! run alike, and on the threads that work for a host function ([`blocking`](super::wait::blocking)). It is asked for
//! at each host function and each step of a long one, and at each interruption of a running plugin.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::authority::limits::LimitReached;

/// No poll is under way.
const NONE: u64 = u64::MAX;

/// What a call has used so far, and when the current poll of its future began. A clone is the same clock.
#[derive(Debug, Clone)]
pub(crate) struct CpuClock(Arc<Used>);

#[derive(Debug)]
struct Used {
    born: Instant,
    /// Microseconds.
    finished: AtomicU64,
    /// Microseconds after `born`, or [`NONE`].
    poll_began: AtomicU64,
}

impl CpuClock {
    pub(crate) fn new() -> Self {
        let born = Instant::now();
        Self(Arc::new(Used { born, finished: AtomicU64::new(0), poll_began: AtomicU64::new(NONE) }))
    }

    /// Follows `future`'s use of the processor.
    pub(crate) fn measure<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        let clock = self.clone();
        let mut future = Box::pin(future);
        std::future::poll_fn(move |context| clock.poll(future.as_mut(), context))
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.at(Instant::now());
        self.0.poll_began.store(began, Ordering::Relaxed);
        let polled = future.poll(context);
        self.0.poll_began.store(NONE, Ordering::Relaxed);
        self.0.finished.fetch_add(self.at(Instant::now()) - began, Ordering::Relaxed);
        polled
    }

    /// Does `work`, which may wait, on the thread that this is called on, and counts what the thread computes.
    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = thread_time();
        let done = work();
        let took = u64::try_from(thread_time().saturating_sub(began).as_micros()).unwrap_or(u64::MAX);
        self.0.finished.fetch_add(took, Ordering::Relaxed);
        done
    }

    /// Whether no more than `limit` is used, where it is `now`.
    pub(crate) fn check(&self, now: Instant, limit: Duration) -> Result<(), LimitReached> {
        let began = self.0.poll_began.load(Ordering::Relaxed);
        let current = if began == NONE { 0 } else { self.at(now).saturating_sub(began) };
        let used = self.0.finished.load(Ordering::Relaxed).saturating_add(current);
        if Duration::from_micros(used) > limit { Err(LimitReached::CpuTime(limit)) } else { Ok(()) }
    }

    fn at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.0.born).as_micros()).unwrap_or(NONE - 1)
    }
}

/// The time that this thread has computed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time that this thread has computed; elsewhere it is not asked, and what is done on other threads is free.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn thread_time() -> Duration {
    Duration::ZERO
}
