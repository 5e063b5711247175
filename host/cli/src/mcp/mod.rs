//! `pod-tools mcp`: the plugin's tools for any agent that speaks the Model Context Protocol.
//!
//! From the client inwards: a transport ([`stdio`] or [`http`]) turns bytes into messages within bounds
//! ([`frame`], [`ids`]) and knows when an answer is out ([`delivery`]), which has a [room](answer_room) until
//! then; [`session`] answers the protocol's
//! requests; [`server`] is what all sessions share, and the one place through which every call passes.
//! [`catalogue`] shows the component's tools in the protocol's terms, [`answer`] their outcomes, both in the
//! [`client`]'s form, [`reader`] whose read cursors it moves, [`transcripts`] the pods' conversations as
//! resources, [`mod@watched`] and [`attendant`] tell subscribers when one has changed, [`client_log`] takes log
//! lines to clients. [`install`] sets a client up, and serves nobody.

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
mod install;
mod print_config;
mod reader;
mod server;
mod session;
mod stdio;
mod transcripts;
mod watched;

use std::io::IsTerminal;
use std::process::ExitCode;

use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

use self::args::Http;
pub use self::args::McpArgs;
pub use self::client_log::ClientLog;
use self::http::address::Address;
use self::install::{Client, Wanted};
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

/// What a person is told who starts it as if it were a program for people.
const FOR_PEOPLE: &str = "\
this is a server for agents, which start it and talk to it over a pipe (Model Context Protocol); standard input is a \
terminal.
  pod-tools mcp --install claude    sets an agent up: claude, codex, gemini, opencode, cursor, vscode or zed
  pod-tools mcp --http 8080         serves any number of agents
  pod-tools mcp --help              has the rest";

pub async fn run(args: McpArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if let Some(client) = args.print_config {
        return print_config::run(client, host).await;
    }
    if let Some(client) = args.install {
        return match wanted(client, &args) {
            Ok(wanted) => install::run(wanted, host).await,
            Err(why) => Ok(used_wrongly(&why)),
        };
    }
    let address = match address(args.http.as_ref()) {
        Ok(address) => address,
        Err(why) => return Ok(used_wrongly(&why)),
    };
    // A client on a pipe has started this process where it works itself; one over HTTP is anywhere.
    let directory = address.is_none().then(|| std::env::current_dir().ok()).flatten();
    let readers = match address {
        _ if host.reader.is_some() => Readers::Given,
        Some(_) => Readers::OverHttp(InUse::default()),
        None => Readers::In(directory.clone().unwrap_or_default()),
    };
    let mut host = host.for_a_model(directory);
    host.default_output = Some(MODEL_OUTPUT);
    let host = &host;
    // Kept to the end: it follows the grants file.
    let in_force = watched(host)?;
    let listener = match address {
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

/// Where to serve; `None`: on standard input and output.
fn address(http: Option<&Http>) -> Result<Option<Address>, String> {
    match http {
        Some(Http::Listen(address)) => Ok(Some(*address)),
        Some(Http::At(url)) => Err(format!(
            "--http {} is the URL of a server that is there: it goes with --install CLIENT. To serve, name an \
             address: --http 8080",
            url.as_str()
        )),
        None if std::io::stdin().is_terminal() => Err(FOR_PEOPLE.to_owned()),
        None => Ok(None),
    }
}

fn wanted(client: Client, args: &McpArgs) -> Result<Wanted, String> {
    let url = match &args.http {
        None => None,
        Some(Http::At(url)) => Some(url.clone()),
        Some(Http::Listen(Address(address))) => {
            return Err(format!(
                "--install with --http (POD_TOOLS_HTTP) takes the URL of a server: http://{address}/mcp. Without \
                 it, the client starts a server of its own"
            ));
        }
    };
    Ok(Wanted { client, url, remove: args.remove, dry_run: args.dry_run })
}

fn used_wrongly(why: &str) -> ExitCode {
    tell(format_args!("pod-tools: {why}"));
    ExitCode::from(2)
}
