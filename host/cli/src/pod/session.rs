//! What a pod's command is told of the conversation, so that a program which keeps conversations of its own can go on
//! with the right one: two pods of one directory are two conversations.

use std::ffi::OsString;

use uuid::Uuid;

/// The variable that holds the id of the conversation: a UUID, as agents take one for a session's.
const SESSION: &str = "POD_SESSION";
/// The variable that holds the number of the message, from 1.
pub const TURN: &str = "POD_TURN";

/// The conversation of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    id: Uuid,
}

impl Session {
    /// A new one, of this pod alone.
    pub fn new() -> Session {
        Session { id: Uuid::new_v4() }
    }

    /// Its id, as text.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// What the command finds in its environment, the same each time that it is run.
    pub fn variable(&self) -> (&'static str, OsString) {
        (SESSION, self.id.to_string().into())
    }
}
