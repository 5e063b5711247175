//! What answers a pod's messages: a command that is run once for each, or an agent that runs as long as the pod does.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::acp::Agent;
use super::supervisor::Supervisor;
use super::turn::Turn;

/// What answers.
#[derive(Debug)]
pub enum Worker {
    /// A command, once a message.
    Command(Arc<Mutex<Supervisor>>),
    /// An agent of the Agent Client Protocol.
    Agent(Agent),
}

impl Worker {
    /// Begins with the message of this number. It may bring so many bytes.
    pub fn start(&self, number: u64, message: String, most: usize) -> Turn {
        match self {
            Worker::Command(supervisor) => Turn::start(supervisor.clone(), number, message, most),
            Worker::Agent(agent) => agent.prompt(number, message),
        }
    }

    /// Ends it, and all that it has left in the background. No turn runs.
    pub async fn end(&self) {
        match self {
            Worker::Command(supervisor) => supervisor.lock().await.end().await,
            Worker::Agent(agent) => agent.end().await,
        }
    }
}
