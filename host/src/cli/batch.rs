//! `pod-tools call --batch`: a JSON line in, a JSON line out. Also the face that a conformance kit talks to.

use std::io::{BufRead, Read};
use std::process::ExitCode;

use pod_tools_host::{Answer, ErrorKind, ToolError};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::INTERRUPTED;
use crate::call::{Caller, Line, delivered};
use crate::interrupt::{Interrupt, print};

/// The longest line that is read: a message of 64 MiB, and its escapes.
const MAX_LINE: u64 = 256 << 20;

/// One call: `input` is the arguments as JSON, `input_json` the same as a text that is handed on as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    tool: String,
    input: Option<Box<RawValue>>,
    input_json: Option<String>,
}

/// Answers until the end of input. Exit status 0, whatever the answers were; 1 if no tool could be called at
/// all, which each answer then says.
pub async fn run(caller: &Caller, mut interrupt: Interrupt) -> anyhow::Result<ExitCode> {
    let mut lines = read_lines();
    loop {
        let next = async {
            let line = lines.recv().await?;
            Some(answer(caller, line).await)
        };
        let Some(outcome) = interrupt.or(next).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let Some(outcome) = outcome else {
            return Ok(ExitCode::from(u8::from(!caller.is_ready())));
        };
        let Some(printed) = interrupt.or(print(Line::from(&outcome).to_bytes()?)).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        printed?;
        if let Ok(answer) = outcome {
            delivered(answer).await;
        }
    }
}

async fn answer(caller: &Caller, line: Result<Vec<u8>, String>) -> Result<Answer, ToolError> {
    let bad =
        |why: String| ToolError::new(ErrorKind::InvalidArgument, None, format!("invalid batch line: {why}"));
    let line = line.map_err(bad)?;
    let request: Request = serde_json::from_slice(&line).map_err(|error| bad(error.to_string()))?;
    let input = match (&request.input, &request.input_json) {
        (Some(_), Some(_)) => return Err(bad("it has both `input` and `input_json`".to_owned())),
        (Some(input), None) => input.get(),
        (None, Some(text)) => text,
        (None, None) => "",
    };
    caller.call(&request.tool, input).await
}

/// The lines of standard input, from a thread of their own: it may still wait for one when the process ends.
/// A line that cannot be taken is an error in its place; blank lines are passed over.
fn read_lines() -> mpsc::Receiver<Result<Vec<u8>, String>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match (&mut input).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    let _ = sender.blocking_send(Err(format!("standard input: {error}")));
                    return;
                }
            }
            let too_long = line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n');
            let line = if too_long {
                if input.skip_until(b'\n').is_err() {
                    return;
                }
                Err(format!("it has more than {MAX_LINE} bytes"))
            } else if line.trim_ascii().is_empty() {
                continue;
            } else {
                Ok(line)
            };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
