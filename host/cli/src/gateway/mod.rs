//! `pod-tools gateway`: the plugin's imports for hosts elsewhere on this machine. What a request means and whether it may
//! be is the library's ([`pod_tools_host::gateway`]); here are the bounds around it: who may come in ([`callers`]), how
//! many, with how much, for how long ([`places`], [`frames`], [`connection`]), and what they wait for ([`delivery`]).

mod args;
mod callers;
mod connection;
mod delivery;
mod frames;
mod listener;
mod places;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::SignalKind;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::args::GatewayArgs;
use self::callers::Callers;
use self::connection::Gateway;
use self::listener::Listener;
use self::places::Places;
use crate::exit::{INTERRUPTED, TERMINATED};
use crate::in_force::followed;
use crate::inherited::next;
use crate::interrupt::{ORDERLY_END, ending};
use crate::newcomers::Newcomers;
use crate::options::HostOptions;
use crate::stdout::print_json;
use crate::streams::tell;
use crate::token::Token;

/// Sessions have so long to end when the gateway does.
const LAST_SESSIONS: Duration = Duration::from_secs(3);
/// Out of descriptors, it is tried again so much later.
const RETRY: Duration = Duration::from_millis(100);

pub async fn run(args: GatewayArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    raise_descriptor_limit();
    // What a client is told, a model may read.
    let host = &host.for_a_model(None);
    let token = match args.token_file.as_deref().map(Token::read).transpose() {
        Ok(token) => token.map(Arc::new),
        Err(error) => return Ok(used_wrongly(&error)),
    };
    // Kept to the end: it follows the grants file.
    let callers =
        followed(host, move |host, file, earlier| Callers::new(host, token.as_ref(), file, earlier))?;
    let audit = host.audit_log(None)?;
    let listener = match args.socket.as_deref() {
        Some(path) => Listener::at_socket(path),
        None => Listener::at(args.listen),
    };
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return Ok(used_wrongly(&error)),
    };
    let mut interrupt = ending(SignalKind::interrupt(), INTERRUPTED, ORDERLY_END)?;
    let mut terminate = ending(SignalKind::terminate(), TERMINATED, ORDERLY_END)?;
    let line = listener.line()?;
    tell(format_args!("{}", how_to_use(&args, &listener)?));
    if host.grants_everything() {
        tell(format_args!(
            "pod-tools: who has the token may do everything with every pod; say less with --grant or --grants"
        ));
    }
    print_json(format!("{line}\n")).await?;

    let stopping = CancellationToken::new();
    let places = Places::new(args.max_sessions, args.max_caller_sessions);
    let grants_file = host.grants_file().map(ToOwned::to_owned);
    let gateway = Gateway::new(callers.newest.clone(), places, audit, grants_file, stopping.clone());
    let mut connections = JoinSet::new();
    let code = tokio::select! {
        () = accept(&listener, &gateway, &mut connections) => ExitCode::SUCCESS,
        () = next(&mut interrupt) => ExitCode::from(INTERRUPTED),
        () = next(&mut terminate) => ExitCode::SUCCESS,
    };
    drop(listener);
    stopping.cancel();
    let _ = timeout(LAST_SESSIONS, async { while connections.join_next().await.is_some() {} }).await;
    Ok(code)
}

/// Takes in connections without end.
async fn accept(listener: &Listener, gateway: &Arc<Gateway>, connections: &mut JoinSet<()>) {
    let newcomers = Newcomers::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let newcomer = newcomers.enter(address).await;
                    connections.spawn(gateway.clone().serve(stream, newcomer));
                }
                Err(error) => {
                    tracing::warn!("a connection could not be taken: {error}");
                    sleep(RETRY).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Sessions and their exchanges may be more than a process is given descriptors unasked. Where the limit may not be
/// raised, who comes waits until some are free.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// For people.
fn how_to_use(args: &GatewayArgs, listener: &Listener) -> anyhow::Result<String> {
    let token = match &args.token_file {
        Some(file) => format!("\"$(cat '{}')\"", file.display()),
        None => "the text of the caller's token file".to_owned(),
    };
    Ok(match listener {
        Listener::Tcp(listener) => {
            let address = listener.local_addr()?;
            format!(
                "pod-tools: serving the plugin's imports at {address}; a client needs POD_TOOLS_GATEWAY={address} and \
                 POD_TOOLS_TOKEN={token}"
            )
        }
        Listener::Unix(_, file) => format!(
            "pod-tools: serving the plugin's imports at {}; a client needs that path, and as its token {token}",
            file.path().display()
        ),
    })
}

fn used_wrongly(error: &anyhow::Error) -> ExitCode {
    tell(format_args!("pod-tools: {error:#}"));
    ExitCode::from(2)
}
