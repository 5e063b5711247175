//! `pod-tools stop`: ends pods, each by a call of StopPod.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use serde_json::json;
use tokio::sync::oneshot;

use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::listing::Listing;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::stdout::{failure, print};
use crate::streams::{self, tell};

/// Stop pods, and wait until they are gone
///
/// Exit status: 0 all are stopped, 1 one at least is not; the others are stopped all the same.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// The pods
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,

    /// All pods that `pod-tools ls` shows. At a terminal it asks first
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// And the pods that they have spawned, and theirs, deepest first
    #[arg(short, long, conflicts_with = "all")]
    descendants: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(args: StopArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let stopped = interrupt.or(stop(args, host)).await;
    stopped.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn stop(args: StopArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let mut names = args.names;
    if args.all {
        names = match Listing::of(&caller).await {
            Ok((listing, _)) => listing.pods.into_iter().map(|pod| pod.name).collect(),
            Err(error) => {
                tell(format_args!("pod-tools: {}", failure(&error)));
                return Ok(ExitCode::FAILURE);
            }
        };
        if names.is_empty() {
            print("no pods to stop\n".to_owned()).await?;
            return Ok(ExitCode::SUCCESS);
        }
        match args.yes || agreed(&names).await? {
            true => {}
            false => return Ok(ExitCode::FAILURE),
        }
    }
    let mut all_stopped = true;
    for name in &names {
        let mut input = json!({"name": name});
        if args.descendants {
            input["descendants"] = true.into();
        }
        let input = input.to_string();
        let call = ToolCall { name: "StopPod", input: &input, reader: None, peek: false };
        match caller.call(&call, admitted()).await {
            Ok(answer) => {
                print(format!("{}\n", answer.output().summary)).await?;
                caller.deliver(answer.into_parts().1).await;
            }
            Err(error) => {
                all_stopped = false;
                let error = explained(error, &caller, call.name, Some(name));
                tell(format_args!("pod-tools: {}", failure(&error)));
            }
        }
    }
    Ok(if all_stopped { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks whether these are to be stopped.
async fn agreed(names: &[String]) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        anyhow::bail!("--all asks first, and there is no terminal to ask at; add --yes");
    }
    let shown: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
    tell(format_args!("Stop {} pod(s): {}? [y/N]", names.len(), shown.join(", ")));
    let (sender, answer) = oneshot::channel();
    // Ctrl-C does not wait for this thread.
    std::thread::Builder::new().spawn(move || {
        let mut line = String::new();
        let read = streams::input()
            .and_then(|input| io::BufRead::read_line(&mut io::BufReader::new(input), &mut line));
        let _ = sender.send(read.map(|_| line));
    })?;
    let answer = answer.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
