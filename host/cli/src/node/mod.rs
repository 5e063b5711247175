//! `pod-tools node`: this machine's pods for callers on other machines. What a request is, and that it is done once, is
//! [`pod_tools_node::node`]'s; here are who may call ([`callers`]), with the plugin and the audit log, and the server's
//! configuration ([`server_config`]).

mod args;
mod callers;
mod feeds;
mod server_config;
mod watches;

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pod_tools_host::{
    Answer, AnswerShare, Authority, Document, ErrorKind, Ledger, PodTools, Staged, ToolError,
};
use pod_tools_node::event::{Counted, Publisher, WATCH};
use pod_tools_node::identity::Identity;
use pod_tools_node::node::{CallerLimits, NodeError, NodeOptions, Tools, serve};
use pod_tools_node::request::Request;
use serde_json::{Value, json};
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::args::NodeArgs;
use self::callers::{Caller, Callers};
use self::feeds::Feeds;
use self::watches::Watches;
use crate::afar::beside::{FOLLOW, LOG, Named, OfType, TRANSCRIPT};
use crate::audit::AuditLog;
use crate::caller::log_denials;
use crate::exit::{INTERRUPTED, TERMINATED};
use crate::grants_file::GrantsFile;
use crate::in_force::followed;
use crate::inherited::next;
use crate::interrupt::{ORDERLY_END, ending};
use crate::options::HostOptions;
use crate::stdout::{print, print_json};
use crate::streams::tell;

pub async fn run(args: NodeArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.new_key {
        return new_key(path).await;
    }
    if args.print_config.is_some() {
        print(server_config::of(host)?).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(name) = args.name else { return Ok(ExitCode::from(2)) };
    // What a caller is told, a model may read.
    let host = &host.for_a_model(None);
    // Kept to the end: it follows the grants file.
    let limits = args.caller_limits.limits();
    let of_all = limits.clone();
    let callers =
        followed(host, move |host: &HostOptions, file: Option<&GrantsFile>, earlier: Option<&Callers>| {
            Callers::new(host, &of_all, file, earlier)
        })?;
    let tools = host.load()?;
    let audit = host.audit_log(Some(tools.component_sha256()))?;
    let metadata = HashMap::from([("component".to_owned(), tools.component_sha256().to_owned())]);
    let longest = callers.newest.borrow().longest();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let options = NodeOptions { name: name.clone(), version, metadata, limits, skew: args.skew, longest };
    let mut interrupt = ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?;
    let mut terminate = ending(SignalKind::terminate(), TERMINATED, ORDERLY_END)?;
    let (connection, identity) = match host.afar.connect().await {
        Ok(connected) => connected,
        Err(error) => {
            tell(format_args!("pod-tools: {error:#}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let key = identity.public_key();
    let grants_file = host.grants_file().map(Path::to_owned);
    let stop = CancellationToken::new();
    let publisher = Publisher::new(connection.clone(), identity.clone(), name.clone());
    let watches = Watches::new(sees_all(host)?, publisher, callers.newest.clone(), stop.clone());
    let (feeds, callers) = (Feeds::default(), callers.newest.clone());
    let served = Served { tools, callers, audit, grants_file, feeds, watches };
    let (is_ready, ready) = tokio::sync::oneshot::channel();
    let is_ready = move || {
        let _ = is_ready.send(());
    };
    let serving = serve(connection, identity, options, served, is_ready, stop.clone());
    tokio::pin!(serving);
    let told = async {
        if ready.await.is_ok() {
            print_json(format!("{}\n", serde_json::json!({ "node": name.as_str(), "key": key }))).await?;
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    let code = tokio::select! {
        done = &mut serving => return ended(done),
        Err(error) = told => return Err(error),
        () = next(&mut interrupt) => ExitCode::from(INTERRUPTED),
        () = next(&mut terminate) => ExitCode::SUCCESS,
    };
    stop.cancel();
    let _ = serving.await;
    Ok(code)
}

fn ended(done: Result<(), NodeError>) -> anyhow::Result<ExitCode> {
    if let Err(error) = done {
        tell(format_args!("pod-tools: {error}"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What is served: the plugin, for those whom the grants file names.
struct Served {
    tools: PodTools,
    callers: watch::Receiver<Callers>,
    audit: Option<AuditLog>,
    /// The file that grants are written in, which callers are not told of.
    grants_file: Option<PathBuf>,
    /// What is no tool of the plugin's.
    feeds: Feeds,
    watches: Watches,
}

impl Served {
    /// What is asked for beside the plugin's tools; `None`: it is a tool's name.
    async fn beside(
        &self,
        authority: &Authority,
        request: &Request,
        input: &str,
    ) -> Option<Result<Answer, ToolError>> {
        let who = (request.caller.as_str(), authority);
        let (content, data) = match &*request.tool {
            TRANSCRIPT => {
                async {
                    let Named { name } = parsed(input)?;
                    let Document { media_type, text, .. } = self.tools.transcript(authority, &name).await?;
                    Ok((Some(text), json!(OfType { media_type })))
                }
                .await
            }
            WATCH => parsed(input)
                .and_then(|watched| self.watches.watch(who, watched))
                .map(|count| (None, json!(Counted { count }))),
            FOLLOW | LOG => {
                async {
                    let time = Duration::from_millis(request.time);
                    let (text, pulled) = self.feeds.pull(who, &request.tool, parsed(input)?, time).await?;
                    Ok((Some(text), json!(pulled)))
                }
                .await
            }
            _ => return None,
        }
        .map_or_else(|error: ToolError| (Err(error), Value::Null), |(content, data)| (Ok(content), data));
        Some(content.and_then(|content| {
            let answer = (request.tool.clone(), content, data.to_string());
            Answer::given_elsewhere(answer, 1, Staged::elsewhere(Vec::new()), authority)
        }))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(input: &str) -> Result<T, ToolError> {
    serde_json::from_str(input).map_err(|error| {
        let message = format!("the input is not understood: {error}; caller and node must be of one version");
        ToolError::new(ErrorKind::InvalidArgument, None, message)
    })
}

/// The authority by which pods are watched for whoever may read them.
fn sees_all(host: &HostOptions) -> anyhow::Result<Authority> {
    let file = host.grants_file().map(GrantsFile::read).transpose()?;
    Ok(host.granting(vec!["read".parse()?]).authority_with(&[], file.as_ref(), None)?)
}

impl Tools for Served {
    type Caller = Caller;

    fn caller(&self, key: &str) -> Option<Arc<Caller>> {
        self.callers.borrow().of(key).cloned()
    }

    fn limits(&self, caller: &Caller) -> CallerLimits {
        caller.limits.clone()
    }

    async fn call(
        &self,
        caller: &Caller,
        request: &Request,
        input: &str,
        share: &AnswerShare,
    ) -> Result<Answer, ToolError> {
        let entry = match &self.audit {
            Some(audit) => {
                Some(audit.begin_for(&request.tool, Some(&caller.name))?.asked_with(&request.nonce))
            }
            None => None,
        };
        let ledger = entry.as_ref().map_or_else(Ledger::new, |entry| entry.ledger().clone());
        let done = async {
            let authority = caller.reading_as(request.reader.as_deref()).ok_or_else(|| {
                let message = "the reader's name is longer than one may be; give a shorter one";
                ToolError::new(ErrorKind::InvalidArgument, None, message)
            })?;
            let mut authority = authority.recorded_in(&ledger).answered_within(share);
            if request.peek {
                authority = authority.peeking();
            }
            match self.beside(&authority, request, input).await {
                Some(done) => done,
                None => self.tools.call(&authority, &request.tool, input).await,
            }
        };
        let done = done.await;
        if let Some(file) = &self.grants_file {
            log_denials(file, &ledger);
        }
        if let Some(entry) = entry {
            entry.finish(done.as_ref().map(|answer| {
                let output = answer.output();
                output.summary.len()
                    + output.content.as_ref().map_or(0, String::len)
                    + output.data.get().len()
            }));
        }
        done
    }
}

/// Makes a key. A file that is there stays what it is.
async fn new_key(path: &Path) -> anyhow::Result<ExitCode> {
    let identity = Identity::new();
    let seed = identity.seed().context("the new key has no seed")?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.with_context(|| format!("the file {} cannot be made", path.display()))?;
    writeln!(file, "{seed}").with_context(|| format!("the file {} cannot be written", path.display()))?;
    print(format!("{}\n", identity.public_key())).await?;
    Ok(ExitCode::SUCCESS)
}
