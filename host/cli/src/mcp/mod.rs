//! `pod-tools mcp`: the plugin's tools for any agent that speaks the Model Context Protocol.
//!
//! From the client inwards: a transport ([`stdio`] or [`http`]) turns bytes into messages within bounds
//! ([`frame`], [`ids`]) and knows when an answer is out ([`delivery`]); [`session`] answers the protocol's
//! requests; [`server`] is what all sessions share, and the one place through which every call passes.
//! [`catalogue`] shows the component's tools in the protocol's terms, [`answer`] their outcomes, [`transcripts`]
//! the pods' conversations as resources, [`watcher`] and [`attendant`] tell subscribers when one has changed,
//! [`client_log`] takes log lines to clients.

mod answer;
mod args;
mod attendant;
mod catalogue;
mod client_log;
mod delivery;
mod frame;
mod http;
mod ids;
mod print_config;
mod server;
mod session;
mod stdio;
mod transcripts;
mod watcher;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use self::args::McpArgs;
pub use self::client_log::ClientLog;
use self::server::McpServer;
use crate::exit::INTERRUPTED;
use crate::in_force::watched;
use crate::options::HostOptions;

pub async fn run(args: McpArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if let Some(client) = args.print_config {
        return print_config::run(client, host).await;
    }
    // Kept to the end: it follows the grants file.
    let in_force = watched(host)?;
    let listener = match args.http {
        None => None,
        Some(address) => match http::Listener::bind(address, &args).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                eprintln!("pod-tools: {error:#}");
                return Ok(ExitCode::from(2));
            }
        },
    };
    let tools = host.load()?;
    let audit = host.audit_log(Some(tools.component_sha256()))?;
    let stopping = CancellationToken::new();
    let server = McpServer::new(tools, in_force.authority.clone(), audit, stopping.clone()).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let serving = async {
        match listener {
            None => stdio::serve(server.clone(), args.max_frame).await,
            Some(listener) => listener.serve(server.clone()).await,
        }
    };
    tokio::pin!(serving);
    let (code, begun) = tokio::select! {
        done = &mut serving => (ExitCode::SUCCESS, Some(done)),
        _ = interrupt.recv() => (ExitCode::from(INTERRUPTED), None),
        _ = terminate.recv() => (ExitCode::SUCCESS, None),
    };
    stopping.cancel();
    match begun {
        Some(done) => done?,
        None => serving.await?,
    }
    Ok(code)
}
