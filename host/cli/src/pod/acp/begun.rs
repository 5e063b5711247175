//! What comes of asking an agent for a session.

use std::fmt;

use agent_client_protocol_schema::v1::SessionId;

use crate::pod::history::Recalled;

/// What an agent is and can.
#[derive(Debug)]
pub struct Abilities {
    /// Its name and version, where it says them.
    pub name: Option<String>,
    /// It tells a session again.
    pub can_load: bool,
    /// It goes on with a session without telling it.
    pub can_resume: bool,
}

/// How a session was begun.
#[derive(Debug)]
pub struct Begun {
    pub id: SessionId,
    pub abilities: Abilities,
    /// It is not the one that there was.
    pub is_new: bool,
    /// What it holds, where the agent tells it.
    pub recalled: Vec<Recalled>,
}

/// Why there is no session.
#[derive(Debug)]
pub struct NoSession {
    pub reason: String,
    /// The end of what the agent wrote to its standard error.
    pub errors: String,
}

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.errors.trim() {
            "" => Ok(()),
            errors if self.reason.contains(errors) => Ok(()),
            errors => write!(f, "; it wrote to its standard error: {errors}"),
        }
    }
}
