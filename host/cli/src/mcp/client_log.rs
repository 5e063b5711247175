//! Log lines for clients: what a call says goes to the client that made it, what concerns everybody to all.

#![expect(deprecated, reason = "log messages left the protocol with 2026-07-28; clients of today have them")]

use std::fmt::Write as _;
use std::future::Future;

use rmcp::model::LoggingLevel;
use tokio::sync::{broadcast, mpsc};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::operator_log::OPERATOR;

/// Lines that wait for a client; more are dropped, as a client that does not read needs no log.
const WAITING: usize = 256;
/// A line is cut after so many bytes.
const MAX_LINE: usize = 8 << 10;

tokio::task_local! {
    static CALLER: LogSender;
}

static EVERYBODY: std::sync::LazyLock<broadcast::Sender<LogLine>> =
    std::sync::LazyLock::new(|| broadcast::Sender::new(WAITING));

/// One line.
#[derive(Debug, Clone)]
pub struct LogLine {
    pub level: LoggingLevel,
    /// The part of the program that says it; the plugin's own lines come from `pod_tools_host::plugin`.
    pub logger: &'static str,
    pub text: String,
}

/// Where the lines of one client's calls go.
pub type LogSender = mpsc::Sender<LogLine>;

/// A client's own lines.
pub fn channel() -> (LogSender, mpsc::Receiver<LogLine>) {
    mpsc::channel(WAITING)
}

/// The lines that concern everybody.
pub fn everybody() -> broadcast::Receiver<LogLine> {
    EVERYBODY.subscribe()
}

/// Runs a call whose lines go to that client, and to no other.
pub async fn to_client<T>(client: LogSender, call: impl Future<Output = T>) -> T {
    CALLER.scope(client, call).await
}

/// Whether a client that wants this level and above gets a line of that one.
pub fn passes(level: LoggingLevel, wanted: LoggingLevel) -> bool {
    level as u8 >= wanted as u8
}

/// The layer that takes this program's events to clients. Other crates' events stay here: what the protocol's
/// own machinery logs holds messages, and would go round in circles. Nor do lines that are the operator's
/// alone.
#[derive(Debug)]
pub struct ClientLog;

impl<S: Subscriber> Layer<S> for ClientLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let ours = metadata.target().starts_with("pod_tools") && metadata.target() != OPERATOR;
        if !ours || *metadata.level() > Level::DEBUG {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let line = LogLine { level: severity(*metadata.level()), logger: metadata.target(), text: text.0 };
        if let Err(line) = CALLER.try_with(|caller| caller.try_send(line.clone())).map_err(|_| line) {
            // Nobody listens: fine.
            let _ = EVERYBODY.send(line);
        }
    }
}

fn severity(level: Level) -> LoggingLevel {
    match level {
        Level::ERROR => LoggingLevel::Error,
        Level::WARN => LoggingLevel::Warning,
        Level::INFO => LoggingLevel::Info,
        _ => LoggingLevel::Debug,
    }
}

/// An event's message and fields, as one text.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut piece = String::new();
        let _ = match field.name() {
            "message" => write!(piece, "{value:?}"),
            name => write!(piece, "{name}={value:?}"),
        };
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&piece);
        if self.0.len() > MAX_LINE {
            let end = self.0.floor_char_boundary(MAX_LINE);
            self.0.truncate(end);
        }
    }
}
