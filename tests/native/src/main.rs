//! The tools' logic as native code, over the same imports: a host under test like any other, with no sandbox
//! between the tools and the host. What fails in the plugin and not here is the sandbox's doing.
//!
//! `native-host call --batch` takes the host options of `pod-tools` that make sense for it.

mod imports;
/// The options are those of `pod-tools`, and so are the remedies.
#[path = "../../../host/cli/src/options/remedy.rs"]
mod remedy;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use pod_tools_host::{Authority, ErrorKind, Grant, Limits, PodCtx, Staged, ToolError};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::imports::Native;

#[derive(Debug, Parser)]
struct Options {
    /// `call`
    command: String,
    #[arg(long, required = true)]
    batch: bool,
    #[arg(long)]
    base_dir: PathBuf,
    #[arg(long)]
    runtime_dir: PathBuf,
    #[arg(long)]
    scope_lock: PathBuf,
    #[arg(long = "grant")]
    grants: Vec<Grant>,
    #[arg(long)]
    allow_sockets: Vec<PathBuf>,
    #[arg(long, value_parser = seconds)]
    op_timeout: Option<Duration>,
    #[arg(long, value_parser = seconds)]
    call_timeout: Option<Duration>,
    #[arg(long)]
    max_line: Option<u64>,
    #[arg(long)]
    max_output: Option<u64>,
    #[arg(long)]
    host_calls: Option<u64>,
    #[arg(long)]
    handles: Option<usize>,
    #[arg(long)]
    exchanges: Option<usize>,
}

/// `5s`, `300ms`
fn seconds(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis(1)),
        None => (text.trim_end_matches('s'), Duration::from_secs(1)),
    };
    let number: f64 = digits.parse().map_err(|_| format!("`{text}` is not a time"))?;
    Ok(unit.mul_f64(number))
}

impl Options {
    fn authority(&self) -> Result<Authority, ToolError> {
        let mut limits = Limits::default();
        limits.operation_time = self.op_timeout.unwrap_or(limits.operation_time);
        limits.call_time = self.call_timeout.unwrap_or(limits.call_time);
        limits.line = self.max_line.unwrap_or(limits.line);
        limits.output = self.max_output;
        limits.host_calls = self.host_calls.unwrap_or(limits.host_calls);
        limits.handles = self.handles.unwrap_or(limits.handles);
        limits.exchanges = self.exchanges.unwrap_or(limits.exchanges);
        let mut builder = Authority::builder()
            .remedy(remedy::remedy)
            .runtime_dir(&self.runtime_dir)
            .scope_lock(&self.scope_lock)
            .limits(limits);
        let all = [Grant::all()];
        for grant in if self.grants.is_empty() { &all[..] } else { &self.grants } {
            builder = builder.grant(grant.clone());
        }
        let default = [self.base_dir.clone(), self.runtime_dir.clone()];
        for directory in if self.allow_sockets.is_empty() { &default[..] } else { &self.allow_sockets } {
            builder = builder.allow_sockets(directory);
        }
        builder.build().map_err(remedy::explained)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    tool: String,
    input: Option<Box<RawValue>>,
    input_json: Option<String>,
}

type Outcome = Result<(pod_tools_guest::Output, Staged), ToolError>;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let authority = options.authority();
    let mut out = std::io::stdout().lock();
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            let outcome = authority.clone().and_then(|authority| answer(&runtime, &authority, &line));
            serde_json::to_writer(&mut out, &shown(&outcome)?)?;
            out.write_all(b"\n")?;
            out.flush()?;
            if let Ok((_, staged)) = outcome
                && let Err(error) = runtime.block_on(staged.store())
            {
                eprintln!("native-host: {error}");
            }
        }
        line.clear();
    }
    Ok(())
}

fn answer(runtime: &tokio::runtime::Runtime, authority: &Authority, line: &[u8]) -> Outcome {
    let bad =
        |why: String| ToolError::new(ErrorKind::InvalidArgument, None, format!("invalid batch line: {why}"));
    let request: Request = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
    let input = match (&request.input, &request.input_json) {
        (Some(_), Some(_)) => return Err(bad("it has both `input` and `input_json`".to_owned())),
        (Some(input), None) => input.get(),
        (None, Some(text)) => text,
        (None, None) => "",
    };
    let host = Native::new(runtime.handle().clone(), PodCtx::new(authority));
    let output = pod_tools_guest::call(&host, &request.tool, input);
    let (staged, handed, ended) = host.finish();
    if let Some(error) = ended {
        return Err(error);
    }
    let mut output = output.map_err(imports::tool_error)?;
    if !handed.is_empty() {
        output.content = Some(handed + &output.content.unwrap_or_default());
    }
    Ok((output, staged))
}

fn shown(outcome: &Outcome) -> serde_json::Result<serde_json::Value> {
    Ok(match outcome {
        Ok((pod_tools_guest::Output { summary, content, data }, _)) => {
            let data: serde_json::Value = serde_json::from_str(data)?;
            json!({ "ok": { "summary": summary, "content": content, "data": data } })
        }
        Err(error) => json!({ "err": error }),
    })
}
