//! What each caller has of a node: calls at once, a rate, bytes, and a memory of what was asked. Who takes all that is his
//! takes nothing from others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pod_tools_host::{AnswerMemory, AnswerShare, Staged};
use tokio_util::sync::CancellationToken;

use crate::nonces::{Nonces, Seen};
use crate::refusal::Refusal;
use crate::request::Verified;

/// What one caller may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerLimits {
    /// Calls that run at once.
    pub calls: usize,
    /// Requests a second, repeated ones included; twice as many may come at once.
    pub rate: u32,
    /// Bytes of requests that are carried out, and of answers until they are known to be delivered or their deadline is past.
    pub bytes: usize,
}

impl Default for CallerLimits {
    fn default() -> Self {
        Self { calls: 64, rate: 1000, bytes: 256 << 20 }
    }
}

/// What came of a call. A clone is the same.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// The answer; nothing once it was delivered.
    pub(crate) body: Bytes,
    /// The cursors that wait for the delivery.
    pub(crate) staged: Arc<tokio::sync::Mutex<Option<Staged>>>,
    pub(crate) delivered: bool,
}

impl Outcome {
    /// Of what nobody asks for any more.
    pub(crate) fn over() -> Self {
        Self { body: Bytes::new(), staged: Arc::default(), delivered: true }
    }
}

/// One caller's.
pub(crate) struct Place {
    inner: Mutex<Inner>,
    /// Bytes of requests, and of answers that are kept.
    held: Arc<AtomicUsize>,
}

struct Inner {
    /// As they are now: whoever has more than they leave keeps it, and gets no more.
    limits: CallerLimits,
    /// Of answers while they are made.
    answers: AnswerMemory,
    running: usize,
    tokens: f64,
    filled: Instant,
    nonces: Nonces<Outcome>,
    /// How to end each call that runs.
    stops: HashMap<String, CancellationToken>,
}

/// Why a request was not even looked at.
pub(crate) struct Busy(pub(crate) String);

/// A request that is looked at. Dropped, it is no more.
pub(crate) struct Admitted {
    pub(crate) place: Arc<Place>,
    bytes: usize,
}

impl Place {
    fn new(limits: CallerLimits, kept_for: u64, skew: u64) -> Arc<Self> {
        let inner = Inner {
            running: 0,
            tokens: f64::from(limits.rate) * 2.0,
            filled: Instant::now(),
            nonces: Nonces::new(remembered(&limits, kept_for), skew),
            answers: AnswerMemory::new(limits.bytes),
            stops: HashMap::new(),
            limits,
        };
        Arc::new(Self { inner: Mutex::new(inner), held: Arc::default() })
    }

    /// From here on, these are his limits. What runs keeps what it has.
    fn limit(&self, limits: &CallerLimits, kept_for: u64) {
        let mut inner = self.inner();
        if inner.limits == *limits {
            return;
        }
        if inner.limits.bytes != limits.bytes {
            inner.answers = AnswerMemory::new(limits.bytes);
        }
        inner.tokens = inner.tokens.min(f64::from(limits.rate) * 2.0);
        inner.nonces.allow(remembered(limits, kept_for));
        inner.limits = limits.clone();
    }

    /// For the answer of one call while it is made.
    pub(crate) fn share(&self) -> AnswerShare {
        self.inner().answers.share(0)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a request of so many bytes. The word of a delivery has room beside calls that wait.
    pub(crate) fn admit(self: &Arc<Self>, bytes: usize, is_delivery: bool) -> Result<Admitted, Busy> {
        let mut inner = self.inner();
        let limits = inner.limits.clone();
        let rate = f64::from(limits.rate);
        let since = inner.filled.elapsed().as_secs_f64();
        inner.tokens = (inner.tokens + since * rate).min(rate * 2.0);
        inner.filled = Instant::now();
        if inner.tokens < 1.0 {
            return Err(Busy(format!("the caller asks more than {} times a second", limits.rate)));
        }
        inner.tokens -= 1.0;
        let most = if is_delivery { limits.calls.saturating_mul(2) } else { limits.calls };
        if inner.running >= most {
            return Err(Busy(format!(
                "the caller has {} calls running, the most there may be",
                limits.calls
            )));
        }
        if self.held.load(Ordering::Relaxed).saturating_add(bytes) > limits.bytes {
            return Err(Busy(format!(
                "requests and answers of the caller have {} bytes, the most there may be",
                limits.bytes
            )));
        }
        inner.running += 1;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        drop(inner);
        Ok(Admitted { place: self.clone(), bytes })
    }

    /// Notes a request; and where it is to be done, what tells that its caller has given it up.
    pub(crate) fn begin(
        &self,
        verified: &Verified,
        now: u64,
    ) -> Result<(Seen<Outcome>, CancellationToken), Refusal> {
        let mut inner = self.inner();
        let (seen, stop) = (inner.nonces.begin(verified, now)?, CancellationToken::new());
        if matches!(seen, Seen::New) {
            inner.stops.insert(verified.request().nonce.clone(), stop.clone());
        }
        Ok((seen, stop))
    }

    /// Ends the call with that nonce, and keeps nothing of it but that it was: this caller's, as all that is here. One that
    /// has yet to come, behind the word that gives it up, is not begun.
    pub(crate) fn give_up(&self, nonce: &str, word: &Verified, now: u64) {
        let mut inner = self.inner();
        if let Some(stop) = inner.stops.remove(nonce) {
            stop.cancel();
        }
        inner.nonces.end(nonce, word, Outcome::over(), now);
    }

    /// The memory of what was asked.
    pub(crate) fn nonces<T>(&self, work: impl FnOnce(&mut Nonces<Outcome>) -> T) -> T {
        work(&mut self.inner().nonces)
    }

    /// Keeps what came of a call.
    pub(crate) fn keep(&self, nonce: &str, body: Vec<u8>, staged: Option<Staged>) -> Outcome {
        self.held.fetch_add(body.len(), Ordering::Relaxed);
        // Its bytes are given back when the last has forgotten them.
        let body = Bytes::from_owner(Kept { body, held: self.held.clone() });
        let staged = Arc::new(tokio::sync::Mutex::new(staged));
        let outcome = Outcome { body, staged, delivered: false };
        let mut inner = self.inner();
        // Given up in the last moment, it is kept no longer.
        if inner.stops.remove(nonce).is_some() {
            inner.nonces.finish(nonce, outcome.clone());
        }
        drop(inner);
        outcome
    }
}

struct Kept {
    body: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.held.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.place.inner().running -= 1;
        self.place.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How many requests of a caller are to be remembered.
fn remembered(limits: &CallerLimits, kept_for: u64) -> usize {
    usize::try_from(u64::from(limits.rate).saturating_mul(kept_for)).unwrap_or(usize::MAX)
}

/// All callers'.
pub(crate) struct Places {
    /// For how long a request is remembered, in seconds.
    kept_for: u64,
    skew: u64,
    places: Mutex<HashMap<String, Arc<Place>>>,
}

impl Places {
    pub(crate) fn new(longest: Duration, skew: u64) -> Self {
        let kept_for = longest.as_secs().saturating_add(2 * skew / 1000).saturating_add(1);
        Self { kept_for, skew, places: Mutex::default() }
    }

    /// That of the caller with this public key, who may have so much now.
    pub(crate) fn of(&self, caller: &str, limits: &CallerLimits) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(caller) {
            place.limit(limits, self.kept_for);
            return place.clone();
        }
        let place = Place::new(limits.clone(), self.kept_for, self.skew);
        places.insert(caller.to_owned(), place.clone());
        place
    }
}
