//! `pod-tools wait`: until pods are done, by calls of WaitForPods, which cost nothing while they wait.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use pod_tools_host::{ErrorKind, ToolError};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::{INTERRUPTED, NOT_OVER};
use crate::interrupt::Interrupt;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::read::{Reading, Told};
use crate::stdout::{failure, print};
use crate::streams::tell;
use crate::units::duration;

/// Wait until pods are done with what they do
///
/// A line for each says how it went. A pod that does nothing is done already.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools wait reviewer && pod-tools read reviewer\n  \
    pod-tools wait a b c --any --timeout 10m\n\n\
    Exit status: 0 all ended well, 1 a run failed or its pod is gone, 3 it is not over: the time is up, or a\n\
    pod waits for an answer; 130 interrupted. With --any it is that of the first.")]
pub struct WaitArgs {
    /// The pods
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Until one of them is done
    #[arg(long)]
    any: bool,

    /// Wait no longer than that [default: as long as it takes]
    #[arg(short, long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
}

/// The data of WaitForPods.
#[derive(Debug, Deserialize)]
struct Waited {
    pods: Vec<WaitedFor>,
}

#[derive(Debug, Deserialize)]
struct WaitedFor {
    name: String,
    outcome: String,
    #[serde(default)]
    failed: Option<String>,
}

/// What is known of all that were waited for.
#[derive(Debug, Default)]
struct Known {
    some_failed: bool,
    some_are_not_over: bool,
}

pub async fn run(args: WaitArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let waited = interrupt.or(wait(args, host)).await;
    waited.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn wait(args: WaitArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut left = BTreeSet::from_iter(args.names);
    let mut known = Known::default();
    while !left.is_empty() {
        let waited = match deadline {
            None => wait_for_any(&caller, &left).await,
            Some(deadline) => match timeout_at(deadline, wait_for_any(&caller, &left)).await {
                Ok(waited) => waited,
                Err(_) => {
                    let names: Vec<String> = left.iter().map(|name| format!("`{name}`")).collect();
                    tell(format_args!("pod-tools: the time is up; not done: {}", names.join(", ")));
                    return Ok(ExitCode::from(NOT_OVER));
                }
            },
        };
        let waited = match waited {
            Ok(waited) => waited,
            Err(error) => {
                tell(format_args!("pod-tools: {}", failure(&error)));
                return Ok(ExitCode::FAILURE);
            }
        };
        let done = waited.pods.into_iter().filter(|pod| pod.outcome != "running" && left.contains(&pod.name));
        let mut done: Vec<WaitedFor> = done.collect();
        for pod in &mut done {
            if pod.outcome == "ended" && pod.failed.is_none() {
                look_back(&caller, pod).await;
            }
            print(known.line(pod)).await?;
            left.remove(&pod.name);
        }
        if args.any && !done.is_empty() {
            break;
        }
    }
    Ok(match known {
        Known { some_failed: true, .. } => ExitCode::FAILURE,
        Known { some_are_not_over: true, .. } => ExitCode::from(NOT_OVER),
        Known { .. } => ExitCode::SUCCESS,
    })
}

impl Known {
    /// Notes how a pod did, and says it.
    fn line(&mut self, pod: &WaitedFor) -> String {
        let said = match (&*pod.outcome, &pod.failed) {
            ("asked", _) => {
                self.some_are_not_over = true;
                format!("waits for an answer: `pod-tools answer {}`", pod.name)
            }
            (outcome, Some(reason)) => {
                self.some_failed = true;
                format!(
                    "{}: {reason}",
                    if outcome == "stopped" { "stopped; its last turn failed" } else { "failed" }
                )
            }
            ("ended", None) => "done".to_owned(),
            (outcome, None) => {
                self.some_failed = true;
                outcome.to_owned()
            }
        };
        format!("{}: {said}\n", pod.name)
    }
}

/// How the run of a pod went that has ended, whether or not somebody waited for it then: one that is gone by now cannot
/// say. Nothing is taken for read.
async fn look_back(caller: &Caller, pod: &mut WaitedFor) {
    let reading = Reading { caller, pod: &pod.name, reader: None, peek: true };
    let answer = reading.call(None).await;
    match answer.and_then(|answer| Told::of(&answer)) {
        Ok(told) if told.state != "stopped" => pod.failed = told.failure().map(str::to_owned),
        Ok(_) | Err(_) => pod.outcome = "stopped".to_owned(),
    }
}

/// Within the time of one call.
async fn wait_for_any(caller: &Caller, names: &BTreeSet<String>) -> Result<Waited, ToolError> {
    let input = json!({"names": names, "for": "any"}).to_string();
    let call = ToolCall { name: "WaitForPods", input: &input, reader: None, peek: false };
    let only = names.first().filter(|_| names.len() == 1).map(String::as_str);
    let answer = caller.call(&call, admitted()).await;
    let answer = answer.map_err(|error| explained(error, caller, call.name, only))?;
    serde_json::from_str(answer.output().data.get()).map_err(|error| {
        // Of a plugin that is not the bundled one.
        ToolError::new(ErrorKind::Internal, None, format!("the data of WaitForPods cannot be read: {error}"))
    })
}
