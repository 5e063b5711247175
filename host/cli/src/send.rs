//! `pod-tools send`: a message to a pod, by a call of SendToPod.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use clap::ValueEnum;
use pod_tools_host::ToolError;
use serde_json::json;
use tokio::sync::oneshot;

use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::read::{Outcome, Reading, Until, follow, follow_from};
use crate::reader::of_person;
use crate::stdout::failure;
use crate::streams::{input, tell};

/// How long a message from standard input may be, in bytes: pods take no longer lines.
const MAX_MESSAGE: u64 = 64 << 20;

/// Send a pod a message
///
/// It is the pod's next turn. A pod that is busy takes none, unless it is to be waited for (`--when-busy wait`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools send reviewer 'What does this project do?' --wait\n  \
    git diff | pod-tools send reviewer\n\n\
    Exit status: 0 sent, and with --wait the run went well; 1 it was not sent, or the run failed.")]
pub struct SendArgs {
    /// The pod
    #[arg(value_name = "NAME")]
    name: String,

    /// The message; without one, or with `-`, what standard input gives
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,

    /// Then read: what you have not read, and the answer as it comes, until the run has ended
    #[arg(short, long)]
    wait: bool,

    /// With `wait`, a pod that is busy is sent the message when its run has ended, within --call-timeout
    #[arg(long, value_name = "WHAT")]
    when_busy: Option<WhenBusy>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhenBusy {
    Wait,
}

/// There is nothing to send.
#[derive(Debug, thiserror::Error)]
#[error("there is no message: write it behind the pod's name, or give it on standard input")]
pub struct NoMessage;

pub async fn run(args: SendArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let sent = interrupt.or(send(args, host)).await;
    sent.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn send(args: SendArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let message = match args.message {
        Some(message) if message != "-" => message,
        given => message_of_input(given.is_some()).await?,
    };
    let caller = Caller::set_up(host)?;
    let mut input = json!({"name": args.name, "message": message});
    if let Some(WhenBusy::Wait) = args.when_busy {
        input["when_busy"] = "wait".into();
    }
    let input = input.to_string();
    let call = ToolCall { name: "SendToPod", input: &input, reader: None, peek: false };
    let send = async {
        let sent = caller.call(&call, admitted()).await;
        let sent = sent.map_err(|error| failed(explained(error, &caller, call.name, Some(&args.name))))?;
        tell(format_args!("{}", sent.output().summary));
        anyhow::Ok(())
    };
    if !args.wait {
        send.await?;
        return Ok(ExitCode::SUCCESS);
    }
    let reader = of_person(host);
    let reading = Reading { caller: &caller, pod: &args.name, reader: reader.as_ref(), peek: false };
    let outcome = match args.when_busy {
        None => follow_from(reading, send).await?,
        // What is said until the message is taken is not its answer.
        Some(WhenBusy::Wait) => {
            send.await?;
            follow(reading, Until::RunEnds).await?
        }
    };
    Ok(match outcome {
        Outcome::Well => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
        Outcome::Gone => {
            tell(format_args!("pod-tools: pod `{}` has ended before its answer", args.name));
            ExitCode::FAILURE
        }
    })
}

fn failed(error: ToolError) -> anyhow::Error {
    anyhow::Error::msg(failure(&error))
}

/// All that standard input gives. At a terminal it has to be asked for.
async fn message_of_input(is_asked_for: bool) -> anyhow::Result<String> {
    if !is_asked_for && io::stdin().is_terminal() {
        return Err(NoMessage.into());
    }
    let (sender, message) = oneshot::channel();
    // Ctrl-C does not wait for this thread.
    std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = input().and_then(|input| input.take(MAX_MESSAGE + 1).read_to_end(&mut bytes));
        let _ = sender.send(read.map(|_| bytes));
    })?;
    let bytes = message.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_MESSAGE,
        "the message is longer than {} MiB, and pods take none that is: name a file in it",
        MAX_MESSAGE >> 20
    );
    let message = String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!("the message is not UTF-8 from byte {} on", error.utf8_error().valid_up_to())
    })?;
    if message.is_empty() {
        return Err(NoMessage.into());
    }
    Ok(message)
}
