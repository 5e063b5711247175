//! The way of an answer to its client: staged by the call, handed over by the transport, and only then the
//! plugin's read cursors move. An answer that never got out never counts.

use std::sync::{Arc, Mutex, PoisonError};

use pod_tools_host::Answer;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::caller::Caller;

/// What a client has been sent or is being sent, and whose read cursors are not stored yet.
///
/// A call that follows waits for that ([`settled`](Self::settled)): a client that asks again as soon as it
/// has an answer must not be given the same text twice.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<watch::Sender<usize>>);

impl Default for Outbox {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Outbox {
    /// Waits until nothing is on its way.
    pub async fn settled(&self) {
        let mut pending = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }
}

/// What becomes of one request's answer. The transport makes it and puts it into the request's extensions;
/// the call finds it there.
#[derive(Debug, Clone)]
pub struct Delivery(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outbox: Outbox,
    staged: Mutex<Option<Staged>>,
    gone: CancellationToken,
}

#[derive(Debug)]
struct Staged {
    caller: Arc<Caller>,
    answer: Answer,
    /// The answer's share of the memory for answers that are not out yet.
    _memory: OwnedSemaphorePermit,
}

impl Delivery {
    /// For a request of the client with that outbox.
    pub fn new(outbox: Outbox) -> Self {
        Self(Arc::new(Inner { outbox, staged: Mutex::default(), gone: CancellationToken::new() }))
    }

    /// The client's outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Keeps an answer until its text is out.
    pub fn stage(&self, caller: Arc<Caller>, answer: Answer, memory: OwnedSemaphorePermit) {
        *self.staged() = Some(Staged { caller, answer, _memory: memory });
    }

    /// From now on the text may be out at any time. `None`: there is nothing that waits for that.
    pub fn hand_over(&self) -> Option<HandOver> {
        let staged = self.staged().take()?;
        self.0.outbox.0.send_modify(|pending| *pending += 1);
        Some(HandOver { staged: Some(staged), outbox: self.0.outbox.clone() })
    }

    /// The client waits for the answer no longer.
    pub fn abandon(&self) {
        self.0.gone.cancel();
        self.staged().take();
    }

    /// Waits until the client waits for the answer no longer.
    pub fn gone(&self) -> WaitForCancellationFuture<'_> {
        self.0.gone.cancelled()
    }

    fn staged(&self) -> std::sync::MutexGuard<'_, Option<Staged>> {
        self.0.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer whose text is being written. Dropped, it was not delivered.
#[derive(Debug)]
pub struct HandOver {
    staged: Option<Staged>,
    outbox: Outbox,
}

impl HandOver {
    /// The text is out: the cursors move.
    pub async fn delivered(mut self) {
        if let Some(staged) = self.staged.take() {
            staged.caller.deliver(staged.answer).await;
        }
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.outbox.0.send_modify(|pending| *pending -= 1);
    }
}
