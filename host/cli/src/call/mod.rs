//! `pod-tools call`: one tool call, or a batch of them.

pub mod answer_line;
mod batch;

use std::io::Read;
use std::process::ExitCode;

use pod_tools_host::Answer;
use serde::Deserialize;
use tokio::sync::oneshot;

use self::answer_line::AnswerLine;
use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::stdout::{failure, print, print_json};
use crate::streams::{self, tell};
use crate::tool_arguments::Words;

/// Call a tool of the plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools call ListPods\n  \
    pod-tools call SendToPod name=worker message=hello\n  \
    pod-tools call SendToPod name=worker message=- < letter         standard input\n  \
    pod-tools call SendToPod '{\"name\":\"worker\",\"message\":\"hello\"}'\n  \
    pod-tools call ReadPodOutput name=worker --json\n  \
    pod-tools call ReadPodOutput name=worker --peek                 look, and leave it to be read\n  \
    echo '{\"tool\":\"ListPods\"}' | pod-tools call --batch\n\n\
    Exit status: 0 done, 1 the tool failed, 2 used wrongly, 130 interrupted.")]
pub struct CallArgs {
    /// The tool: ListPods, SendToPod, ReadPodOutput, StopPod or WaitForPods; `pod-tools tools` tells of each
    #[arg(required_unless_present = "batch")]
    tool: Option<String>,

    /// The tool's arguments: a JSON object, or KEY=VALUE for each, with commas in a list; `-` reads it from standard input
    #[arg(value_name = "JSON|KEY=VALUE")]
    input: Vec<String>,

    /// Answer with one JSON line: {"ok":{…}} or {"err":{…}}
    #[arg(long)]
    json: bool,

    /// Look and move no read cursor: what is read will be given again
    #[arg(long)]
    peek: bool,

    /// Read calls from standard input, one JSON line each ({"tool":NAME,"input":{…}}), and answer each with
    /// one line, in order
    #[arg(long, conflicts_with_all = ["tool", "input", "json"])]
    batch: bool,
}

/// The most that is read from standard input: more than any message may have.
const MAX_INPUT: u64 = 256 << 20;

pub async fn run(args: CallArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let mut interrupt = Interrupt::catch()?;
    let Some(tool) = args.tool else {
        return batch::run(&caller, args.peek, interrupt).await;
    };
    let words = Words::of(&args.input);
    let stdin = if words.ask_for_input() { Some(interrupt.or(whole_input()).await) } else { None };
    let stdin = match stdin {
        Some(None) => return Ok(ExitCode::from(INTERRUPTED)),
        Some(Some(read)) => Some(read?),
        None => None,
    };
    let definition = caller.definitions().iter().find(|definition| definition.name == tool);
    let schema = definition.and_then(|tool| serde_json::from_str(tool.input_schema.get()).ok());
    let input = words.to_json(&tool, schema.as_ref(), stdin.as_deref())?;
    let call = ToolCall { name: &tool, input: &input, reader: None, peek: args.peek };
    let Some(outcome) = interrupt.or(caller.call(&call, admitted())).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let outcome = outcome.map_err(|error| {
        // Programs read the plugin's own words.
        if args.json {
            return error;
        }
        let named = serde_json::from_str(&input).ok();
        explained(error, &caller, &tool, named.as_ref().map(|Named { name }| name.as_str()))
    });

    let printed = async {
        match &outcome {
            _ if args.json => print_json(AnswerLine::from(&outcome).to_line()?).await,
            Ok(answer) => print(shown(&caller.summary(&tool, answer.output()), answer)).await,
            Err(error) => {
                tell(format_args!("pod-tools: {}", failure(error)));
                Ok(())
            }
        }
    };
    let Some(printed) = interrupt.or(printed).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    printed?;
    match outcome {
        Ok(answer) => {
            caller.deliver(answer.into_parts().1).await;
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => Ok(ExitCode::from(1)),
    }
}

/// An input that names a pod.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Standard input to its end. Ctrl-C does not wait for the thread that reads it.
async fn whole_input() -> std::io::Result<String> {
    let (sender, read) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut text = String::new();
        let read = streams::input().and_then(|input| input.take(MAX_INPUT + 1).read_to_string(&mut text));
        let _ = sender.send(match read {
            Ok(read) if read as u64 > MAX_INPUT => {
                Err(std::io::Error::other(format!("standard input has more than {MAX_INPUT} bytes")))
            }
            read => read.map(|_| text),
        });
    })?;
    read.await.unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()))
}

fn shown(summary: &str, answer: &Answer) -> String {
    match &answer.output().content {
        Some(content) => format!("{summary}\n\n{}\n", content),
        None => format!("{summary}\n"),
    }
}
