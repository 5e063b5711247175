//! The connection to a server of NATS: how it is made, and what the server has said of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Client, Event};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::identity::Identity;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);
/// The longest pause between attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most of what a server says that is kept.
const MOST_SAID: usize = 300;

/// A connection. It is made again when it breaks, for as long as this exists. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) client: Client,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// How often it was made.
    made: watch::Sender<u64>,
    /// The last error of the server's: a permission that is missing, above all.
    said: Mutex<Option<String>>,
}

/// A server that cannot be connected to.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to NATS at {url}: {why}")]
pub struct ConnectionError {
    url: String,
    why: String,
}

impl Connection {
    /// Connects to the server at `url` (`nats://host:4222`, `tls://…`, several with commas between).
    ///
    /// # Errors
    ///
    /// Fails where there is no server, or it does not know the key.
    pub async fn open(url: &str, identity: &Identity) -> Result<Self, ConnectionError> {
        let failed = |why: String| ConnectionError { url: without_password(url), why };
        let state = Arc::new(State { made: watch::Sender::new(0), said: Mutex::default() });
        let listener = state.clone();
        let options = identity.options().map_err(|error| failed(error.to_string()))?;
        let options = options
            .name("pod-tools")
            // Nobody else may listen to what is answered.
            .custom_inbox_prefix(format!("_INBOX.{}", identity.public_key()))
            .connection_timeout(CONNECTING)
            .reconnect_delay_callback(|attempts| {
                LONGEST_PAUSE.min(Duration::from_millis(20 << attempts.min(6)))
            })
            .event_callback(move |event| {
                listener.note(&event);
                std::future::ready(())
            });
        let addresses: Vec<&str> = url.split(',').map(str::trim).collect();
        let client = options.connect(addresses).await.map_err(|error| {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                why = format!("{why}: {cause}");
                source = cause.source();
            }
            failed(why)
        })?;
        // That the connection was made is told by another task: what is told later is that it was made again.
        let mut made = state.made.subscribe();
        let _ = timeout(CONNECTING, made.wait_for(|made| *made > 0)).await;
        Ok(Self { client, state })
    }

    /// What the server last found wrong, as `; the server says: …`; empty if nothing.
    pub(crate) fn said(&self) -> String {
        let said = self.state.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().map_or(String::new(), |said| format!("; the server says: {}", said.escape_debug()))
    }

    /// Changes each time the connection is made again.
    pub(crate) fn made(&self) -> watch::Receiver<u64> {
        self.state.made.subscribe()
    }

    /// Sends what is on its way, and listens no more.
    pub async fn close(&self) {
        let _ = timeout(CONNECTING, self.client.drain()).await;
    }
}

impl State {
    fn note(&self, event: &Event) {
        match event {
            Event::Connected => self.made.send_modify(|made| *made += 1),
            Event::ServerError(error) => {
                let said: String = error.to_string().chars().take(MOST_SAID).collect();
                tracing::warn!("NATS: {}", said.escape_debug());
                *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            }
            Event::Disconnected => tracing::info!("NATS: disconnected"),
            Event::SlowConsumer(_) => tracing::warn!("NATS: more comes than can be taken; some is lost"),
            other => tracing::debug!("NATS: {other}"),
        }
    }
}

/// A URL may have a password in it, which is nobody's to see.
fn without_password(url: &str) -> String {
    let one = |address: &str| match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        _ => address.to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// Milliseconds since 1970, by this machine's clock.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
