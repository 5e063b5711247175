//! A caller: the plugin's tools on other machines, beside [`PodTools`](pod_tools_host::PodTools) with the same calls.
//!
//! A request is sent again until its answer has come, or its time is up: with the nonce of the first, so that the node does
//! once what it is asked several times. Whoever answers is believed for its signature alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pod_tools_host::{Answer, Authority, ErrorKind, Reason, Staged, ToolError};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::body::{self, Read};
use crate::connection::Connection;
use crate::identity::Identity;
use crate::name::NodeName;
use crate::node::{DELIVERED, GIVEN_UP, GRACE, HEADERS};
use crate::refusal::Refusal;
use crate::subject;

mod asking;

use asking::Asking;

/// The longest envelope and what stands around it, in a message.
const AROUND: usize = 2048 + HEADERS;
/// How long the word of a delivery may take.
const DELIVERY: Duration = Duration::from_secs(5);
/// How long it is waited for the words that give requests up.
const SETTLING: Duration = Duration::from_secs(2);
/// Answers that have more bytes are not left to be forgotten by the node.
const WORTH_A_WORD: usize = 4096;
/// How often a request is made for another run of the node, none of which it was made for.
const RUNS: usize = 3;
/// Tools that change nothing that matters: where a node does not know whether it has done it, it is asked to do it again.
const REPEATABLE: [&str; 9] =
    ["ListPods", "ReadPodOutput", "WaitForPods", DELIVERED, GIVEN_UP, "watch", "follow", "log", "transcript"];

/// The nodes that a caller knows, each by its public key.
pub type Nodes = BTreeMap<NodeName, String>;

/// Calls tools on nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Connection,
    identity: Identity,
    nodes: Nodes,
    /// The run of each node that has answered last.
    instances: Mutex<BTreeMap<NodeName, String>>,
    /// The words to nodes that requests were given up.
    telling: Mutex<JoinSet<()>>,
}

/// What is asked of a node.
struct Asked<'a> {
    tool: &'a str,
    input: &'a str,
    reader: Option<String>,
    peek: bool,
    /// How long it may take there.
    time: Duration,
    /// The most bytes that its answer may have.
    most: usize,
}

/// What a request came to.
struct Answered {
    read: Read,
    bytes: usize,
    nonce: String,
}

impl Remote {
    /// Calls `nodes` through that connection.
    pub fn new(connection: Connection, identity: Identity, nodes: Nodes) -> Self {
        Self(Arc::new(Shared {
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
        let answered = self.ask(node, &asked).await?;
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

    /// Tells a node that nobody waits for a request any more.
    async fn give_up(&self, node: &NodeName, nonce: &str) {
        let (tool, input, time, most) = (GIVEN_UP, nonce, DELIVERY, WORTH_A_WORD);
        let told = self.ask(node, &Asked { tool, input, reader: None, peek: false, time, most }).await;
        if let Err(error) = told {
            tracing::debug!("node `{node}` could not be told that a request was given up: {}", error.message);
        }
    }

    /// Tells a node that its answer was delivered.
    async fn delivered(&self, node: &NodeName, nonce: &str) -> Result<(), ToolError> {
        let (tool, input, time, most) = (DELIVERED, nonce, DELIVERY, WORTH_A_WORD);
        let told = self.ask(node, &Asked { tool, input, reader: None, peek: false, time, most }).await;
        told.and_then(|answered| answered.read.delivery()).map_err(|error| {
            let message =
                format!("node `{node}` could not be told that its text was delivered: {}", error.message);
            ToolError::new(error.kind, error.reason, message)
        })
    }

    /// Asks until there is an answer of a run of the node that knows what it has done.
    async fn ask(&self, node: &NodeName, asked: &Asked<'_>) -> Result<Answered, ToolError> {
        let Asked { tool, input, .. } = *asked;
        let Some(key) = self.0.nodes.get(node) else {
            let message =
                format!("there is no node `{node}` among those that are known here; add it with its key");
            return Err(ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, message));
        };
        if !subject::is_token(tool) {
            let message = format!("there is no tool named `{}`", tool.escape_debug());
            return Err(ToolError::new(ErrorKind::UnknownTool, None, message));
        }
        let most_input = self.0.connection.client.max_payload().saturating_sub(AROUND);
        if input.len() > most_input {
            let message = format!(
                "the input has {} bytes, and the server's `max_payload` leaves {most_input}; send less at once",
                input.len()
            );
            return Err(ToolError::new(ErrorKind::Limit, None, message));
        }
        let until = Instant::now() + asked.time + GRACE.min(asked.time / 2);
        let mut sent_before = false;
        for _ in 0..RUNS {
            let instance = self.0.instance(node);
            let mut asking = Asking::begin(self, (node, key, &instance), asked, until).await?;
            let (read, bytes) = loop {
                let answer = asking.answer(&mut sent_before).await?;
                let read = Read::parse(&answer)?;
                if !read.of_the_way {
                    asking.is_open = false;
                    break (read, answer.len());
                }
                asking.pass_over(&read).await;
            };
            let Some(instance) = &read.instance else {
                return Ok(Answered { read, bytes, nonce: asking.nonce.clone() });
            };
            self.0.keep_instance(node, instance);
            // It was for a run that is over. What was sent but once was not done by it, if it is this one that refuses.
            if sent_before && !REPEATABLE.contains(&tool) {
                return Err(body::error_of(&Refusal::Restarted));
            }
        }
        Err(body::error_of(&Refusal::Restarted))
    }
}

impl Shared {
    fn instance(&self, node: &NodeName) -> String {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.get(node).cloned().unwrap_or_default()
    }

    fn keep_instance(&self, node: &NodeName, instance: &str) {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.insert(node.clone(), instance.chars().take(64).collect());
    }
}
