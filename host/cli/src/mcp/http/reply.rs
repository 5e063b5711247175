//! The body of a response, as hyper takes it: it ends only when its text is out and the answer in it counts
//! as delivered; dropped before, it tells the call that its client has gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::{Answering, Connection};
use super::sessions::Use;
use crate::mcp::delivery::{Delivery, HandOver};

/// How a JSON-RPC answer begins; notifications have no `id`. It stands at the beginning of its event.
const ANSWER: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
const BEGINNING: usize = 256;

/// A response's body.
pub struct Reply {
    body: BoxBody<Bytes, Infallible>,
    guard: Abandon,
    connection: Connection,
    state: State,
    /// The answer has been given, and counts as delivered when this is done.
    delivered: Option<JoinHandle<()>>,
    /// The session and the connection are in use until the response has ended.
    _session: Option<Use>,
    _answering: Answering,
}

enum State {
    Giving,
    /// All is given; the answer has to be out and stored.
    Ending,
    Ended,
}

/// Dropped before its time, it tells the call that its client has gone.
pub struct Abandon(Option<Delivery>);

impl Abandon {
    pub fn unless_ended(delivery: Delivery) -> Self {
        Self(Some(delivery))
    }

    fn end(&mut self) {
        self.0 = None;
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(delivery) = &self.0 {
            delivery.abandon();
        }
    }
}

impl Reply {
    pub fn new(
        body: BoxBody<Bytes, Infallible>,
        guard: Abandon,
        connection: Connection,
        session: Option<Use>,
        answering: Answering,
    ) -> Self {
        Self {
            body,
            guard,
            connection,
            state: State::Giving,
            delivered: None,
            _session: session,
            _answering: answering,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            match this.state {
                State::Giving => match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        if frame.data_ref().is_some_and(is_answer)
                            && let Some(hand_over) = this.guard.0.as_ref().and_then(Delivery::hand_over)
                        {
                            // A client may close the connection as soon as it has the answer, so this does
                            // not depend on the life of the body.
                            let delivery = deliver(hand_over, this.connection.flushes());
                            this.delivered = Some(tokio::spawn(delivery));
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    None => {
                        this.guard.end();
                        this.state = State::Ending;
                    }
                },
                State::Ending => {
                    if let Some(delivered) = &mut this.delivered {
                        // It neither panics nor is it aborted.
                        let _ = ready!(Pin::new(delivered).poll(context));
                    }
                    this.state = State::Ended;
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// Counts the answer as delivered once it is with the system; not at all if the connection ends before that.
async fn deliver(hand_over: HandOver, mut flushes: watch::Receiver<u64>) {
    if flushes.changed().await.is_ok() {
        hand_over.delivered().await;
    }
}

fn is_answer(data: &Bytes) -> bool {
    memchr::memmem::find(&data[..data.len().min(BEGINNING)], ANSWER).is_some()
}
