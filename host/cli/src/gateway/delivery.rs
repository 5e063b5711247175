//! That a caller's next session finds the cursors of the one before: a client may commit behind the answer that its
//! caller was given (an answer over NATS cannot be told from its delivery), and the caller may ask again before.

use std::sync::Arc;
use std::time::Duration;

use pod_tools_host::gateway::{CursorUse, Session};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::places::{Delivering, SessionPlace};

/// A session that has staged a cursor, and does not end, holds up the caller's others for so long at most. They are then
/// given what was read before, and the text again, as when it never commits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The part of one session in it. Dropped, the next one goes on.
pub struct Delivery {
    of_caller: Arc<Delivering>,
    own: Option<OwnedMutexGuard<()>>,
}

impl Delivery {
    pub fn of(place: &SessionPlace) -> Self {
        Self { of_caller: place.delivering(), own: None }
    }

    /// Waits for what the request, by the content of its frame, is to find.
    pub async fn before(&mut self, request: &[u8]) {
        let Some(what) = Session::cursor_use(request) else { return };
        if self.own.is_none()
            && let Ok(free) = timeout(PATIENCE, self.of_caller.clone().lock_owned()).await
            && what == CursorUse::Stages
        {
            self.own = Some(free);
        }
    }
}
