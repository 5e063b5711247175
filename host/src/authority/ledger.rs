//! The ledger of a call: what its plugin asked of the gate and what the gate said, and how much has passed
//! between it and pods. For audit logs: it holds no text but the names of pods.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::denial::Denial;
use super::grant::Verb;
use super::operation::Operation;

/// The most characters that are kept of a pod's name: more than any name of a directory. A plugin may ask
/// for a pod by a name of megabytes.
const MAX_NAME: usize = 255;

/// Keeps account of the calls that are made with the authority that
/// [`recorded_in`](crate::Authority::recorded_in) it: what they asked of the gate and what they exchanged with
/// pods. Read it when the call has ended, however it ended: with an answer, with an error, or dropped.
///
/// Cheap to clone; a clone is the same ledger. Use one for each call, unless their sum is wanted.
///
/// ```
/// use pod_tools_host::{Authority, Decision, Ledger, PodTools};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tools, authority) = (PodTools::bundled()?, Authority::builder().build()?);
/// let ledger = Ledger::new();
/// let denied = tools.call(&authority.recorded_in(&ledger), "StopPod", r#"{"name":"x"}"#).await;
/// assert!(denied.is_err());
/// let asked = &ledger.requests()[0];
/// assert_eq!((asked.pod.as_deref(), asked.decision), (Some("x"), Decision::Denied));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    asked: Mutex<Asked>,
    bytes_to_pods: AtomicU64,
    bytes_from_pods: AtomicU64,
}

#[derive(Debug, Default)]
struct Asked {
    /// In the order in which they were first made, each once.
    requests: Vec<RecordedRequest>,
    unlisted: u64,
}

/// What the gate said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// A grant covers it.
    Allowed,
    /// No grant covers it.
    Denied,
}

/// A request that a plugin has made of the gate, as often as it has made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The verb that allows it; where it was denied and more than one would have, the first.
    pub verb: Verb,
    /// What was to be done.
    pub operation: Operation,
    /// The pod's name as the plugin gave it, whether or not there is such a pod, cut behind 255 characters;
    /// `None` where the request is for no particular one.
    pub pod: Option<String>,
    /// What the gate said.
    pub decision: Decision,
    /// How often.
    pub count: u64,
}

impl RecordedRequest {
    /// What is said of the request to the operator where it was denied, with the line that would allow it: an
    /// element of `grants` in `grants_file`.
    pub fn denial(&self, grants_file: &Path) -> String {
        let (operation, missing, name) = (self.operation, self.verb, self.pod.as_deref());
        Denial { operation, missing, name, file: Some(grants_file) }.to_string()
    }
}

impl Ledger {
    /// How many different requests are listed; further ones are only counted.
    pub const MAX_REQUESTS: usize = 128;

    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The requests, in the order in which they were first made, at most [`MAX_REQUESTS`](Self::MAX_REQUESTS).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.asked().requests.clone()
    }

    /// How many requests are not among those listed. They were decided like all others.
    pub fn unlisted_requests(&self) -> u64 {
        self.asked().unlisted
    }

    /// Bytes that were written to pods.
    pub fn bytes_to_pods(&self) -> u64 {
        self.0.bytes_to_pods.load(Ordering::Relaxed)
    }

    /// Bytes that were read from pods.
    pub fn bytes_from_pods(&self) -> u64 {
        self.0.bytes_from_pods.load(Ordering::Relaxed)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, operation: Operation, verb: Verb, pod: Option<&str>, decision: Decision) {
        let pod = pod.map(|name| match name.char_indices().nth(MAX_NAME) {
            Some((end, _)) => &name[..end],
            None => name,
        });
        let mut asked = self.asked();
        let noted = asked.requests.iter_mut().find(|noted| {
            (noted.verb, noted.operation, noted.decision) == (verb, operation, decision)
                && noted.pod.as_deref() == pod
        });
        if let Some(noted) = noted {
            noted.count += 1;
        } else if asked.requests.len() < Self::MAX_REQUESTS {
            let pod = pod.map(str::to_owned);
            asked.requests.push(RecordedRequest { verb, operation, pod, decision, count: 1 });
        } else {
            asked.unlisted += 1;
        }
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.0.bytes_to_pods.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.0.bytes_from_pods.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_listed_once_and_counted() {
        let ledger = Ledger::new();
        for _ in 0..3 {
            ledger.note(Operation::ProbeSocket, Verb::List, Some("a"), Decision::Allowed);
        }
        ledger.note(Operation::ProbeSocket, Verb::List, Some("a"), Decision::Denied);
        ledger.note(Operation::ListPods, Verb::List, None, Decision::Allowed);
        let counts: Vec<_> = ledger.requests().iter().map(|r| (r.operation, r.decision, r.count)).collect();
        assert_eq!(
            counts,
            [
                (Operation::ProbeSocket, Decision::Allowed, 3),
                (Operation::ProbeSocket, Decision::Denied, 1),
                (Operation::ListPods, Decision::Allowed, 1)
            ]
        );
    }

    #[test]
    fn a_plugin_that_guesses_without_end_fills_no_memory_and_is_counted() {
        let ledger = Ledger::new();
        let guesses = Ledger::MAX_REQUESTS + 1000;
        for i in 0..guesses {
            let name = format!("{i:09}{}", "é".repeat(10_000));
            ledger.note(Operation::StopPod, Verb::Stop, Some(&name), Decision::Denied);
        }
        let listed = ledger.requests();
        assert_eq!((listed.len(), ledger.unlisted_requests()), (Ledger::MAX_REQUESTS, 1000));
        let names = listed.iter().filter_map(|request| request.pod.as_deref());
        assert!(names.map(|name| name.chars().count()).all(|length| length == MAX_NAME));
    }
}
