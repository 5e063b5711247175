//! The one way to the plugin: a call from the command line, a line of a batch and a request over MCP are carried out
//! here, with the authority that is in force, and leave their line in the audit log however they end.
//!
//! A call ends early by being dropped; the audit log then calls it cancelled.

use std::borrow::Cow;
use std::future::Future;
use std::path::{Path, PathBuf};

use pod_tools_host::registry::Reader;
use pod_tools_host::{
    Answer, AnswerShare, Authority, Decision, Definition, Document, ErrorKind, Ledger, Output, PodTools,
    Reason, Staged, ToolError,
};
use pod_tools_node::event::Watch;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::afar::Afar;
use crate::afar::beside::{OfType, TRANSCRIPT};
use crate::audit::AuditLog;
use crate::in_force::{InForce, watched};
use crate::operator_log::OPERATOR;
use crate::options::{HostOptions, SetUpError};
use crate::streams::tell;

/// The tool that lists the pods there are.
const LISTING: &str = "ListPods";

/// The most denials of one call that are logged: a plugin may ask for what it likes.
const MAX_DENIALS: usize = 8;

/// The plugin, its authority and the audit log; or why there is no plugin or no authority, which every call then
/// ends in.
#[derive(Debug)]
pub struct Caller {
    ready: Result<(PodTools, watch::Receiver<Authority>), ToolError>,
    /// Pods of other machines, where the options say how to reach them.
    afar: Option<Afar>,
    audit: Option<AuditLog>,
    /// The directory in which pods are recorded.
    registry: PathBuf,
    /// The file that grants are written in, where denials do not tell of it and the log has to.
    untold_grants: Option<PathBuf>,
    /// Says what could not be done once an answer had been delivered.
    warn: fn(&ToolError),
    /// Follows the grants file for as long as it exists.
    _in_force: Option<InForce>,
}

/// A call of one of the plugin's exports.
pub trait PluginCall {
    /// What the caller is given.
    type Answer;

    /// The name in the audit log.
    fn name(&self) -> &str;

    /// Makes the call, of pods of other machines there.
    fn make(
        &self,
        tools: &PodTools,
        afar: Option<&Afar>,
        authority: &Authority,
    ) -> impl Future<Output = Result<Self::Answer, ToolError>> + Send;

    /// How many bytes an answer has.
    fn size(answer: &Self::Answer) -> usize;
}

/// A call of a tool, with its input as a JSON text.
#[derive(Debug)]
pub struct ToolCall<'a> {
    pub name: &'a str,
    pub input: &'a str,
    /// Whose read cursors count; `None`: whose the options say.
    pub reader: Option<&'a Reader>,
    /// No read cursor moves.
    pub peek: bool,
}

impl PluginCall for ToolCall<'_> {
    type Answer = Answer;

    fn name(&self) -> &str {
        self.name
    }

    async fn make(
        &self,
        tools: &PodTools,
        afar: Option<&Afar>,
        authority: &Authority,
    ) -> Result<Answer, ToolError> {
        let mut authority = Cow::Borrowed(authority);
        if let Some(reader) = self.reader {
            authority = Cow::Owned(authority.read_by(reader.clone()));
        }
        if self.peek {
            authority = Cow::Owned(authority.peeking());
        }
        match afar {
            Some(afar) => afar.call(tools, &authority, self.name, self.input).await,
            None => tools.call(&authority, self.name, self.input).await,
        }
    }

    fn size(answer: &Answer) -> usize {
        let Output { summary, content, data, .. } = answer.output();
        summary.len() + content.as_ref().map_or(0, String::len) + data.get().len()
    }
}

/// The reading of a pod's whole conversation.
#[derive(Debug)]
pub struct TranscriptCall<'a> {
    pub pod: &'a str,
}

impl PluginCall for TranscriptCall<'_> {
    type Answer = Document;

    /// MCP's word for it: nothing else asks.
    fn name(&self) -> &str {
        "resources/read"
    }

    async fn make(
        &self,
        tools: &PodTools,
        afar: Option<&Afar>,
        authority: &Authority,
    ) -> Result<Document, ToolError> {
        let Some(afar) = afar.filter(|afar| afar.has(self.pod)) else {
            return tools.transcript(authority, self.pod).await;
        };
        let answer = afar.ask_beside(authority, TRANSCRIPT, self.pod, Value::Object(Map::new())).await?;
        let (output, _) = answer.into_parts();
        let OfType { media_type } = serde_json::from_str(output.data.get()).map_err(|error| {
            let message = format!("the node's answer is not understood: {error}");
            ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message)
        })?;
        Ok(Document::given_elsewhere(media_type, output.content.unwrap_or_default()))
    }

    fn size(document: &Document) -> usize {
        document.text.len()
    }
}

/// With what a call is admitted.
#[derive(Debug)]
pub struct Admission<P> {
    /// Where its answer is counted as it grows; `None`: it is bounded by the limits alone.
    pub share: Option<AnswerShare>,
    /// Kept until the call has ended.
    pub place: P,
}

/// The admission of calls that wait for nothing.
pub async fn admitted() -> Result<Admission<()>, ToolError> {
    Ok(Admission { share: None, place: () })
}

impl Caller {
    /// For a process that makes one call at a time and answers it in any case: where the plugin or its authority cannot be had, with that
    /// error.
    ///
    /// # Errors
    ///
    /// Fails where what was said on the command line, or is written in a grants file, makes no sense, and where the
    /// audit log cannot be opened.
    pub fn set_up(host: &HostOptions) -> Result<Self, SetUpError> {
        let ready = match watched(host) {
            Ok(in_force) => host.load_for_one().map(|tools| (tools, in_force)),
            Err(SetUpError::Authority(error)) => Err(error),
            Err(error) => return Err(error),
        };
        let component = ready.as_ref().ok().map(|(tools, _)| tools.component_sha256());
        let audit = host.audit_log(component)?;
        let warn = |error: &ToolError| tell(format_args!("pod-tools: warning: {error}"));
        let (ready, in_force) = match ready {
            Ok((tools, in_force)) => (Ok((tools, in_force.newest.clone())), Some(in_force)),
            Err(error) => (Err(error), None),
        };
        let registry = host.registry_dir().to_owned();
        let afar = Afar::of(&host.afar)?;
        Ok(Self { ready, afar, audit, registry, untold_grants: None, warn, _in_force: in_force })
    }

    /// For a server, which has what it needs; what it has to say goes to its log.
    ///
    /// # Errors
    ///
    /// Fails where the options say of other machines what makes no sense.
    pub fn of_server(
        tools: PodTools,
        authority: watch::Receiver<Authority>,
        audit: Option<AuditLog>,
        host: &HostOptions,
    ) -> Result<Self, SetUpError> {
        let warn = |error: &ToolError| tracing::warn!("{error}");
        let (registry, grants) = (host.registry_dir().to_owned(), host.grants_file().map(Path::to_owned));
        let ready = Ok((tools, authority));
        let afar = Afar::of(&host.afar)?;
        Ok(Self { ready, afar, audit, registry, untold_grants: grants, warn, _in_force: None })
    }

    /// Whether there is a plugin and an authority.
    pub fn is_ready(&self) -> bool {
        self.ready.is_ok()
    }

    /// What the plugin says of its tools; nothing where there is no plugin.
    pub fn definitions(&self) -> &[Definition] {
        self.ready.as_ref().map_or(&[], |(tools, _)| tools.definitions())
    }

    /// The authority that is in force now.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn authority(&self) -> Result<Authority, ToolError> {
        self.ready.as_ref().map(|(_, in_force)| in_force.borrow().clone()).map_err(Clone::clone)
    }

    /// Whether the pod of that name is on another machine.
    pub fn is_elsewhere(&self, pod: &str) -> bool {
        self.afar.as_ref().is_some_and(|afar| afar.has(pod))
    }

    /// Watches a pod of another machine; `None`: it is of this one.
    ///
    /// # Errors
    ///
    /// Where it may not be read, and where it cannot be watched.
    pub async fn watch_elsewhere(&self, pod: &str) -> Result<Option<Watch>, ToolError> {
        match self.afar.as_ref().filter(|afar| afar.has(pod)) {
            Some(afar) => afar.watch(&self.authority()?, pod).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes a call once it is admitted, with the authority that is in force then.
    pub async fn call<C: PluginCall, P>(
        &self,
        call: &C,
        admission: impl Future<Output = Result<Admission<P>, ToolError>>,
    ) -> Result<C::Answer, ToolError> {
        let (tools, in_force) = self.ready.as_ref().map_err(Clone::clone)?;
        let entry = self.audit.as_ref().map(|audit| audit.begin(call.name())).transpose()?;
        let ledger = entry.as_ref().map_or_else(Ledger::new, |entry| entry.ledger().clone());
        let asked = async {
            let Admission { share, place: _place } = admission.await?;
            let mut authority = in_force.borrow().recorded_in(&ledger);
            if let Some(share) = &share {
                authority = authority.answered_within(share);
            }
            call.make(tools, self.afar.as_ref(), &authority).await
        };
        let done = asked.await;
        if let Some(file) = &self.untold_grants {
            log_denials(file, &ledger);
        }
        if let Some(entry) = entry {
            entry.finish(done.as_ref().map(C::size));
        }
        done
    }

    /// The summary of an answer for a person or a model: where there are no pods, with the directory that
    /// they were looked for in. It may not be the one that was meant, which the plugin does not know and need
    /// not know.
    pub fn summary<'a>(&self, tool: &str, output: &'a Output) -> Cow<'a, str> {
        #[derive(Deserialize)]
        struct Listing {
            pods: Vec<IgnoredAny>,
        }
        let lists_none = tool == LISTING
            && serde_json::from_str(output.data.get()).is_ok_and(|Listing { pods }| pods.is_empty());
        if lists_none {
            let looked_in = self.registry.display().to_string();
            return format!("{}; looked in {}", output.summary, looked_in.escape_debug()).into();
        }
        Cow::Borrowed(&output.summary)
    }

    /// Stores what the call has staged, now that its answer is out. A failure takes nothing back: the text was given,
    /// and will be given again.
    pub async fn deliver(&self, staged: Staged) {
        if let Err(error) = staged.store().await {
            (self.warn)(&error);
        }
    }
}

/// Tells the operator which lines of the grants file would have allowed what a call was denied.
pub fn log_denials(file: &Path, ledger: &Ledger) {
    let denied = |decision| matches!(decision, Decision::Denied);
    for request in ledger.requests().into_iter().filter(|request| denied(request.decision)).take(MAX_DENIALS)
    {
        tracing::warn!(target: OPERATOR, "{}", request.denial(file));
    }
}
