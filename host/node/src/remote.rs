//! A caller: the plugin's tools on other machines, beside [`PodTools`](pod_tools_host::PodTools) with the same calls.
//!
//! A request is sent again until its answer has come, or its time is up: with the nonce of the first, so that the node does
//! once what it is asked several times. Whoever answers is believed for its signature alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pod_tools_host::{Answer, Authority, Staged, ToolError};
use tokio::time::timeout;

pub use crate::asking::Nodes;
use crate::asking::{Answered, Asked, Asker, DELIVERY, WORTH_A_WORD};
use crate::connection::Connection;
use crate::identity::Identity;
use crate::name::NodeName;
use crate::node::DELIVERED;

/// How long it is waited for the words that give requests up.
const SETTLING: Duration = Duration::from_secs(2);

/// Calls tools on nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Asker>);

impl Remote {
    /// Calls `nodes` through that connection.
    pub fn new(connection: Connection, identity: Identity, nodes: Nodes) -> Self {
        Self(Arc::new(Asker {
            connection,
            identity,
            nodes,
            instances: Mutex::default(),
            telling: Mutex::default(),
        }))
    }

    /// The nodes that it knows.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.0.nodes.keys()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// This side's public key.
    pub(crate) fn caller(&self) -> String {
        self.0.identity.public_key()
    }

    pub(crate) fn key_of(&self, node: &NodeName) -> Option<&str> {
        self.0.nodes.get(node).map(String::as_str)
    }

    /// Calls a tool on a node, as [`PodTools::call`](pod_tools_host::PodTools::call) does here. Of `authority` its limits
    /// count: how long the call may take, and what an answer may have. What may be done is the node's to say; what this side
    /// grants has to be asked of it before.
    ///
    /// # Errors
    ///
    /// Whatever the tool answers and the node has to say; `unreachable` where the node is not there; `timeout` where it did
    /// not answer: then it is not known whether it was done.
    pub async fn call(
        &self,
        authority: &Authority,
        node: &NodeName,
        tool: &str,
        input: &str,
    ) -> Result<Answer, ToolError> {
        self.call_within(authority, node, tool, input, authority.limits().call_time).await
    }

    /// The same, for at most so long.
    ///
    /// # Errors
    ///
    /// Those of [`call`](Self::call).
    pub async fn call_within(
        &self,
        authority: &Authority,
        node: &NodeName,
        tool: &str,
        input: &str,
        time: Duration,
    ) -> Result<Answer, ToolError> {
        let limits = authority.limits();
        let most = limits.transfer.saturating_mul(2).saturating_add(4 * limits.data);
        let asked = Asked {
            tool,
            input,
            reader: authority.reader().map(|reader| reader.as_str().to_owned()),
            peek: authority.peeks(),
            time,
            most,
        };
        let answered = self.0.ask(node, &asked).await?;
        let Answered { read, bytes, nonce } = answered;
        let staged = if read.staged {
            let (remote, node) = (self.clone(), node.clone());
            Staged::elsewhere(vec![Box::new(move || {
                Box::pin(async move { remote.delivered(&node, &nonce).await })
            })])
        } else {
            if bytes > WORTH_A_WORD {
                let (remote, node) = (self.clone(), node.clone());
                tokio::spawn(async move { remote.delivered(&node, &nonce).await });
            }
            Staged::elsewhere(Vec::new())
        };
        read.answer(staged, authority)
    }

    /// Waits until nodes have been told which requests were given up here, for two seconds at most: before the process ends.
    pub async fn settle(&self) {
        let telling = std::mem::take(&mut *self.0.telling.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = timeout(SETTLING, telling.join_all()).await;
    }

    /// Tells a node that its answer was delivered.
    async fn delivered(&self, node: &NodeName, nonce: &str) -> Result<(), ToolError> {
        let (tool, input, time, most) = (DELIVERED, nonce, DELIVERY, WORTH_A_WORD);
        let told = self.0.ask(node, &Asked { tool, input, reader: None, peek: false, time, most }).await;
        told.and_then(|answered| answered.read.delivery()).map_err(|error| {
            let message =
                format!("node `{node}` could not be told that its text was delivered: {}", error.message);
            ToolError::new(error.kind, error.reason, message)
        })
    }
}
