//! `pod-tools call`: one tool call, or a batch of them.

pub mod answer_line;
mod batch;

use std::process::ExitCode;

use pod_tools_host::Answer;

use self::answer_line::AnswerLine;
use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::options::HostOptions;
use crate::stdout::{failure, print, print_json};
use crate::streams::tell;

/// Call a tool of the plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools call ListPods\n  \
    pod-tools call SendToPod '{\"name\":\"worker\",\"message\":\"hello\"}'\n  \
    pod-tools call ReadPodOutput '{\"name\":\"worker\"}' --json\n  \
    pod-tools call ReadPodOutput '{\"name\":\"worker\"}' --peek     look, and leave it to be read\n  \
    echo '{\"tool\":\"ListPods\"}' | pod-tools call --batch\n\n\
    Exit status: 0 done, 1 the tool failed, 2 used wrongly, 130 interrupted.")]
pub struct CallArgs {
    /// The tool: ListPods, SendToPod, ReadPodOutput or StopPod
    #[arg(required_unless_present = "batch")]
    tool: Option<String>,

    /// The tool's arguments, a JSON object
    #[arg(value_name = "JSON", default_value = "")]
    input: String,

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

pub async fn run(args: CallArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let mut interrupt = Interrupt::catch()?;
    let Some(tool) = args.tool else {
        return batch::run(&caller, args.peek, interrupt).await;
    };
    // Some shells and editors put it before what they pass on.
    let input = args.input.trim_start_matches('\u{feff}');
    let call = ToolCall { name: &tool, input, reader: None, peek: args.peek };
    let Some(outcome) = interrupt.or(caller.call(&call, admitted())).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };

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

fn shown(summary: &str, answer: &Answer) -> String {
    match &answer.output().content {
        Some(content) => format!("{summary}\n\n{}\n", content),
        None => format!("{summary}\n"),
    }
}
