//! Asking a node: one request, as often as it is sent, and what comes to its inbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use pod_tools_host::{ErrorKind, Reason, ToolError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{Assembly, Piece};
use crate::body::{self, Read};
use crate::connection::{Connection, now};
use crate::identity::Identity;
use crate::name::NodeName;
use crate::node::{BUSY, DELIVERED, ENVELOPE, FROM, GIVEN_UP, GRACE, HEADERS, PIECE, WINDOW};
use crate::refusal::Refusal;
use crate::request::{self, Request};
use crate::subject;

/// When a request is sent again for the first time; then after twice as long, and so on.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const LAST_REPEAT: Duration = Duration::from_secs(4);
/// A node that was there a moment ago is asked again so much later.
const PAUSE: Duration = Duration::from_millis(100);
/// An answer that is none is followed by a good one within this time, or not at all.
const AFTER_A_BAD_ONE: Duration = Duration::from_secs(2);
/// What is kept of why there was no answer, in characters.
const MOST_TROUBLE: usize = 200;

/// The longest envelope and what stands around it, in a message.
const AROUND: usize = 2048 + HEADERS;
/// How long the word of a delivery may take.
pub(crate) const DELIVERY: Duration = Duration::from_secs(5);
/// Answers that have more bytes are not left to be forgotten by the node.
pub(crate) const WORTH_A_WORD: usize = 4096;
/// How often a request is made for another run of the node, none of which it was made for.
const RUNS: usize = 3;
/// Tools that change nothing that matters: where a node does not know whether it has done it, it is asked to do it again.
const REPEATABLE: [&str; 9] =
    ["ListPods", "ReadPodOutput", "WaitForPods", DELIVERED, GIVEN_UP, "watch", "follow", "log", "transcript"];

/// The nodes that a caller knows, each by its public key.
pub type Nodes = BTreeMap<NodeName, String>;

/// Who asks nodes.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) connection: Connection,
    pub(crate) identity: Identity,
    pub(crate) nodes: Nodes,
    /// The run of each node that has answered last.
    pub(crate) instances: Mutex<BTreeMap<NodeName, String>>,
    /// The words to nodes that requests were given up.
    pub(crate) telling: Mutex<JoinSet<()>>,
}

/// What is asked of a node.
pub(crate) struct Asked<'a> {
    pub(crate) tool: &'a str,
    pub(crate) input: &'a str,
    pub(crate) reader: Option<String>,
    pub(crate) peek: bool,
    /// How long it may take there.
    pub(crate) time: Duration,
    /// The most bytes that its answer may have.
    pub(crate) most: usize,
}

/// What a request came to.
pub(crate) struct Answered {
    pub(crate) read: Read,
    pub(crate) bytes: usize,
    pub(crate) nonce: String,
}

impl Asker {
    /// Asks until there is an answer of a run of the node that knows what it has done.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        node: &NodeName,
        asked: &Asked<'_>,
    ) -> Result<Answered, ToolError> {
        let Asked { tool, input, .. } = *asked;
        let Some(key) = self.nodes.get(node) else {
            let message =
                format!("there is no node `{node}` among those that are known here; add it with its key");
            return Err(ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, message));
        };
        if !subject::is_token(tool) {
            let message = format!("there is no tool named `{}`", tool.escape_debug());
            return Err(ToolError::new(ErrorKind::UnknownTool, None, message));
        }
        let most_input = self.connection.client.max_payload().saturating_sub(AROUND);
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
            let instance = self.instance(node);
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
            self.keep_instance(node, instance);
            // It was for a run that is over. What was sent but once was not done by it, if it is this one that refuses.
            if sent_before && !REPEATABLE.contains(&tool) {
                return Err(body::error_of(&Refusal::Restarted));
            }
        }
        Err(body::error_of(&Refusal::Restarted))
    }

    /// Tells a node that nobody waits for a request any more.
    async fn give_up(self: &Arc<Self>, node: &NodeName, nonce: &str) {
        let (tool, input, time, most) = (GIVEN_UP, nonce, DELIVERY, WORTH_A_WORD);
        let told = self.ask(node, &Asked { tool, input, reader: None, peek: false, time, most }).await;
        if let Err(error) = told {
            tracing::debug!("node `{node}` could not be told that a request was given up: {}", error.message);
        }
    }

    fn instance(&self, node: &NodeName) -> String {
        let instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.get(node).cloned().unwrap_or_default()
    }

    fn keep_instance(&self, node: &NodeName, instance: &str) {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.insert(node.clone(), instance.chars().take(64).collect());
    }
}

/// One request, as often as it is sent.
struct Asking<'a> {
    asker: &'a Arc<Asker>,
    node: &'a NodeName,
    subject: String,
    inbox: String,
    replies: Subscriber,
    envelope: String,
    tool: &'a str,
    nonce: String,
    input: bytes::Bytes,
    assembly: Assembly,
    until: Instant,
    /// A node that is not there has been a moment ago, and is waited for.
    is_patient: bool,
    /// Pieces that have come since it was last asked for some.
    unasked: usize,
    /// Why what has come was no answer.
    trouble: Option<String>,
    /// The node may be doing it, for all that is known here.
    is_open: bool,
}

/// Whoever drops it has no use for the answer: what the node still does for it ends.
impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_open && !matches!(self.tool, DELIVERED | GIVEN_UP) {
            let (asker, node, nonce) = (self.asker.clone(), self.node.clone(), self.nonce.clone());
            let mut telling = self.asker.telling.lock().unwrap_or_else(PoisonError::into_inner);
            while telling.try_join_next().is_some() {}
            telling.spawn_on(async move { asker.give_up(&node, &nonce).await }, &runtime);
        }
    }
}

impl<'a> Asking<'a> {
    async fn begin(
        asker: &'a Arc<Asker>,
        (node, key, instance): (&'a NodeName, &str, &str),
        asked: &Asked<'a>,
        until: Instant,
    ) -> Result<Self, ToolError> {
        let Asked { tool, input, time, most, .. } = *asked;
        let nonce = request::nonce();
        let nonce = nonce.ok_or_else(|| failed(None, "the system has no randomness to give".to_owned()))?;
        let left = u64::try_from(until.saturating_duration_since(Instant::now()).as_millis());
        let request = Request {
            caller: String::new(),
            node: node.to_string(),
            instance: instance.to_owned(),
            tool: tool.to_owned(),
            reader: asked.reader.clone(),
            peek: asked.peek,
            input_sha256: String::new(),
            deadline: now().saturating_add(left.unwrap_or(u64::MAX)),
            time: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            nonce: nonce.clone(),
        };
        let sealed = request.seal(input.as_bytes(), asker.identity.key());
        let (envelope, digest) = sealed.map_err(|refusal| body::error_of(&refusal))?;
        let client = &asker.connection.client;
        let inbox = client.new_inbox();
        let replies = client.subscribe(inbox.clone()).await;
        let replies = replies.map_err(|error| failed(None, format!("NATS: {error}")))?;
        Ok(Self {
            asker,
            node,
            tool,
            subject: subject::of_call(node, &asker.identity.public_key(), tool),
            inbox,
            replies,
            envelope,
            nonce,
            input: bytes::Bytes::copy_from_slice(input.as_bytes()),
            assembly: Assembly::new(key, &digest, most),
            until,
            is_patient: tool == DELIVERED,
            unasked: 0,
            trouble: None,
            is_open: false,
        })
    }

    /// The whole answer. Says whether the node may have been asked before the last time.
    async fn answer(&mut self, sent_before: &mut bool) -> Result<Vec<u8>, ToolError> {
        let (mut repeat, mut sent) = (FIRST_REPEAT, false);
        let mut made = self.asker.connection.made();
        loop {
            *sent_before |= sent;
            self.is_open = true;
            self.send().await?;
            sent = true;
            let again = self.until.min(Instant::now() + repeat);
            repeat = LAST_REPEAT.min(repeat * 2);
            made.mark_unchanged();
            // Until it is to be sent again.
            loop {
                let reply = tokio::select! {
                    reply = self.replies.next() => reply,
                    // What was on its way when the connection broke may be lost.
                    Ok(()) = made.changed() => break,
                    () = tokio::time::sleep_until(again) => break,
                };
                let Some(reply) = reply else {
                    return Err(failed(Some(Reason::Closed), "NATS: the connection was closed".to_owned()));
                };
                if reply.status == Some(StatusCode::NO_RESPONDERS) {
                    if !*sent_before && !self.is_patient {
                        self.is_open = false;
                        return Err(self.unreachable());
                    }
                    sleep(PAUSE).await;
                    break;
                }
                match self.take(&reply) {
                    Ok(Took::Whole(answer)) => return Ok(answer),
                    Ok(Took::Part) if self.unasked == WINDOW => {
                        repeat = FIRST_REPEAT;
                        break;
                    }
                    Ok(Took::Part) => {}
                    Ok(Took::Busy) => {
                        sleep(PAUSE).await;
                        break;
                    }
                    Err(refusal) => {
                        tracing::warn!("node `{}`: {refusal}", self.node);
                        self.trouble = Some(refusal.to_string());
                        self.until = self.until.min(Instant::now() + AFTER_A_BAD_ONE);
                    }
                }
                if Instant::now() >= self.until {
                    break;
                }
            }
            if Instant::now() >= self.until {
                return Err(self.time_is_up());
            }
        }
    }

    /// Asks for what is not there yet.
    async fn send(&mut self) -> Result<(), ToolError> {
        let mut headers = HeaderMap::new();
        headers.insert(ENVELOPE, self.envelope.as_str());
        if !self.assembly.is_empty() {
            headers.insert(FROM, self.assembly.len().to_string());
        }
        self.unasked = 0;
        let client = &self.asker.connection.client;
        let (subject, inbox, input) = (self.subject.clone(), self.inbox.clone(), self.input.clone());
        let sent = client.publish_with_reply_and_headers(subject, inbox, headers, input);
        // Where the connection is broken, and much waits for it, this waits too.
        let sent = timeout(self.until.saturating_duration_since(Instant::now()), sent).await;
        let Ok(sent) = sent else { return Err(self.time_is_up()) };
        sent.map_err(|error| failed(None, format!("node `{}` was not asked: NATS: {error}", self.node)))
    }

    /// What has come says that a message was refused as it came. Whoever carries messages can bring that about with an
    /// altered copy, and the request itself may have been done: it is no answer.
    async fn pass_over(&mut self, read: &Read) {
        let said: String = read.failure().unwrap_or_default().chars().take(MOST_TROUBLE).collect();
        tracing::warn!("node `{}`: {}", self.node, said.escape_debug());
        self.trouble = Some(said.escape_debug().to_string());
        self.until = self.until.min(Instant::now() + AFTER_A_BAD_ONE);
        self.assembly.begin_again();
        sleep(PAUSE).await;
    }

    /// Takes what came to the inbox.
    fn take(&mut self, reply: &Message) -> Result<Took, Refusal> {
        let header = |name: &str| reply.headers.as_ref().and_then(|headers| headers.get(name));
        if let Some(busy) = header(BUSY) {
            let said: String = busy.as_str().chars().take(MOST_TROUBLE).collect();
            self.trouble = Some(said.escape_debug().to_string());
            return Ok(Took::Busy);
        }
        let head = header(PIECE).ok_or(Refusal::Malformed("it has no head"))?.as_str().to_owned();
        let before = self.assembly.len();
        let taken = self.assembly.take(&Piece { head, bytes: reply.payload.to_vec() })?;
        self.unasked += usize::from(self.assembly.len() > before);
        Ok(taken.map_or(Took::Part, Took::Whole))
    }

    fn unreachable(&self) -> ToolError {
        let message = format!("node `{}` is not there: nobody at the server answers for it", self.node);
        failed(Some(Reason::Unreachable), message)
    }

    fn time_is_up(&self) -> ToolError {
        let trouble = self.trouble.as_ref().map_or(String::new(), |trouble| format!(": {trouble}"));
        let said = self.asker.connection.said();
        let message = format!(
            "node `{}` has not answered in time, and it is not known whether this was done{trouble}{said}",
            self.node
        );
        ToolError::new(ErrorKind::Timeout, None, message)
    }
}

/// What came to the inbox.
enum Took {
    /// A part of the answer, or one that was there.
    Part,
    /// The last of it.
    Whole(Vec<u8>),
    /// The node has no place for the request now.
    Busy,
}

fn failed(reason: Option<Reason>, message: String) -> ToolError {
    ToolError::new(ErrorKind::ExecutionFailed, reason, message)
}
