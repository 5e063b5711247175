//! What a caller has asked and what came of it, for as long as the same request could come again.

use std::collections::{BTreeSet, HashMap};

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
    outcome: Option<T>,
}

/// A memory of one caller's requests. What is in it is forgotten only when its deadline is so long past that
/// [`crate::request::open`] refuses it as late: where there is no more room, a new request is refused.
pub struct Nonces<T> {
    entries: HashMap<String, Entry<T>>,
    /// When each is to be forgotten.
    order: BTreeSet<(u64, String)>,
    most: usize,
    skew: u64,
}

impl<T: Clone> Nonces<T> {
    /// A memory of at most `most` requests, for clocks that differ by at most `skew` milliseconds.
    pub fn new(most: usize, skew: u64) -> Self {
        Self { entries: HashMap::new(), order: BTreeSet::new(), most, skew }
    }

    /// From here on, at most `most` are remembered. More that are there already stay until they can come no more.
    pub fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// Notes a request at the time `now`, and says what is known of it.
    pub fn begin(&mut self, verified: &Verified, now: u64) -> Result<Seen<T>, Refusal> {
        self.forget(now);
        let request = verified.request();
        if let Some(entry) = self.entries.get(&request.nonce) {
            return match &entry.outcome {
                _ if entry.digest != verified.digest() => Err(Refusal::NonceReused),
                Some(outcome) => Ok(Seen::Done(outcome.clone())),
                None => Ok(Seen::Running),
            };
        }
        if self.entries.len() >= self.most {
            return Err(Refusal::TooMany { most: self.most });
        }
        let forget = request.deadline.saturating_add(self.skew);
        let entry = Entry { digest: verified.digest().to_owned(), outcome: None };
        self.order.insert((forget, request.nonce.clone()));
        self.entries.insert(request.nonce.clone(), entry);
        Ok(Seen::New)
    }

    /// Notes what came of a request, or something else in its place.
    pub fn finish(&mut self, nonce: &str, outcome: T) {
        if let Some(entry) = self.entries.get_mut(nonce) {
            entry.outcome = Some(outcome);
        }
    }

    /// Notes that a request is over, by the word of its caller: also of one that has not come yet, as long as that word
    /// could come again.
    pub fn end(&mut self, nonce: &str, word: &Verified, outcome: T, now: u64) {
        self.forget(now);
        if let Some(entry) = self.entries.get_mut(nonce) {
            entry.outcome = Some(outcome);
        } else if self.entries.len() < self.most && nonce.len() == word.request().nonce.len() {
            let forget = word.request().deadline.saturating_add(self.skew);
            // The digest of the word is that of no request: what comes with this nonce is refused.
            let entry = Entry { digest: word.digest().to_owned(), outcome: Some(outcome) };
            self.order.insert((forget, nonce.to_owned()));
            self.entries.insert(nonce.to_owned(), entry);
        }
    }

    /// What came of the request with that nonce, if it was done and is not forgotten.
    pub fn outcome(&self, nonce: &str) -> Option<&T> {
        self.entries.get(nonce)?.outcome.as_ref()
    }

    /// Forgets what can come no more.
    pub fn forget(&mut self, now: u64) {
        while self.order.first().is_some_and(|(forget, _)| *forget < now) {
            if let Some((_, nonce)) = self.order.pop_first() {
                self.entries.remove(&nonce);
            }
        }
    }
}
