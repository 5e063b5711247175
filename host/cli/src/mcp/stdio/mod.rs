//! The protocol over standard input and output: a JSON line each way, in bounded memory.
//!
//! rmcp's own transport of lines forgets which answer is out, says nothing to a line that is not JSON, and
//! takes requests without end from a client that reads no answers. This one reads on only where there is room
//! ([`requests`]), and hands answers over.

mod output;
mod requests;

use std::future::Future;
use std::io;
use std::sync::Arc;

use self::output::{Broken, Output, again};
use self::requests::{Requests, Room};
use super::delivery::{Delivery, Outbox};
use super::frame::{self, Refusal};
use super::ids::IdScanner;
use super::server::McpServer;
use super::session::{Session, is_sessionless, no_such_method};
use crate::input_lines::Input;
use crate::stdin::Lines;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, GetExtensions, GetMeta, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{QuitReason, RoleServer, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::Transport;

/// Serves one client, until it closes our standard input or the server stops.
///
/// # Errors
///
/// Fails where standard input could not be read to its end, and where an answer could not be written: what it gave is
/// given again.
pub async fn serve(server: Arc<McpServer>, max_frame: usize) -> anyhow::Result<()> {
    let broken = Broken::default();
    let served = serve_until_broken(server, max_frame, broken.clone()).await;
    match broken.get() {
        Some(error) => Err(again(error).into()),
        None => served,
    }
}

async fn serve_until_broken(server: Arc<McpServer>, max_frame: usize, broken: Broken) -> anyhow::Result<()> {
    let stopping = server.stopping.clone();
    let transport = Stdio::start(max_frame, broken)?;
    let running = match serve_server_with_ct(Session::new(server), transport, stopping).await {
        Ok(running) => running,
        // A client that leaves before it has said anything has seen what it wanted.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match running.waiting().await? {
        QuitReason::JoinError(error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// The transport.
struct Stdio {
    input: Lines<IdScanner>,
    output: Output,
    broken: Broken,
    /// Answers of the transport's own that wait to be written before anything else is read.
    refused: Option<Refusal>,
    /// What was read and waits for room.
    waiting: Option<(ClientJsonRpcMessage, usize)>,
    requests: Requests,
    /// Nothing but requests is let through before a client has said who it is: rmcp would give up on it.
    introduced: bool,
    max_frame: usize,
    outbox: Outbox,
}

impl Stdio {
    fn start(max_frame: usize, broken: Broken) -> io::Result<Self> {
        Ok(Self {
            // A message does not count the end of its line.
            input: Lines::of_input((max_frame as u64).saturating_add(1))?,
            output: Output::start(broken.clone())?,
            broken,
            refused: None,
            waiting: None,
            requests: Requests::new(max_frame),
            introduced: false,
            max_frame,
            outbox: Outbox::default(),
        })
    }

    /// The next message that concerns rmcp, or what is to be answered in its place. Loses nothing if it is
    /// dropped on the way.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if self.refused.is_some() {
                let place = self.output.place().await?;
                if let Some(refused) = self.refused.take() {
                    // Nobody waits for it to be out.
                    drop(place.write(refused.to_lines()));
                }
            }
            if let Some((_, size)) = &self.waiting {
                let room = self.requests.room(*size).await?;
                let (message, _) = self.waiting.take()?;
                match self.admit(message, room) {
                    Ok(message) => return Some(message),
                    Err(refused) => self.refused = Some(refused),
                }
                continue;
            }
            let input = tokio::select! {
                input = self.input.next() => input?,
                // What cannot be answered is not carried out: a client that reads nothing more has left, whatever
                // it still sends.
                () = self.output.closed() => return None,
            };
            let line = match input {
                Input::Line(line) => line,
                Input::TooLong(scanned) => {
                    self.refused = Some(Refusal::too_long(self.max_frame, scanned));
                    continue;
                }
                Input::Failed(error) => {
                    let error = format!("cannot read standard input: {error}");
                    let _ = self.broken.set(io::Error::other(error));
                    return None;
                }
            };
            match frame::decode(&line) {
                Ok(Some(message)) if matches!(message, ClientJsonRpcMessage::Request(_)) => {
                    self.waiting = Some((message, line.len()));
                }
                Ok(Some(message)) if self.introduced => {
                    self.requests.heed(&message);
                    return Some(message);
                }
                Ok(_) => {}
                Err(refused) => self.refused = Some(refused),
            }
        }
    }

    /// Gives a request its way back.
    fn admit(
        &mut self,
        mut message: ClientJsonRpcMessage,
        room: Room,
    ) -> Result<ClientJsonRpcMessage, Refusal> {
        if let ClientJsonRpcMessage::Request(request) = &mut message {
            // Before it knows the client, rmcp answers it whatever the revision.
            if matches!(request.request, ClientRequest::PingRequest(_))
                && is_sessionless(request.request.get_meta().protocol_version().as_ref())
            {
                return Err(Refusal::of(&request.id, no_such_method("ping")));
            }
            self.introduced |=
                !matches!(request.request, ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_));
            let delivery = Delivery::new(self.outbox.clone());
            if !self.requests.begin(request.id.clone(), delivery.clone(), room) {
                return Err(Refusal::twice(&request.id));
            }
            request.request.extensions_mut().insert(delivery);
        }
        Ok(message)
    }
}

impl Transport<RoleServer> for Stdio {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let output = self.output.clone();
        let request = answered(&message).and_then(|id| self.requests.end(id));
        let text = serde_json::to_string(&message);
        async move {
            let mut text = text?;
            text.push('\n');
            // A client that reads no more has left, which rmcp would log as an error. The transport ends by it,
            // and the answer counts as not delivered.
            let Some(place) = output.place().await else { return Ok(()) };
            let hand_over = request.as_ref().and_then(|request| request.delivery.hand_over());
            let is_out = match place.write(text) {
                None => true,
                Some(written) => matches!(written.await, Ok(Ok(()))),
            };
            if is_out && let Some(hand_over) = hand_over {
                hand_over.delivered().await;
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.next().await
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.requests.abandon();
        Ok(())
    }
}

/// The request that a message answers.
fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        ServerJsonRpcMessage::Response(response) => Some(&response.id),
        ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}
