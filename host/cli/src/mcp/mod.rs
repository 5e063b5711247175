//! `pod-tools mcp`: the plugin's tools for any agent that speaks the Model Context Protocol.
//!
//! From the client inwards: a transport ([`stdio`] or [`http`]) turns bytes into messages within bounds
//! ([`frame`], [`ids`]) and knows when an answer is out ([`delivery`]), which has a [room](answer_room) until
//! then; [`session`] answers the protocol's
//! requests; [`server`] is what all sessions share, and the one place through which every call passes.
//! [`catalogue`] shows the component's tools in the protocol's terms, [`answer`] their outcomes, both in the
//! [`client`]'s form, [`reader`] whose read cursors it moves, [`transcripts`] the pods' conversations as
//! resources, [`watcher`] and [`attendant`] tell subscribers when one has changed, [`client_log`] takes log
//! lines to clients.

mod answer;
mod answer_room;
mod args;
mod attendant;
mod catalogue;
mod client;
mod client_log;
mod delivery;
mod frame;
#[cfg(test)]
#[path = "../../../../tests/fuzz/properties/frame.rs"]
mod frame_properties;
mod http;
mod ids;
mod print_config;
mod reader;
mod server;
mod session;
mod stdio;
mod transcripts;
mod watcher;

use std::process::ExitCode;

use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

pub use self::args::McpArgs;
pub use self::client_log::ClientLog;
use self::reader::{InUse, Readers};
use self::server::McpServer;
use crate::exit::{INTERRUPTED, TERMINATED};
use crate::in_force::watched;
use crate::inherited::next;
use crate::interrupt::{ORDERLY_END, ending};
use crate::options::HostOptions;
use crate::streams::tell;

/// Bytes of a pod's text in one answer to a model, where the operator says nothing else: some 16,000 tokens.
const MODEL_OUTPUT: u64 = 64 << 10;

pub async fn run(args: McpArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if let Some(client) = args.print_config {
        return print_config::run(client, host).await;
    }
    // A client on a pipe has started this process where it works itself; one over HTTP is anywhere.
    let directory = args.http.is_none().then(|| std::env::current_dir().ok()).flatten();
    let readers = match args.http {
        _ if host.reader.is_some() => Readers::Given,
        Some(_) => Readers::OverHttp(InUse::default()),
        None => Readers::In(directory.clone().unwrap_or_default()),
    };
    let mut host = host.for_a_model(directory);
    host.default_output = Some(MODEL_OUTPUT);
    let host = &host;
    // Kept to the end: it follows the grants file.
    let in_force = watched(host)?;
    let listener = match args.http {
        None => None,
        Some(address) => match http::Listener::bind(address, &args).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                tell(format_args!("pod-tools: {error:#}"));
                return Ok(ExitCode::from(2));
            }
        },
    };
    let tools = host.load()?;
    let audit = host.audit_log(Some(tools.component_sha256()))?;
    let stopping = CancellationToken::new();
    let server = McpServer::new(tools, in_force.newest.clone(), audit, host, readers, stopping.clone())?;
    let mut interrupt = ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?;
    let mut terminate = ending(SignalKind::terminate(), TERMINATED, ORDERLY_END)?;
    let serving = async {
        match listener {
            None => stdio::serve(server.clone(), args.max_frame).await,
            Some(listener) => listener.serve(server.clone()).await,
        }
    };
    tokio::pin!(serving);
    let (code, begun) = tokio::select! {
        done = &mut serving => (ExitCode::SUCCESS, Some(done)),
        () = next(&mut interrupt) => (ExitCode::from(INTERRUPTED), None),
        () = next(&mut terminate) => (ExitCode::SUCCESS, None),
    };
    stopping.cancel();
    match begun {
        Some(done) => done?,
        None => serving.await?,
    }
    Ok(code)
}
