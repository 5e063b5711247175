//! The way of an answer to its client: made in the room that was kept for it, handed over by the transport, and only
//! then the plugin's read cursors move and the room is given back. An answer that never got out never counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pod_tools_host::{Staged, ToolError};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::answer_room::Room;
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
    pending: Mutex<Pending>,
    gone: CancellationToken,
}

/// What waits for the answer to be out.
#[derive(Debug, Default)]
struct Pending {
    room: Option<Room>,
    cursors: Option<(Arc<Caller>, Staged)>,
}

impl Delivery {
    /// For a request of the client with that outbox.
    pub fn new(outbox: Outbox) -> Self {
        Self(Arc::new(Inner { outbox, pending: Mutex::default(), gone: CancellationToken::new() }))
    }

    /// The client's outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Keeps the room that an answer is made in until it is out, whatever the answer will be.
    pub fn keep(&self, room: Room) {
        self.pending().room = Some(room);
    }

    /// Has room for a tree of that JSON text in the answer.
    pub fn take_tree(&self, json: &str) -> Result<(), ToolError> {
        self.pending().room.as_ref().map_or(Ok(()), |room| room.take_tree(json))
    }

    /// Stores read cursors once the answer is out.
    pub fn stage(&self, caller: Arc<Caller>, cursors: Staged) {
        self.pending().cursors = Some((caller, cursors));
    }

    /// From now on the text may be out at any time. `None`: there is nothing that waits for that.
    pub fn hand_over(&self) -> Option<HandOver> {
        let Pending { room, cursors } = std::mem::take(&mut *self.pending());
        let _room = room?;
        self.0.outbox.0.send_modify(|pending| *pending += 1);
        Some(HandOver { cursors, _room, outbox: self.0.outbox.clone() })
    }

    /// The client waits for the answer no longer.
    pub fn abandon(&self) {
        self.0.gone.cancel();
        *self.pending() = Pending::default();
    }

    /// Waits until the client waits for the answer no longer.
    pub fn gone(&self) -> WaitForCancellationFuture<'_> {
        self.0.gone.cancelled()
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer whose text is being written. Dropped, it was not delivered.
#[derive(Debug)]
pub struct HandOver {
    cursors: Option<(Arc<Caller>, Staged)>,
    _room: Room,
    outbox: Outbox,
}

impl HandOver {
    /// The text is out: the cursors move.
    pub async fn delivered(mut self) {
        if let Some((caller, cursors)) = self.cursors.take() {
            caller.deliver(cursors).await;
        }
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.outbox.0.send_modify(|pending| *pending -= 1);
    }
}
