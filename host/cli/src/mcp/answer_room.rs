//! The memory for answers: room is kept for each before its call begins, and until it is written, however long its
//! client takes to read it.

use std::sync::Arc;

use pod_tools_host::{AnswerMemory, AnswerShare, ToolError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Answers at once that are made, or made and not out yet: more than there are connections over HTTP, each of which
/// has one. Further calls wait.
const ANSWERS: usize = 320;
/// Bytes of text and data that each may have in any case: what a client that asks for no more than the default is
/// given, and a listing of some hundred pods.
const OWN: usize = 128 << 10;
/// Bytes that longer ones may have of all others together.
const LONGER: usize = 64 << 20;
/// In so many forms an answer lies in memory while it is on its way: what the plugin gave, the message for the model,
/// that for programs, and the bytes that are written.
const FORMS: usize = 4;
/// Bytes of a value in a tree of JSON, at most.
const VALUE: usize = 128;

/// The room for all answers.
#[derive(Debug)]
pub struct AnswerRooms {
    places: Arc<Semaphore>,
    memory: AnswerMemory,
}

/// The room of one answer.
#[derive(Debug)]
pub struct Room {
    /// Always one, as the semaphore is never closed.
    _place: Result<OwnedSemaphorePermit, AcquireError>,
    /// What the answer is counted in.
    pub share: AnswerShare,
}

impl Default for AnswerRooms {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(ANSWERS)), memory: AnswerMemory::new(LONGER) }
    }
}

impl AnswerRooms {
    /// Waits for a room.
    pub async fn enter(&self) -> Room {
        Room { _place: self.places.clone().acquire_owned().await, share: self.memory.share(OWN) }
    }
}

impl Room {
    /// Takes what a tree of this JSON text needs beyond the forms that every answer has.
    pub fn take_tree(&self, json: &str) -> Result<(), ToolError> {
        self.share.take(values_at_most(json) * VALUE / FORMS)
    }
}

/// Each value but the first stands behind one of these; in texts they count as well.
fn values_at_most(json: &str) -> usize {
    1 + json.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count()
}
