//! What a server tells a client of its own accord: changed grants, grown conversations, log lines.

#![expect(deprecated, reason = "log messages left the protocol with 2026-07-28; clients of today have them")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pod_tools_host::{Authority, ToolError, Verb};
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, ResourceUpdatedNotificationParam};
use rmcp::service::{Peer, RoleServer, ServiceError, SubscriptionSink};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::client_log::{self, LogLine};
use super::server::McpServer;
use super::transcripts;
use super::watched::Subscription;

/// Subscriptions of one client.
pub const MAX_SUBSCRIPTIONS: usize = 128;

/// The conversations that one client has subscribed to, by the addresses that it used.
#[derive(Debug, Default)]
pub struct Subscriptions(Mutex<HashMap<String, (String, Subscription)>>);

impl Subscriptions {
    /// Subscribes to what has that address; `None`: no conversation has it.
    pub async fn add(&self, server: &McpServer, uri: &str) -> Option<Result<(), ToolError>> {
        let pod = transcripts::pod(uri)?;
        if self.lock().contains_key(uri) {
            return Some(Ok(()));
        }
        if let Err(full) = self.has_room() {
            return Some(Err(full));
        }
        let subscription = match server.subscribe(&pod).await {
            Ok(subscription) => subscription,
            Err(error) => return Some(Err(error)),
        };
        // Others may have come meanwhile.
        let room = self.has_room();
        Some(room.map(|()| {
            self.lock().insert(uri.to_owned(), (pod, subscription));
        }))
    }

    fn has_room(&self) -> Result<(), ToolError> {
        if self.lock().len() < MAX_SUBSCRIPTIONS {
            return Ok(());
        }
        let message = format!("a client has at most {MAX_SUBSCRIPTIONS} subscriptions; end one first");
        Err(ToolError::new(pod_tools_host::ErrorKind::Limit, None, message))
    }

    /// Ends a subscription. There may be none.
    pub fn remove(&self, uri: &str) {
        self.lock().remove(uri);
    }

    /// The addresses of a pod's conversation, or of all (`None`), as far as it may be read now.
    fn told_of(&self, pod: Option<&str>, authority: &Authority) -> Vec<String> {
        let told = |(name, _): &(String, Subscription)| {
            pod.is_none_or(|pod| pod == name) && authority.allows(Verb::Read, name)
        };
        self.lock().iter().filter(|(_, entry)| told(entry)).map(|(uri, _)| uri.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, Subscription)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client hears of.
#[derive(Debug)]
enum News {
    GrantsChanged,
    Updated(Vec<String>),
    Log(LogLine),
}

/// Where news come together for one client.
struct NewsSource<'a> {
    server: &'a McpServer,
    subscriptions: &'a Subscriptions,
    grants: tokio::sync::watch::Receiver<Authority>,
    changes: tokio::sync::broadcast::Receiver<Arc<str>>,
    everybody: tokio::sync::broadcast::Receiver<LogLine>,
    own: Option<mpsc::Receiver<LogLine>>,
}

impl<'a> NewsSource<'a> {
    fn new(
        server: &'a McpServer,
        subscriptions: &'a Subscriptions,
        own: Option<mpsc::Receiver<LogLine>>,
    ) -> Self {
        Self {
            server,
            subscriptions,
            grants: server.authority_changes(),
            changes: server.watcher.changes(),
            everybody: client_log::everybody(),
            own,
        }
    }

    async fn next(&mut self) -> News {
        loop {
            let own = async {
                match &mut self.own {
                    Some(own) => own.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                // Changed grants are told before what they bring.
                biased;
                Ok(()) = self.grants.changed() => return News::GrantsChanged,
                changed = self.changes.recv() => {
                    let pod = match &changed {
                        Ok(pod) => Some(&**pod),
                        // Too far behind: any of them may have changed.
                        Err(RecvError::Lagged(_)) => None,
                        Err(RecvError::Closed) => continue,
                    };
                    let uris = self.subscriptions.told_of(pod, &self.server.authority());
                    if !uris.is_empty() {
                        return News::Updated(uris);
                    }
                }
                Some(line) = own => return News::Log(line),
                Ok(line) = self.everybody.recv() => return News::Log(line),
                () = self.server.stopping.cancelled() => std::future::pending().await,
            }
        }
    }
}

/// Tells a client of a session, until the session's future is dropped or the client has left.
pub async fn attend(
    server: &McpServer,
    subscriptions: &Subscriptions,
    level: &Mutex<LoggingLevel>,
    own: Option<mpsc::Receiver<LogLine>>,
    peer: &Peer<RoleServer>,
) {
    let mut news = NewsSource::new(server, subscriptions, own);
    while !peer.is_transport_closed() {
        let told = match news.next().await {
            News::GrantsChanged => match peer.notify_tool_list_changed().await {
                Ok(()) => peer.notify_resource_list_changed().await,
                failed => failed,
            },
            News::Updated(uris) => {
                let mut told = Ok(());
                for uri in uris {
                    told = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
                }
                told
            }
            News::Log(line) => {
                let wanted = *level.lock().unwrap_or_else(PoisonError::into_inner);
                if !client_log::passes(line.level, wanted) {
                    continue;
                }
                tell_line(peer, line).await
            }
        };
        // A client that cannot be told now may be told later; one that has left is seen above.
        drop(told);
    }
}

/// Tells a client one line.
pub async fn tell_line(peer: &Peer<RoleServer>, line: LogLine) -> Result<(), ServiceError> {
    let message = LoggingMessageNotificationParam::new(line.level, Value::from(line.text));
    peer.notify_logging_message(message.with_logger(line.logger)).await
}

/// Tells one `subscriptions/listen` request what it asked for, until it ends.
pub async fn attend_listener(server: &McpServer, subscriptions: &Subscriptions, sink: &SubscriptionSink) {
    let mut news = NewsSource::new(server, subscriptions, None);
    loop {
        // The sink itself passes over what was not asked for.
        match news.next().await {
            News::GrantsChanged => {
                let _ = sink.notify_tool_list_changed().await;
                let _ = sink.notify_resource_list_changed().await;
            }
            News::Updated(uris) => {
                for uri in uris {
                    let _ = sink.notify_resource_updated(uri).await;
                }
            }
            News::Log(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pod_tools_conformance::{FakePod, Place, Script};
    use pod_tools_host::PodTools;
    use rmcp::service::serve_server;
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::mcp::reader::Readers;
    use crate::mcp::session::Session;
    use crate::options::HostOptions;

    /// A client in this process, and the authority of its server to change.
    struct Client {
        reader: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
        writer: WriteHalf<DuplexStream>,
        authority: watch::Sender<Authority>,
        stopping: CancellationToken,
    }

    fn authority(place: &Place, grant: &str) -> Authority {
        Authority::builder()
            .allow_sockets(place.base())
            .runtime_dir(place.runtime_dir())
            .grant(grant.parse().unwrap())
            .build()
            .unwrap()
    }

    impl Client {
        async fn start(place: &Place) -> Self {
            let (authority, changes) = watch::channel(authority(place, "list,read"));
            let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/cache");
            let tools = PodTools::builder().cache_dir(Some(cache)).load().unwrap();
            let host = HostOptions::parsed(&["--base-dir", place.base().to_str().unwrap()]);
            let stopping = CancellationToken::new();
            let server =
                McpServer::new(tools, changes, None, &host, Readers::Given, stopping.clone()).unwrap();
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                let (input, output) = split(theirs);
                let served = serve_server(Session::new(server), (input, output)).await;
                let _ = served.unwrap().waiting().await;
            });
            let (reader, writer) = split(ours);
            Self { reader: BufReader::new(reader).lines(), writer, authority, stopping }
        }

        async fn send(&mut self, message: Value) {
            self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        }

        async fn receive(&mut self) -> Value {
            serde_json::from_str(&self.reader.next_line().await.unwrap().unwrap()).unwrap()
        }

        /// Asks as a client of the revisions with a handshake.
        async fn ask(&mut self, method: &str, params: Value) -> Value {
            self.send(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await;
            self.receive().await
        }
    }

    impl Drop for Client {
        fn drop(&mut self) {
            self.stopping.cancel();
        }
    }

    const URI: &str = "pod://child/transcript";

    #[tokio::test]
    async fn changed_grants_are_told_and_count_from_the_next_call_on() {
        let place = Place::new().unwrap();
        let pod = FakePod::start(&place, "child", Script::new()).unwrap();
        let mut client = Client::start(&place).await;
        let info = json!({ "name": "test", "version": "1" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        client.ask("initialize", hello).await;
        client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        assert!(client.ask("resources/subscribe", json!({ "uri": URI })).await.get("result").is_some());

        pod.set_status("running").unwrap();
        assert_eq!(client.receive().await["method"], "notifications/resources/updated");

        client.authority.send(authority(&place, "list")).unwrap();
        assert_eq!(client.receive().await["method"], "notifications/tools/list_changed");
        assert_eq!(client.receive().await["method"], "notifications/resources/list_changed");
        // What may not be read any more is not told of, though the subscription stands.
        pod.set_status("idle").unwrap();
        let denied =
            client.ask("tools/call", json!({ "name": "ReadPodOutput", "arguments": { "name": "child" } }));
        let denied = denied.await;
        assert_eq!(denied["result"]["_meta"]["pod-tools/error"]["reason"], "not-granted", "{denied}");

        client.authority.send(authority(&place, "list,read")).unwrap();
        assert_eq!(client.receive().await["method"], "notifications/tools/list_changed");
        assert_eq!(client.receive().await["method"], "notifications/resources/list_changed");
        assert_eq!(client.receive().await["method"], "notifications/resources/updated");
    }

    #[tokio::test]
    async fn a_listener_of_the_newest_revision_is_told_the_same() {
        let place = Place::new().unwrap();
        let pod = FakePod::start(&place, "child", Script::new()).unwrap();
        let mut client = Client::start(&place).await;
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": [URI, "pod://other/x"] });
        let listen = json!({ "_meta": meta, "notifications": wanted });
        let acknowledged = client.ask("subscriptions/listen", listen).await;
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
        assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!([URI]));

        pod.set_status("running").unwrap();
        let updated = client.receive().await;
        assert_eq!(
            (&updated["method"], &updated["params"]["uri"]),
            (&json!("notifications/resources/updated"), &json!(URI))
        );
        client.authority.send(authority(&place, "list")).unwrap();
        assert_eq!(client.receive().await["method"], "notifications/tools/list_changed");
    }
}
