//! The stream on which a session's client hears what it did not ask for, opened and opened again.
//!
//! rmcp keeps the newest events of a session and gives all of them to whoever opens its stream anew. Here it is
//! known which have been given already: a new stream begins behind those, and one that is resumed behind the
//! event that it names. Where a client has several streams open, the newest gets what comes; an older one may
//! belong to a connection that is gone, which nobody has noticed yet.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;

/// rmcp's stream of a session.
type Events = Pin<Box<dyn Stream<Item = ServerSseMessage> + Send>>;

/// What one session's client hears.
#[derive(Debug, Default)]
pub struct News {
    /// Streams are opened one after the other.
    opening: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Only while a stream is open: what nobody takes is kept by rmcp.
    events: Option<Events>,
    /// Events up to this one are not given again.
    behind: Option<u64>,
    /// The newest event that has been given.
    given: Option<u64>,
    /// The streams that are open, oldest first, and who waits on each.
    open: Vec<(u64, Option<Waker>)>,
    opened: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("given", &self.given)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

/// One stream of a client's.
#[derive(Debug)]
pub struct NewsStream {
    state: Arc<Mutex<State>>,
    number: u64,
}

impl News {
    /// Opens a stream: behind the event of that id, or behind what has been given if this is no event of the
    /// session. `events` opens rmcp's.
    pub async fn open<E, S>(
        &self,
        last_event_id: Option<&str>,
        events: impl Future<Output = Result<S, E>>,
    ) -> Result<NewsStream, E>
    where
        S: Stream<Item = ServerSseMessage> + Send + 'static,
    {
        let _opening = self.opening.lock().await;
        // rmcp gives its events to one stream, the first that is not closed.
        let closed = lock(&self.state).events.take();
        drop(closed);
        let events = events.await?;
        let mut state = lock(&self.state);
        let last = last_event_id.and_then(|id| id.parse().ok()).filter(|id| Some(*id) <= state.given);
        state.behind = last.or(state.given);
        state.events = Some(Box::pin(events));
        state.opened += 1;
        let number = state.opened;
        state.open.push((number, None));
        Ok(NewsStream { state: self.state.clone(), number })
    }
}

impl Stream for NewsStream {
    type Item = ServerSseMessage;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let state = &mut *lock(&self.state);
        let newest = state.open.last().is_some_and(|(newest, _)| *newest == self.number);
        // It may become the one that hears what comes at any time.
        if let Some((_, waker)) = state.open.iter_mut().find(|(number, _)| *number == self.number) {
            *waker = Some(context.waker().clone());
        }
        let Some(events) = state.events.as_mut().filter(|_| newest) else { return Poll::Pending };
        loop {
            let Some(event) = std::task::ready!(events.as_mut().poll_next(context)) else {
                return Poll::Ready(None);
            };
            let number = event.event_id.as_deref().and_then(|id| id.parse().ok());
            if number.is_some() && number <= state.behind {
                continue;
            }
            state.given = state.given.max(number);
            return Poll::Ready(Some(event));
        }
    }
}

impl Drop for NewsStream {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.open.retain(|(number, _)| *number != self.number);
        match state.open.last_mut() {
            None => state.events = None,
            Some((_, waker)) => waker.take().into_iter().for_each(Waker::wake),
        }
    }
}

/// The events of an answer's stream behind the one of that id, `INDEX/REQUEST`.
pub struct Behind<S> {
    events: Pin<Box<S>>,
    index: Option<u64>,
}

impl<S> Behind<S> {
    pub fn new(events: S, last_event_id: &str) -> Self {
        Self { events: Box::pin(events), index: index(last_event_id) }
    }
}

impl<S: Stream<Item = ServerSseMessage>> Stream for Behind<S> {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        loop {
            let event = std::task::ready!(self.events.as_mut().poll_next(context));
            let given = event.as_ref().and_then(|event| event.event_id.as_deref()).and_then(index);
            if given.is_none() || given > self.index {
                return Poll::Ready(event);
            }
        }
    }
}

fn index(event_id: &str) -> Option<u64> {
    event_id.split('/').next()?.parse().ok()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
