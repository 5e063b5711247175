//! The requests of a client that are not answered yet: so many, with so many bytes, and their ways back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mcp::delivery::Delivery;

/// Requests at once. Reading waits where there are more.
const IN_FLIGHT: usize = 2048;
/// Their bytes, in frames of the greatest size.
const MAX_FRAMES: usize = 16;

/// The requests that are not answered yet.
pub struct Requests {
    open: Arc<Mutex<HashMap<RequestId, OpenRequest>>>,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max_bytes: usize,
}

pub struct OpenRequest {
    pub delivery: Delivery,
    _room: Room,
}

/// One request's share of what may be in flight: given back once its answer is out.
pub type Room = [OwnedSemaphorePermit; 2];

impl Requests {
    pub fn new(max_frame: usize) -> Self {
        let max_bytes = max_frame.saturating_mul(MAX_FRAMES).min(u32::MAX as usize);
        Self {
            open: Arc::default(),
            count: Arc::new(Semaphore::new(IN_FLIGHT)),
            bytes: Arc::new(Semaphore::new(max_bytes)),
            max_bytes,
        }
    }

    /// Waits for room for a request of that size.
    pub async fn room(&self, size: usize) -> Option<Room> {
        let size = u32::try_from(size.min(self.max_bytes)).unwrap_or(u32::MAX);
        let one = self.count.clone().acquire_owned().await.ok()?;
        Some([one, self.bytes.clone().acquire_many_owned(size).await.ok()?])
    }

    /// `false`: one with the same id is not answered yet.
    pub fn begin(&self, id: RequestId, delivery: Delivery, room: Room) -> bool {
        let mut open = self.lock();
        if open.contains_key(&id) {
            return false;
        }
        open.insert(id, OpenRequest { delivery, _room: room });
        true
    }

    pub fn end(&self, id: &RequestId) -> Option<OpenRequest> {
        self.lock().remove(id)
    }

    /// A cancelled request gets no answer.
    pub fn heed(&self, message: &ClientJsonRpcMessage) {
        if let ClientJsonRpcMessage::Notification(notification) = message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
            && let Some(request) = self.end(id)
        {
            request.delivery.abandon();
        }
    }

    pub fn abandon(&self) {
        for (_, request) in self.lock().drain() {
            request.delivery.abandon();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, OpenRequest>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
