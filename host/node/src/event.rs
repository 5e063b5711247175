//! Events: a node's hints to a caller that a pod may have changed.
//!
//! A caller asks for them, of a pod that it may read, for a time that it prolongs ([`WATCH`]); the node publishes none that
//! nobody has asked for. They go on a subject of the caller's own, under a random word of the caller's choice: no name of a
//! pod is in it, and nobody else may listen. An event says no more than that it is worth a look, which is a call like any
//! other. It is signed and counted, so that neither a forged nor an old one leads to one; the count that a prolonging is
//! answered with tells whether one was lost.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use pod_tools_host::{Authority, ErrorKind, Reason, ToolError};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;
use crate::identity::Identity;
use crate::name::NodeName;
use crate::refusal::Refusal;
use crate::remote::Remote;
use crate::request;
use crate::signed::{sign, verify};
use crate::subject;

const WORD: &str = "event";

/// What a caller asks for to be told of a pod: a tool that is none of the plugin's. Its input is a [`Watched`], the data of
/// its answer a [`Counted`].
pub const WATCH: &str = "watch";
/// For how long a node tells of a pod without being asked again.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often it is asked again: a hint that was lost is late by so much.
const PROLONG: Duration = Duration::from_secs(10);

/// What is to be watched.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The pod, by its name on the node.
    pub name: String,
    /// The word under which it is told of: 32 hexadecimal digits, used for this alone.
    pub watch: String,
}

/// How far a watch has counted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counted {
    /// The number of the last event. It begins anywhere, and grows.
    pub count: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    node: String,
    caller: String,
    watch: String,
    count: u64,
}

/// Tells callers, in the name of a node.
#[derive(Debug, Clone)]
pub struct Publisher {
    connection: Connection,
    identity: Identity,
    node: NodeName,
}

impl Publisher {
    /// Of the node of that name.
    pub fn new(connection: Connection, identity: Identity, node: NodeName) -> Self {
        Self { connection, identity, node }
    }

    /// Tells the caller with that key the event of that number. It may be lost.
    pub async fn tell(&self, caller: &str, watch: &str, count: u64) {
        let (node, of) = (self.identity.public_key(), caller.to_owned());
        let event = Event { node, caller: of, watch: watch.to_owned(), count };
        let Ok((envelope, _)) = sign(WORD, &event, self.identity.key()) else { return };
        let subject = subject::of_event(&self.node, caller, watch);
        let _ = self.connection.client.publish(subject, envelope.into()).await;
    }
}

/// A pod of another machine that is watched. Dropped, it is watched no longer, and its node forgets it after [`LEASE`].
#[derive(Debug)]
pub struct Watch {
    remote: Remote,
    authority: Authority,
    node: NodeName,
    key: String,
    input: String,
    watch: String,
    events: Subscriber,
    count: u64,
    /// Whether the node did not answer when it was asked last: then anything may have happened.
    is_away: bool,
    prolong: Instant,
}

impl Remote {
    /// Watches a pod that may be read. Of `authority` its limits count, as with [`call`](Remote::call).
    ///
    /// # Errors
    ///
    /// Those of a call; `denied` where the node grants no reading of the pod.
    pub async fn watch(&self, authority: &Authority, node: &NodeName, pod: &str) -> Result<Watch, ToolError> {
        let failed = |message: String| ToolError::new(ErrorKind::ExecutionFailed, None, message);
        let watch = request::nonce();
        let watch = watch.ok_or_else(|| failed("the system has no randomness to give".to_owned()))?;
        let input = serde_json::to_string(&Watched { name: pod.to_owned(), watch: watch.clone() });
        let input = input.map_err(|error| failed(error.to_string()))?;
        let key = self.key_of(node).unwrap_or_default().to_owned();
        let subject = subject::of_event(node, &self.caller(), &watch);
        // Before it is asked: no event is missed.
        let events = self.connection().client.subscribe(subject).await;
        let events = events.map_err(|error| failed(format!("NATS: {error}")))?;
        let (remote, authority, node) = (self.clone(), authority.clone(), node.clone());
        let prolong = Instant::now() + PROLONG;
        let mut this =
            Watch { remote, authority, node, key, input, watch, events, count: 0, is_away: false, prolong };
        this.count = this.ask().await?;
        Ok(this)
    }
}

impl Watch {
    /// Waits until the pod may have changed, or its node is there again that was not. `None`: the connection was closed.
    pub async fn changed(&mut self) -> Option<()> {
        let mut made = self.remote.connection().made();
        made.mark_unchanged();
        loop {
            tokio::select! {
                event = self.events.next() => {
                    // One that is forged, or was told before, is not worth a word: there may be many.
                    if let Ok(count) = self.open(&event?.payload) && count > self.count {
                        self.count = count;
                        return Some(());
                    }
                    continue;
                }
                () = sleep_until(self.prolong) => {}
                Ok(()) = made.changed() => {}
            }
            self.prolong = Instant::now() + PROLONG;
            match self.ask().await {
                Ok(count) => {
                    let is_news = count != self.count || self.is_away;
                    (self.count, self.is_away) = (count, false);
                    if is_news {
                        return Some(());
                    }
                }
                Err(error) => {
                    tracing::debug!("a pod of node `{}` is not watched now: {error}", self.node);
                    self.is_away = true;
                }
            }
        }
    }

    /// The number of an event of this watch's.
    fn open(&self, payload: &[u8]) -> Result<u64, Refusal> {
        let envelope = std::str::from_utf8(payload).map_err(|_| Refusal::Malformed("not UTF-8"))?;
        let (event, _) = verify(WORD, envelope, |event: &Event| event.node.clone())?;
        if event.node != self.key || event.caller != self.remote.caller() || event.watch != self.watch {
            return Err(Refusal::Unexpected("of another watch"));
        }
        Ok(event.count)
    }

    /// Asks the node to tell, for a time.
    async fn ask(&self) -> Result<u64, ToolError> {
        let time = self.authority.limits().operation_time;
        let answer = self.remote.call_within(&self.authority, &self.node, WATCH, &self.input, time).await?;
        let counted: Counted = serde_json::from_str(answer.output().data.get()).map_err(|error| {
            let message = format!("the node's answer is not understood: {error}");
            ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message)
        })?;
        Ok(counted.count)
    }
}
