//! One request, as often as it is sent, and what comes to its inbox.

use std::sync::PoisonError;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use pod_tools_host::{ErrorKind, Reason, ToolError};
use tokio::time::{Instant, sleep, timeout};

use super::{Asked, Remote};
use crate::answer::{Assembly, Piece};
use crate::body::{self, Read};
use crate::connection::now;
use crate::name::NodeName;
use crate::node::{BUSY, DELIVERED, ENVELOPE, FROM, GIVEN_UP, PIECE, WINDOW};
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

/// One request, as often as it is sent.
pub(super) struct Asking<'a> {
    remote: &'a Remote,
    node: &'a NodeName,
    subject: String,
    inbox: String,
    replies: Subscriber,
    envelope: String,
    tool: &'a str,
    pub(super) nonce: String,
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
    pub(super) is_open: bool,
}

/// Whoever drops it has no use for the answer: what the node still does for it ends.
impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_open && !matches!(self.tool, DELIVERED | GIVEN_UP) {
            let (remote, node, nonce) = (self.remote.clone(), self.node.clone(), self.nonce.clone());
            let mut telling = self.remote.0.telling.lock().unwrap_or_else(PoisonError::into_inner);
            while telling.try_join_next().is_some() {}
            telling.spawn_on(async move { remote.give_up(&node, &nonce).await }, &runtime);
        }
    }
}

impl<'a> Asking<'a> {
    pub(super) async fn begin(
        remote: &'a Remote,
        (node, key, instance): (&'a NodeName, &str, &str),
        asked: &Asked<'a>,
        until: Instant,
    ) -> Result<Self, ToolError> {
        let Asked { tool, input, time, most, .. } = *asked;
        let shared = &*remote.0;
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
        let sealed = request.seal(input.as_bytes(), shared.identity.key());
        let (envelope, digest) = sealed.map_err(|refusal| body::error_of(&refusal))?;
        let client = &shared.connection.client;
        let inbox = client.new_inbox();
        let replies = client.subscribe(inbox.clone()).await;
        let replies = replies.map_err(|error| failed(None, format!("NATS: {error}")))?;
        Ok(Self {
            remote,
            node,
            tool,
            subject: subject::of_call(node, &shared.identity.public_key(), tool),
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
    pub(super) async fn answer(&mut self, sent_before: &mut bool) -> Result<Vec<u8>, ToolError> {
        let (mut repeat, mut sent) = (FIRST_REPEAT, false);
        let mut made = self.remote.0.connection.made();
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
        let client = &self.remote.0.connection.client;
        let (subject, inbox, input) = (self.subject.clone(), self.inbox.clone(), self.input.clone());
        let sent = client.publish_with_reply_and_headers(subject, inbox, headers, input);
        // Where the connection is broken, and much waits for it, this waits too.
        let sent = timeout(self.until.saturating_duration_since(Instant::now()), sent).await;
        let Ok(sent) = sent else { return Err(self.time_is_up()) };
        sent.map_err(|error| failed(None, format!("node `{}` was not asked: NATS: {error}", self.node)))
    }

    /// What has come says that a message was refused as it came. Whoever carries messages can bring that about with an
    /// altered copy, and the request itself may have been done: it is no answer.
    pub(super) async fn pass_over(&mut self, read: &Read) {
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
        let said = self.remote.0.connection.said();
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
