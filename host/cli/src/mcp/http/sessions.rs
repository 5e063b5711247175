//! The sessions of HTTP clients: so many at once, and none for ever.

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_core::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};

use super::streams::{Behind, News, NewsStream};
use crate::mcp::delivery::Outbox;

/// Sessions at once.
const MAX_SESSIONS: usize = 64;
/// A session that was not used for so long ends. One with an open stream is in use.
const IDLE: Duration = Duration::from_secs(600);
/// One that has been idle for so long makes room for a new one, where there are too many.
pub const MAY_GO: Duration = Duration::from_secs(10);
/// Notifications that wait for a client to read; the oldest make room.
const CHANNEL: usize = 16;

tokio::task_local! {
    /// Whether a request was refused because there are too many sessions: rmcp answers that like any failure.
    static TOO_MANY: Cell<bool>;
}

/// Handles a request, and tells whether it was refused because there are too many sessions.
pub async fn refused_as_too_many<T>(handled: impl Future<Output = T>) -> (T, bool) {
    let handled = async { (handled.await, TOO_MANY.with(Cell::get)) };
    TOO_MANY.scope(Cell::new(false), handled).await
}

/// rmcp's sessions, bounded.
#[derive(Debug)]
pub struct Sessions {
    inner: LocalSessionManager,
    table: Table,
}

/// Who uses which session.
#[derive(Debug, Clone, Default)]
pub struct Table(Arc<Mutex<HashMap<SessionId, Entry>>>);

#[derive(Debug)]
struct Entry {
    outbox: Outbox,
    news: Arc<News>,
    uses: usize,
    last_used: Instant,
}

/// A session is in use while this lives.
#[derive(Debug)]
pub struct Use {
    table: Table,
    id: SessionId,
    pub outbox: Outbox,
}

#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    #[error("the server has {MAX_SESSIONS} sessions in use already, which is its limit; try again later")]
    TooMany,
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl Table {
    /// Uses a session, if there is one.
    pub fn enter(&self, id: &str) -> Option<Use> {
        let mut table = self.lock();
        let (id, _) = table.get_key_value(id)?;
        let id = id.clone();
        let entry = table.get_mut(&id)?;
        entry.uses += 1;
        Some(Use { table: self.clone(), id, outbox: entry.outbox.clone() })
    }

    fn news(&self, id: &SessionId) -> Result<Arc<News>, SessionsError> {
        let table = self.lock();
        let entry = table.get(id).ok_or_else(|| LocalSessionManagerError::SessionNotFound(id.clone()))?;
        Ok(entry.news.clone())
    }

    fn idle(&self, at_least: Duration) -> Vec<SessionId> {
        let table = self.lock();
        let mut idle: Vec<_> = table
            .iter()
            .filter(|(_, entry)| entry.uses == 0 && entry.last_used.elapsed() >= at_least)
            .map(|(id, entry)| (entry.last_used, id.clone()))
            .collect();
        idle.sort_unstable();
        idle.into_iter().map(|(_, id)| id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if let Some(entry) = self.table.lock().get_mut(&self.id) {
            entry.uses -= 1;
            entry.last_used = Instant::now();
        }
    }
}

impl Sessions {
    pub fn new() -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.channel_capacity = CHANNEL;
        // Idle sessions are ended here, where it is known which are in use.
        inner.session_config.keep_alive = None;
        // A call ends with its connection, so there is nothing to come back to.
        inner.session_config.sse_retry = None;
        Self { inner, table: Table::default() }
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Ends unused sessions, now and then. Never returns.
    pub async fn end_idle(&self) {
        let mut ticks = tokio::time::interval(IDLE / 10);
        loop {
            ticks.tick().await;
            for id in self.table.idle(IDLE) {
                self.end(&id).await;
            }
        }
    }

    async fn end(&self, id: &SessionId) {
        if let Err(error) = self.close_session(id).await {
            tracing::debug!("the session was gone already: {error}");
        }
    }

    async fn open_news(
        &self,
        id: &SessionId,
        last_event_id: Option<&str>,
    ) -> Result<NewsStream, SessionsError> {
        let news = self.table.news(id)?;
        Ok(news.open(last_event_id, self.inner.create_standalone_stream(id)).await?)
    }

    async fn make_room(&self) -> Result<(), SessionsError> {
        if self.table.lock().len() < MAX_SESSIONS {
            return Ok(());
        }
        let Some(oldest) = self.table.idle(MAY_GO).into_iter().next() else {
            // Outside of a request there is nobody to tell.
            let _ = TOO_MANY.try_with(|too_many| too_many.set(true));
            return Err(SessionsError::TooMany);
        };
        self.end(&oldest).await;
        Ok(())
    }
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.make_room().await?;
        let (id, transport) = self.inner.create_session().await?;
        let entry =
            Entry { outbox: Outbox::default(), news: Arc::default(), uses: 0, last_used: Instant::now() };
        self.table.lock().insert(id.clone(), entry);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.table.lock().remove(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.open_news(id, None).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>> =
            if last_event_id.contains('/') {
                // rmcp gives the event that is named once more.
                let events = self.inner.resume(id, last_event_id.clone()).await?;
                Box::pin(Behind::new(events, &last_event_id))
            } else {
                Box::pin(self.open_news(id, Some(&last_event_id)).await?)
            };
        Ok(stream)
    }
}
