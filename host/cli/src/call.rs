//! `pod-tools call`: one tool call.

use std::io::IsTerminal;
use std::process::ExitCode;

use pod_tools_host::{Answer, PodTools, ToolError};
use serde::Serialize;

use crate::audit::{self, AuditLog};
use crate::grants_file::reload::{InForce, watched};
use crate::interrupt::{Interrupt, print};
use crate::options::{HostOptions, SetUpError};
use crate::{INTERRUPTED, batch};

/// Call a tool of the plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools call ListPods\n  \
    pod-tools call SendToPod '{\"name\":\"worker\",\"message\":\"hello\"}'\n  \
    pod-tools call ReadPodOutput '{\"name\":\"worker\"}' --json\n  \
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

    /// Read calls from standard input, one JSON line each ({"tool":NAME,"input":{…}}), and answer each with
    /// one line, in order
    #[arg(long, conflicts_with_all = ["tool", "input", "json"])]
    batch: bool,
}

/// The plugin and its authority; or why there is none, which is then the outcome of every call.
pub struct Caller {
    ready: Result<(PodTools, InForce), ToolError>,
    audit: Option<AuditLog>,
}

impl Caller {
    /// Fails where what was said on the command line, or is written in a grants file, makes no sense.
    fn set_up(host: &HostOptions) -> Result<Self, SetUpError> {
        let ready = match watched(host) {
            Ok(in_force) => host.load().map(|tools| (tools, in_force)),
            Err(SetUpError::Authority(error)) => Err(error),
            Err(error) => return Err(error),
        };
        let component = ready.as_ref().ok().map(|(tools, _)| tools.component_sha256());
        Ok(Self { audit: host.audit_log(component)?, ready })
    }

    pub fn is_ready(&self) -> bool {
        self.ready.is_ok()
    }

    /// Calls a tool, with the authority that is in force now.
    pub async fn call(&self, tool: &str, input: &str) -> Result<Answer, ToolError> {
        let (tools, in_force) = self.ready.as_ref().map_err(Clone::clone)?;
        let authority = in_force.authority.borrow().clone();
        let Some(audit) = &self.audit else { return tools.call(&authority, tool, input).await };
        let entry = audit.begin(tool)?;
        let outcome = tools.call(&authority.recorded_in(entry.ledger()), tool, input).await;
        entry.finish(outcome.as_ref().map(|answer| audit::size(answer.output())));
        outcome
    }
}

/// A call's outcome as a JSON line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    Ok(&'a pod_tools_host::Output),
    Err(&'a ToolError),
}

impl Line<'_> {
    /// The line, with its end.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

impl<'a> From<&'a Result<Answer, ToolError>> for Line<'a> {
    fn from(outcome: &'a Result<Answer, ToolError>) -> Self {
        match outcome {
            Ok(answer) => Line::Ok(answer.output()),
            Err(error) => Line::Err(error),
        }
    }
}

pub async fn run(args: CallArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let mut interrupt = Interrupt::catch()?;
    let Some(tool) = args.tool else {
        return batch::run(&caller, interrupt).await;
    };
    let Some(outcome) = interrupt.or(caller.call(&tool, &args.input)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };

    let answer = match &outcome {
        _ if args.json => Line::from(&outcome).to_bytes()?,
        Ok(answer) => shown(answer).into_bytes(),
        Err(error) => {
            eprintln!("pod-tools: {} [{}]", for_people(&error.message), words(error));
            return Ok(ExitCode::from(1));
        }
    };
    let Some(printed) = interrupt.or(print(answer)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    printed?;
    match outcome {
        Ok(answer) => {
            delivered(answer).await;
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => Ok(ExitCode::from(1)),
    }
}

/// Stores what the call has staged, now that its answer is out. A failure takes nothing back: the text was
/// given, and will be given again.
pub async fn delivered(answer: Answer) {
    if let Err(error) = answer.delivered().await {
        eprintln!("pod-tools: warning: {error}");
    }
}

/// An error's kind and reason, as they stand in brackets behind its message.
pub fn words(error: &ToolError) -> String {
    match error.reason {
        Some(reason) => format!("{}: {reason}", error.kind),
        None => error.kind.to_string(),
    }
}

fn shown(answer: &Answer) -> String {
    let output = answer.output();
    let summary = for_people(&output.summary);
    match &output.content {
        Some(content) => format!("{summary}\n\n{}\n", for_people(content)),
        None => format!("{summary}\n"),
    }
}

/// A text for the terminal, if it goes to one: what would steer it is shown, not done.
pub fn for_people(text: &str) -> String {
    if !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}
