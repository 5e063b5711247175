//! `pod-tools pod`: a pod of the protocol, in the foreground, around any command.
//!
//! It ends in the reverse order of its [start], with the directory last, because that is what holds the name. Clients
//! that stop the pod may release the entry and remove the record at the same time; what is gone already is no fault.
//!
//! Not taken back after SIGKILL: what is left is stale, and the next pod of that name cleans it up. The commands
//! of a pod do not outlive it, however it ends ([`supervisor`]).

mod acp;
mod agents;
mod args;
mod around;
mod background;
mod client;
mod directory;
mod ending;
mod environment;
mod fence;
mod history;
mod later;
mod limits;
pub mod log;
mod name;
mod notifications;
mod outbox;
pub mod program;
mod protocol;
mod registration;
mod scope_option;
mod server;
mod session;
mod signals;
mod start;
mod supervisor;
mod text;
mod turn;
mod turn_item;
mod worker;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

pub use self::agents::{AgentFault, NoTable};
pub use self::args::PodArgs;
use self::background::Background;
pub use self::background::SERVICE_MANAGER;
use self::ending::Ending;
use self::limits::PodLimits;
pub use self::name::PodName;
pub use self::program::NoProgram;
pub use self::protocol::Choice;
use self::server::PodServer;
use self::signals::Signals;
use self::start::Pod;
pub use self::supervisor::{WORD as SUPERVISOR, run as run_supervisor};
pub use self::text::Tail;
use crate::exit::INTERRUPTED;
use crate::options::HostOptions;
use crate::streams::tell;

/// Runs the pod until it is shut down.
///
/// # Errors
/// Whatever keeps it from starting, the name being taken and a conflict of scopes included; and what could
/// not be taken back in the end.
pub async fn run(args: PodArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    if args.show_instead()? {
        return Ok(ExitCode::SUCCESS);
    }
    let background = args.background.then(Background::enter);
    // From here on a signal waits until the pod is up, and then ends it in good order.
    let mut signals = match background {
        None => Signals::catch(),
        Some(_) => Signals::catch_without_terminal(),
    }
    .context("cannot catch signals")?;
    let limits = PodLimits { turn_output: args.max_turn_output, history: args.max_history };
    let mut pod = Pod::start(args, host, &mut signals).await?;
    let ready = format!(
        "pod `{}` ready at {}, {}",
        pod.name,
        pod.directory.socket_path().display(),
        pod.directory.held()
    );
    match background {
        None => tell(format_args!("{ready}")),
        Some(background) => background.ready(&pod.directory, &ready)?,
    }
    if let Err(error) = background::tell_service_manager() {
        tracing::warn!("the service manager cannot be told that the pod is ready: {error}");
    }
    let server = PodServer::new(&pod.directory, pod.worker, pod.session, pod.history, limits);
    let ending = server.serve(pod.listener, &mut signals).await;

    if ending == Ending::Lost {
        tell(format_args!(
            "pod `{}` ends: its directory `{}` was taken away",
            pod.name,
            pod.directory.socket_path().parent().unwrap_or(Path::new("")).display()
        ));
    }
    let removed = pod.recorded.remove();
    let released = pod.allocated.release();
    let cleared = pod.directory.remove();
    removed.and(released).and(cleared)?;
    Ok(match ending {
        Ending::Shutdown | Ending::Terminated => ExitCode::SUCCESS,
        Ending::Interrupted => ExitCode::from(INTERRUPTED),
        Ending::Lost => ExitCode::FAILURE,
    })
}
