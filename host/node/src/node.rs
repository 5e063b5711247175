//! A node: answers calls on its machine's pods, as a micro service of NATS.
//!
//! Who may call what is [`Tools`]' to say. Here a request is verified, carried out once whatever repeats of it come, and
//! answered with signed pieces; what it has staged is stored when its caller says that the answer was delivered.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::service::ServiceExt;
use async_nats::{HeaderMap, Message, Subject};
use futures_util::StreamExt;
use pod_tools_host::{Answer, AnswerShare, ToolError};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::answer::piece;
use crate::body;
use crate::claim::Claim;
use crate::connection::{Connection, now};
pub use crate::error::NodeError;
use crate::identity::Identity;
use crate::name::NodeName;
use crate::nonces::Seen;
pub use crate::places::CallerLimits;
use crate::places::{Admitted, Busy, Outcome, Places};
use crate::refusal::Refusal;
use crate::request::{self, Expected, Request, Verified};
use crate::subject;

/// What a caller says when an answer was delivered: a tool that is none of the plugin's. Its input is the nonce of the request.
pub(crate) const DELIVERED: &str = "delivered";
/// What a caller says when it has given up a request: a tool, too. Its input is the nonce of the request.
pub(crate) const GIVEN_UP: &str = "cancel";
/// The header that holds an envelope.
pub(crate) const ENVELOPE: &str = "Pods-Envelope";
/// The header that holds the head of a piece.
pub(crate) const PIECE: &str = "Pods-Piece";
/// The header that says from where on an answer is asked for.
pub(crate) const FROM: &str = "Pods-From";
/// So many pieces are sent unasked.
pub(crate) const WINDOW: usize = 8;
/// Of a message, for the names of its headers and what stands around them.
pub(crate) const HEADERS: usize = 128;
/// The word with which a request is turned away that was not looked at.
pub(crate) const BUSY: &str = "Pods-Busy";

/// By how much a caller waits longer for an answer than its call may take: the way there and back.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// For whom no grants are known, all together.
const NOBODY: &str = "";

/// Calls have so long to end when the node does.
const LAST_CALLS: Duration = Duration::from_secs(3);

/// What a node gives access to.
pub trait Tools: Send + Sync + 'static {
    /// One who may call.
    type Caller: Send + Sync + 'static;

    /// The one with this public key, if anything is granted to him now.
    fn caller(&self, key: &str) -> Option<Arc<Self::Caller>>;

    /// What he may have of the node now.
    fn limits(&self, caller: &Self::Caller) -> CallerLimits;

    /// Carries out a call, whose answer is counted in `share` as it grows.
    fn call(
        &self,
        caller: &Self::Caller,
        request: &Request,
        input: &str,
        share: &AnswerShare,
    ) -> impl Future<Output = Result<Answer, ToolError>> + Send;
}

/// What a node is.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its name.
    pub name: NodeName,
    /// Its version, as of semver.
    pub version: String,
    /// What it says of itself beside that, to whoever asks the service.
    pub metadata: HashMap<String, String>,
    /// What all may have together whom nobody knows.
    pub limits: CallerLimits,
    /// By how much clocks may differ.
    pub skew: Duration,
    /// The longest time that a call may have.
    pub longest: Duration,
}

struct Node<T> {
    options: NodeOptions,
    instance: String,
    connection: Connection,
    identity: Identity,
    places: Places,
    tools: T,
}

/// Serves until `stop` is cancelled, or another node has the name.
///
/// # Errors
///
/// Fails where the name is taken, now or when the connection was made again, and where the server refuses to have the
/// service.
pub async fn serve<T: Tools>(
    connection: Connection,
    identity: Identity,
    options: NodeOptions,
    tools: T,
    ready: impl FnOnce() + Send,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let server = |error: Box<dyn std::error::Error + Send + Sync>| NodeError::Server(error.to_string());
    let client = connection.client.clone();
    // Whoever was there first has the smaller one.
    let instance = format!("{:014}-{}", now(), request::nonce().ok_or(NodeError::NoRandomness)?);
    let key = identity.public_key();
    let claim =
        Claim { name: options.name.clone(), own: format!("{instance} {key}"), client: client.clone() };
    claim.is_free().await?;
    let claims = client.subscribe(subject::of_claim(&options.name)).await;
    let mut claims = claims.map_err(|error| server(error.into()))?;
    let mut metadata = options.metadata.clone();
    metadata.insert("node".to_owned(), options.name.to_string());
    metadata.insert("key".to_owned(), key);
    metadata.insert("instance".to_owned(), instance.clone());
    let builder = client.service_builder().description("pods of this machine").metadata(metadata);
    let service = builder.start("pod-tools", &options.version).await.map_err(server)?;
    let endpoint = service.endpoint_builder().name("pods").add(subject::of_calls(&options.name)).await;
    let mut requests = endpoint.map_err(server)?;
    client.flush().await.map_err(|error| server(error.into()))?;
    let skew = u64::try_from(options.skew.as_millis()).unwrap_or(u64::MAX);
    let places = Places::new(options.longest + GRACE, skew);
    let mut made = connection.made();
    let node = Arc::new(Node { options, instance, connection, identity, places, tools });
    let mut running = JoinSet::new();
    // One that has started at the same moment was not to be seen before.
    let mut claiming = JoinSet::new();
    claiming.spawn(claim.clone().keep());
    ready();
    let done = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            request = requests.next() => match request {
                Some(request) => node.clone().take(request.message, &mut running),
                None => break Err(NodeError::Server("the service has ended".to_owned())),
            },
            Some(_) = running.join_next() => {}
            Some(asked) = claims.next() => {
                if let Some(reply) = asked.reply {
                    let _ = client.publish(reply, claim.own.clone().into()).await;
                }
            }
            Some(Ok(Err(taken))) = claiming.join_next() => break Err(taken),
            // Others may have come while there was no connection.
            Ok(()) = made.changed() => {
                claiming.spawn(claim.clone().keep());
            }
        }
    };
    let _ = timeout(LAST_CALLS, async { while running.join_next().await.is_some() {} }).await;
    let _ = service.stop().await;
    node.connection.close().await;
    done
}

impl<T: Tools> Node<T> {
    /// Looks at a request in a task of its own, if its caller has a place for it.
    fn take(self: Arc<Self>, message: Message, running: &mut JoinSet<()>) {
        let Some((caller, tool)) = subject::parse(&message.subject) else { return };
        let known = self.tools.caller(caller);
        let place = match &known {
            Some(known) => self.places.of(caller, &self.tools.limits(known)),
            None => self.places.of(NOBODY, &self.options.limits),
        };
        match place.admit(message.length, tool == DELIVERED || tool == GIVEN_UP) {
            Ok(admitted) => {
                running.spawn(async move { self.handle(message, known, admitted).await });
            }
            Err(busy) => {
                running.spawn(async move { self.turn_away(message.reply, &busy).await });
            }
        }
    }

    /// A word that costs no signature: it means no more than that nothing was done for this message.
    async fn turn_away(&self, reply: Option<Subject>, busy: &Busy) {
        let Some(reply) = reply else { return };
        let mut headers = HeaderMap::new();
        headers.insert(BUSY, busy.0.as_str());
        let _ = self.connection.client.publish_with_headers(reply, headers, "".into()).await;
    }

    async fn handle(&self, message: Message, known: Option<Arc<T::Caller>>, admitted: Admitted) {
        let Some((caller, tool)) = subject::parse(&message.subject) else { return };
        let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name));
        let Some(envelope) = header(ENVELOPE).map(|value| value.as_str()) else { return };
        let from = header(FROM).and_then(|from| from.as_str().parse().ok()).unwrap_or(0);
        let skew = u64::try_from(self.options.skew.as_millis()).unwrap_or(u64::MAX);
        let longest = self.options.longest + GRACE;
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let expected = Expected {
            node: self.options.name.as_str(),
            instance: &self.instance,
            caller,
            tool,
            known: known.is_some(),
            now: now(),
            skew,
            longest,
        };
        let reply = message.reply.clone();
        let verified = match request::open(envelope, &message.payload, &expected) {
            Ok(verified) => verified,
            Err(refusal) => return self.refuse(reply, envelope, &refusal).await,
        };
        let (Some(known), request) = (known, verified.request()) else { return };
        let Ok(input) = std::str::from_utf8(&message.payload) else {
            return self.refuse(reply, envelope, &Refusal::Malformed("input is not UTF-8")).await;
        };
        let place = &admitted.place;
        if tool == DELIVERED {
            let done = self.delivered(&admitted, input).await;
            let body = body::of_delivery(done.as_ref().err());
            return self.send(reply, &body, 0, verified.digest()).await;
        }
        if tool == GIVEN_UP {
            place.give_up(input, &verified, now());
            return self.send(reply, &body::of_delivery(None), 0, verified.digest()).await;
        }
        let outcome = match place.begin(&verified, now()) {
            Ok((Seen::New, stop)) => {
                let called = self.call(&known, &verified, input, &admitted);
                // Dropped, a call ends here as one does whose caller is in this process.
                match stop.run_until_cancelled(called).await {
                    Some(outcome) => outcome,
                    None => return tracing::info!("{} {}: given up", request.tool, request.nonce),
                }
            }
            Ok((Seen::Done(outcome), _)) => outcome,
            // Its answer goes where it was first asked from.
            Ok((Seen::Running, _)) => return,
            Err(refusal) => return self.refuse(reply, envelope, &refusal).await,
        };
        tracing::debug!("{} {}: {} bytes from {from}", request.tool, request.nonce, outcome.body.len());
        // What was delivered is asked for by nobody who means well.
        if !outcome.delivered {
            self.send(reply, &outcome.body, from, verified.digest()).await;
        }
    }

    async fn call(
        &self,
        known: &T::Caller,
        verified: &Verified,
        input: &str,
        admitted: &Admitted,
    ) -> Outcome {
        let request = verified.request();
        let time = Duration::from_millis(request.time).min(self.options.longest);
        let share = admitted.place.share();
        let called = timeout(time, self.tools.call(known, request, input, &share)).await;
        let called = called.unwrap_or_else(|_| {
            let message = format!("the call took longer than {time:?}, the time that its caller gave it");
            Err(ToolError::new(pod_tools_host::ErrorKind::Timeout, None, message))
        });
        match called {
            Ok(answer) => {
                let (output, staged) = answer.into_parts();
                let staged = (!staged.is_empty()).then_some(staged);
                let body = body::of_call(Ok(&output), staged.is_some());
                admitted.place.keep(&request.nonce, body, staged)
            }
            Err(error) => admitted.place.keep(&request.nonce, body::of_call(Err(&error), false), None),
        }
    }

    /// Stores what the request with that nonce has staged, and keeps its answer no longer. Said twice, it is done once.
    async fn delivered(&self, admitted: &Admitted, nonce: &str) -> Result<(), ToolError> {
        let place = &admitted.place;
        let Some(outcome) = place.nonces(|nonces| nonces.outcome(nonce).cloned()) else {
            return Err(body::error_of(&Refusal::Forgotten));
        };
        let mut staged = outcome.staged.lock().await;
        if let Some(staged) = staged.take() {
            staged.store().await?;
        }
        drop(staged);
        let over = Outcome { staged: outcome.staged.clone(), ..Outcome::over() };
        place.nonces(|nonces| nonces.finish(nonce, over));
        Ok(())
    }

    async fn refuse(&self, reply: Option<Subject>, envelope: &str, refusal: &Refusal) {
        tracing::info!("refused: {refusal}");
        // What is no envelope has no digest, and whoever sent it is none of ours.
        let Some(digest) = request::digest_of(envelope) else { return };
        self.send(reply, &body::of_refusal(refusal, &self.instance), 0, &digest).await;
    }

    /// Sends as many pieces of an answer as go unasked.
    async fn send(&self, reply: Option<Subject>, answer: &[u8], from: usize, digest: &str) {
        let (Some(reply), mut start) = (reply, from) else { return };
        let client = &self.connection.client;
        for _ in 0..WINDOW {
            let limit = client.max_payload().saturating_sub(HEADERS);
            let piece = match piece(answer, start, digest, limit, self.identity.key()) {
                Ok(Some(piece)) => piece,
                Ok(None) => return,
                Err(refusal) => return tracing::error!("an answer cannot be sent: {refusal}"),
            };
            start += piece.bytes.len();
            let mut headers = HeaderMap::new();
            headers.insert(PIECE, piece.head.as_str());
            let sent = client.publish_with_headers(reply.clone(), headers, piece.bytes.into()).await;
            if let Err(error) = sent {
                return tracing::warn!("an answer cannot be sent: {error}");
            }
            if start == answer.len() {
                return;
            }
        }
    }
}
