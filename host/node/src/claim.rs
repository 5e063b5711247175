//! That a name has one node at a server: whoever was there first keeps it.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::error::NodeError;
use crate::name::NodeName;
use crate::subject;

/// How long it is waited for another node of the same name.
const CLAIM: Duration = Duration::from_secs(1);

/// A node's name, and what it says of itself to others that would have it.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) name: NodeName,
    pub(crate) own: String,
    pub(crate) client: async_nats::Client,
}

impl Claim {
    /// Fails where another node answers to the name.
    pub(crate) async fn is_free(&self) -> Result<(), NodeError> {
        match self.others().await?.first() {
            Some(other) => Err(self.taken(other)),
            None => Ok(()),
        }
    }

    /// Fails where a node that was there before answers to it: of two, the later one goes. What cannot be asked now is asked
    /// when there is a connection again.
    pub(crate) async fn keep(self) -> Result<(), NodeError> {
        let others = self.others().await.unwrap_or_default();
        match others.iter().find(|other| **other < self.own) {
            Some(other) => Err(self.taken(other)),
            None => Ok(()),
        }
    }

    /// What others say of themselves.
    async fn others(&self) -> Result<Vec<String>, NodeError> {
        let server = |error: Box<dyn std::error::Error + Send + Sync>| NodeError::Server(error.to_string());
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(inbox.clone()).await.map_err(|error| server(error.into()))?;
        let asked = self.client.publish_with_reply(subject::of_claim(&self.name), inbox, "".into()).await;
        asked.map_err(|error| server(error.into()))?;
        let mut others = Vec::new();
        while let Ok(Some(reply)) = timeout(CLAIM, replies.next()).await {
            // Nobody is there at all, which the server says at once.
            if reply.status.is_some() {
                break;
            }
            let text: String = String::from_utf8_lossy(&reply.payload).chars().take(200).collect();
            if text != self.own {
                others.push(text);
                break;
            }
        }
        Ok(others)
    }

    fn taken(&self, other: &str) -> NodeError {
        let key = other.split_once(' ').map_or("?", |(_, key)| key);
        NodeError::NameTaken { name: self.name.clone(), key: key.escape_debug().to_string() }
    }
}
