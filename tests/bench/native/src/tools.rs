//! The four tools.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::protocol::{ContentPart, ErrorCode, Event, Item, LineReader, LineWriter, Method, Role};
use crate::registry::{Permission, Record, Registry};
use crate::scope_lock::LockedTable;

/// Time of one socket operation: a connection, a write, a line.
const OPERATION: Duration = Duration::from_secs(5);

/// What a tool answers.
#[derive(Debug, Serialize)]
pub struct Output {
    /// One line.
    pub summary: String,
    /// The text that was asked for, if there is any.
    pub content: Option<String>,
}

/// The tools of one spawner.
pub struct Tools {
    registry: Registry,
    scope_lock: PathBuf,
}

#[derive(Deserialize)]
struct NameInput {
    name: String,
}

#[derive(Deserialize)]
struct SendInput {
    name: String,
    message: String,
}

impl Tools {
    /// Tools for the pods of a registry.
    pub fn new(registry: Registry, scope_lock: &Path) -> Self {
        Self { registry, scope_lock: scope_lock.to_owned() }
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Calls a tool. The error is a message.
    ///
    /// # Errors
    ///
    /// Whatever the tool ran into.
    pub async fn call(&self, tool: &str, input: &str) -> Result<Output, String> {
        match tool {
            "SendToPod" => self.send(input).await,
            "ReadPodOutput" => self.read(input).await,
            "StopPod" => self.stop(input).await,
            "ListPods" => Ok(self.list().await),
            _ => Err(format!("there is no tool `{tool}`")),
        }
    }

    async fn send(&self, input: &str) -> Result<Output, String> {
        let SendInput { name, message } = serde_json::from_str(input).map_err(|error| error.to_string())?;
        let record = self.record(&name).await?;
        let sent = run(&record.socket_path, message).await;
        sent.map_err(|error| format!("send to `{name}`: {error}"))?;
        Ok(Output { summary: format!("sent message to `{name}`"), content: None })
    }

    async fn read(&self, input: &str) -> Result<Output, String> {
        let NameInput { name } = serde_json::from_str(input).map_err(|error| error.to_string())?;
        let record = self.record(&name).await?;
        let Ok(items) = history(&record.socket_path).await else {
            return Ok(Output { summary: format!("pod `{name}` is stopped (unreachable)"), content: None });
        };
        let cursor = self.registry.cursor(&name).await;
        let text = assistant_text(items.get(cursor..).unwrap_or_default());
        self.registry.set_cursor(&name, items.len()).await;
        if text.is_empty() {
            return Ok(Output {
                summary: format!("pod `{name}` running; no new assistant text"),
                content: None,
            });
        }
        let lines = text.lines().count();
        Ok(Output {
            summary: format!("pod `{name}`: {lines} new line(s) of assistant text"),
            content: Some(text),
        })
    }

    async fn stop(&self, input: &str) -> Result<Output, String> {
        let NameInput { name } = serde_json::from_str(input).map_err(|error| error.to_string())?;
        let record = self.record(&name).await?;
        // It is stopped as well as may be.
        let _ = send_only(&record.socket_path, &Method::Shutdown).await;
        let scope = scope_summary(&record);
        if let Ok(mut table) = LockedTable::open(&self.scope_lock) {
            let _ = table.release(&name);
        }
        let forgotten = self.registry.remove(&name).await;
        forgotten.map_err(|error| format!("update spawned_pods.json: {error}"))?;
        Ok(Output { summary: format!("stopped pod `{name}`; reclaimed scope: {scope}"), content: None })
    }

    async fn list(&self) -> Output {
        let records = self.registry.list().await;
        if records.is_empty() {
            return Output { summary: "no spawned pods".into(), content: None };
        }
        let mut lines = Vec::with_capacity(records.len());
        let mut some_are_stopped = false;
        for record in &records {
            let alive =
                matches!(timeout(OPERATION, UnixStream::connect(&record.socket_path)).await, Ok(Ok(_)));
            let state = if alive { "alive" } else { "stopped" };
            lines.push(format!("{} [{state}] scope={}", record.pod_name, scope_summary(record)));
            some_are_stopped |= !alive;
        }
        if some_are_stopped && let Ok(mut table) = LockedTable::open(&self.scope_lock) {
            let _ = table.reclaim_stale();
        }
        Output { summary: format!("{} pod(s) known", records.len()), content: Some(lines.join("\n")) }
    }

    async fn record(&self, name: &str) -> Result<Record, String> {
        self.registry.get(name).await.ok_or_else(|| format!("no spawned pod named `{name}`"))
    }
}

async fn within<T>(operation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(OPERATION, operation).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn connect(socket: &Path) -> io::Result<(LineReader, LineWriter)> {
    let (reader, writer) = within(UnixStream::connect(socket)).await?.into_split();
    Ok((LineReader::new(reader), LineWriter::new(writer)))
}

async fn send_only(socket: &Path, method: &Method) -> io::Result<()> {
    let (_reader, mut writer) = connect(socket).await?;
    within(writer.write(method)).await
}

async fn run(socket: &Path, input: String) -> io::Result<()> {
    let (mut reader, mut writer) = connect(socket).await?;
    within(writer.write(&Method::Run { input })).await?;
    loop {
        match within(reader.next::<Event>()).await? {
            Some(Event::TurnStart { .. }) => return Ok(()),
            Some(Event::Error { code: ErrorCode::AlreadyRunning, .. }) => {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

async fn history(socket: &Path) -> io::Result<Vec<serde_json::Value>> {
    let (mut reader, mut writer) = connect(socket).await?;
    within(writer.write(&Method::GetHistory)).await?;
    loop {
        match within(reader.next::<Event>()).await? {
            Some(Event::History { items, .. }) => return Ok(items),
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn assistant_text(items: &[serde_json::Value]) -> String {
    let mut text = String::new();
    for item in items {
        let Ok(Item::Message { role: Role::Assistant, content, .. }) = serde_json::from_value(item.clone())
        else {
            continue;
        };
        for part in content {
            if let ContentPart::Text { text: more } = part {
                if !text.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&more);
            }
        }
    }
    text
}

fn scope_summary(record: &Record) -> String {
    if record.scope_delegated.is_empty() {
        return "(none)".into();
    }
    let rules = record.scope_delegated.iter().map(|rule| {
        let permission = match rule.permission {
            Permission::Read => "read",
            Permission::Write => "write",
        };
        let reach = if rule.recursive { "" } else { " [non-recursive]" };
        format!("{permission}:{}{reach}", rule.target.display())
    });
    rules.collect::<Vec<_>>().join(", ")
}
