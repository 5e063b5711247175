//! `pod-tools spawn`: a pod in the background, as one step that is taken whole or not at all.
//!
//! The pod is `pod-tools pod`, in a process of its own. All that a pod's start does is done there, and taken back there
//! where it fails; this process waits for the line that says that the pod is ready, and then sends the first message as
//! anybody sends one. A first message that fails leaves a pod that is listed.

mod command_line;
mod direct;
mod started;
mod unit;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

pub use self::command_line::pod_arguments;
use self::started::Started;
use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::inherited::keep_descriptors;
use crate::interrupt::Interrupt;
use crate::options::HostOptions;
use crate::pod::PodArgs;
use crate::stdout::{failure, print};
use crate::streams::tell;

/// Start a pod in the background
///
/// The pod is that of `pod-tools pod`, with the same options. When this ends with exit status 0 the pod is ready: its scope
/// is entered, it is listed, and it has been sent its first message, if there is to be one. Where the start fails, nothing
/// of it is left, and the end of what the pod has said is shown. A pod whose first message could not be sent is there all
/// the same, and the exit status is 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  \
    pod-tools spawn reviewer --scope read:. --connect-port 443 --env MY_AGENT_API_KEY -- my-agent --print\n  \
    pod-tools spawn reviewer --message 'What does this project do?' -- my-agent --print\n  \
    pod-tools ls\n  \
    pod-tools stop reviewer",
    after_long_help = "\
The pod has no terminal, and outlives the one that it was started from; SIGHUP does not end it. What it says, and what its \
command writes to standard error, is in its log: `pod-tools logs NAME`. A pod's command that starts pods starts children \
of its own pod, which end with it: their scopes must lie within that pod's scope. From behind a fence nobody can."
)]
pub struct SpawnArgs {
    #[command(flatten)]
    pod: PodArgs,

    /// Send this to the pod once it is recorded
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,

    /// Have the pod be a transient unit of your systemd
    ///
    /// `systemctl --user status pod-tools-NAME` shows it. It outlives your session where you may linger, and the system may bound it
    #[arg(long)]
    unit: bool,
}

/// `arguments` are those of the pod's own process.
pub async fn run(args: SpawnArgs, host: &HostOptions, arguments: Vec<OsString>) -> anyhow::Result<ExitCode> {
    if args.pod.show_instead()? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut interrupt = Interrupt::catch()?;
    // A pod is not to hold open what its starter's starter waits for the end of.
    keep_descriptors();
    let name = args.pod.name();
    let started = match args.unit {
        false => direct::start(&arguments, &mut interrupt).await?,
        true => unit::start(name.as_str(), &arguments, &mut interrupt).await?,
    };
    match started {
        Started::Ready(line) => print(line).await?,
        Started::Failed(status) => return Ok(ExitCode::from(status)),
        Started::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
    }
    let Some(message) = args.message else { return Ok(ExitCode::SUCCESS) };
    let caller = Caller::set_up(host)
        .with_context(|| format!("pod `{name}` is there, and its first message was not sent"))?;
    let input = json!({"name": name.as_str(), "message": message}).to_string();
    let call = ToolCall { name: "SendToPod", input: &input, reader: None, peek: false };
    match interrupt.or(caller.call(&call, admitted())).await {
        None => Ok(ExitCode::from(INTERRUPTED)),
        Some(Ok(answer)) => {
            print(format!("{}\n", answer.output().summary)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Err(error)) => {
            tell(format_args!(
                "pod-tools: pod `{name}` is there, and its first message was not sent: {}",
                failure(&error)
            ));
            Ok(ExitCode::FAILURE)
        }
    }
}
