//! What was asked and what came of it, for as long as the same request could come again.

use std::collections::HashMap;

use crate::refusal::Refusal;
use crate::request::Verified;

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It came for the first time: do it, then call [`Nonces::finish`].
    New,
    /// It is being done.
    Running,
    /// It was done, and this came of it.
    Done(T),
}

struct Entry<T> {
    digest: String,
    forget: u64,
    outcome: Option<T>,
}

/// A memory of requests, bounded for each caller: who floods it shuts out nobody else. What is in it is
/// forgotten only when its deadline is so long past that [`crate::request::open`] refuses it as late.
pub struct Nonces<T> {
    callers: HashMap<String, HashMap<String, Entry<T>>>,
    most: usize,
    skew: u64,
}

impl<T: Clone> Nonces<T> {
    /// A memory of at most `most` requests a caller, for clocks that differ by at most `skew` milliseconds.
    pub fn new(most: usize, skew: u64) -> Self {
        Self { callers: HashMap::new(), most, skew }
    }

    /// Notes a request at the time `now`, and says what is known of it.
    pub fn begin(&mut self, verified: &Verified, now: u64) -> Result<Seen<T>, Refusal> {
        self.callers.retain(|_, entries| {
            entries.retain(|_, entry| entry.forget >= now);
            !entries.is_empty()
        });
        let request = verified.request();
        let entries = self.callers.entry(request.caller.clone()).or_default();
        if let Some(entry) = entries.get(&request.nonce) {
            return match &entry.outcome {
                _ if entry.digest != verified.digest() => Err(Refusal::NonceReused),
                Some(outcome) => Ok(Seen::Done(outcome.clone())),
                None => Ok(Seen::Running),
            };
        }
        if entries.len() >= self.most {
            return Err(Refusal::TooMany { most: self.most });
        }
        let forget = request.deadline.saturating_add(self.skew);
        let entry = Entry { digest: verified.digest().to_owned(), forget, outcome: None };
        entries.insert(request.nonce.clone(), entry);
        Ok(Seen::New)
    }

    /// Notes what came of a request.
    pub fn finish(&mut self, verified: &Verified, outcome: T) {
        let request = verified.request();
        let entries = self.callers.get_mut(&request.caller);
        if let Some(entry) = entries.and_then(|entries| entries.get_mut(&request.nonce)) {
            entry.outcome = Some(outcome);
        }
    }
}
