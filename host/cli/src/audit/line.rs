//! The format of the audit log: one line, as `schemas/audit-line.json` describes it.
//!
//! It is a format of its own, whatever the library's types become. A member is added without a new version; one that
//! goes, or that means something else, is a new version.

use std::time::Duration;

use jiff::Timestamp;
use pod_tools_host::{Decision, ErrorKind, Ledger, Operation, Reason, RecordedRequest, ToolError, Verb};
use serde::{Serialize, Serializer};

/// The version of the format.
const VERSION: u32 = 1;

/// What is known of a call beside its outcome and its requests.
pub(super) struct CallRecord<'a> {
    pub tool: &'a str,
    /// Who called it, where there are several who may.
    pub caller: Option<&'a str>,
    /// By which a caller on another machine knows it.
    pub nonce: Option<&'a str>,
    /// When the call began.
    pub time: Timestamp,
    pub duration: Duration,
    /// The component's SHA-256, where there is a component.
    pub component: Option<&'a str>,
    pub answer_bytes: usize,
}

/// How a call ended, in a word.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallEnd {
    Ok,
    Error,
    /// The caller went away, or cancelled the call.
    Cancelled,
}

/// One line.
#[derive(Serialize)]
pub(super) struct AuditLine<'a> {
    version: u32,
    /// By the clock of the machine, in UTC.
    time: String,
    tool: &'a str,
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    outcome: CallEnd,
    /// The error's.
    kind: Option<ErrorKind>,
    reason: Option<Reason>,
    /// What the plugin asked the gate for, each once, in the order in which it first did.
    requests: Vec<AuditedRequest>,
    /// How many more it asked for that are not listed.
    unlisted_requests: u64,
    bytes_to_pods: u64,
    bytes_from_pods: u64,
    answer_bytes: usize,
    duration_ms: f64,
    component: Option<&'a str>,
}

/// A request that the plugin made of the gate, as often as it made it.
#[derive(Serialize)]
struct AuditedRequest {
    #[serde(serialize_with = "verb_word")]
    verb: Verb,
    operation: Operation,
    pod: Option<String>,
    decision: &'static str,
    count: u64,
}

fn verb_word<S: Serializer>(verb: &Verb, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verb.as_str())
}

impl From<RecordedRequest> for AuditedRequest {
    fn from(recorded: RecordedRequest) -> Self {
        let decision = match recorded.decision {
            Decision::Allowed => "allowed",
            // A decision of a later version of the library did not allow it.
            _ => "denied",
        };
        let RecordedRequest { verb, operation, pod, count, .. } = recorded;
        Self { verb, operation, pod, decision, count }
    }
}

impl<'a> AuditLine<'a> {
    /// The line of a call that has ended.
    pub(super) fn new(
        call: &CallRecord<'a>,
        outcome: CallEnd,
        error: Option<&ToolError>,
        ledger: &Ledger,
    ) -> Self {
        Self {
            version: VERSION,
            time: format!("{:.3}", call.time),
            tool: call.tool,
            caller: call.caller,
            nonce: call.nonce,
            outcome,
            kind: error.map(|error| error.kind),
            reason: error.and_then(|error| error.reason),
            requests: ledger.requests().into_iter().map(AuditedRequest::from).collect(),
            unlisted_requests: ledger.unlisted_requests(),
            bytes_to_pods: ledger.bytes_to_pods(),
            bytes_from_pods: ledger.bytes_from_pods(),
            answer_bytes: call.answer_bytes,
            duration_ms: (call.duration.as_secs_f64() * 1e6).round() / 1e3,
            component: call.component,
        }
    }
}
