//! `pod-tools call --batch`: a JSON line in, a JSON line out. Also the face that a conformance kit talks to.

use std::process::ExitCode;

use pod_tools_host::{Answer, ErrorKind, ToolError};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer_line::AnswerLine;
use crate::caller::{Caller, ToolCall, admitted};
use crate::exit::INTERRUPTED;
use crate::input_lines::Input;
use crate::interrupt::Interrupt;
use crate::stdin::Lines;
use crate::stdout::print_json;

/// The longest line that is read: a message of 64 MiB, and its escapes.
const MAX_LINE: u64 = 256 << 20;

/// One call: `input` is the arguments as JSON, `input_json` the same as a text that is handed on as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchCall {
    tool: String,
    input: Option<Box<RawValue>>,
    input_json: Option<String>,
}

/// Answers until the end of input. Exit status 0, whatever the answers were; 1 if no tool could be called at
/// all, which each answer then says, and if the input could not be read to its end.
pub async fn run(caller: &Caller, peek: bool, mut interrupt: Interrupt) -> anyhow::Result<ExitCode> {
    let mut lines = Lines::of_input(MAX_LINE)?;
    let mut complete = true;
    loop {
        let next = async {
            // Signals are seen between any two lines, however many are there at once.
            tokio::task::yield_now().await;
            let line = lines.next().await?;
            complete &= !matches!(line, Input::Failed(_));
            Some(answer(caller, peek, line).await)
        };
        let Some(outcome) = interrupt.or(next).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let Some(outcome) = outcome else {
            return Ok(ExitCode::from(u8::from(!caller.is_ready() || !complete)));
        };
        let Some(printed) = interrupt.or(print_json(AnswerLine::from(&outcome).to_line()?)).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        printed?;
        if let Ok(answer) = outcome {
            caller.deliver(answer.into_parts().1).await;
        }
    }
}

async fn answer(caller: &Caller, peek: bool, line: Input<()>) -> Result<Answer, ToolError> {
    let bad =
        |why: String| ToolError::new(ErrorKind::InvalidArgument, None, format!("invalid batch line: {why}"));
    let line = match line {
        Input::Line(line) => line,
        Input::TooLong(()) => return Err(bad(format!("it has more than {MAX_LINE} bytes"))),
        Input::Failed(error) => return Err(bad(format!("standard input: {error}"))),
    };
    let call: BatchCall = serde_json::from_slice(&line).map_err(|error| bad(error.to_string()))?;
    let input = match (&call.input, &call.input_json) {
        (Some(_), Some(_)) => return Err(bad("it has both `input` and `input_json`".to_owned())),
        (Some(input), None) => input.get(),
        (None, Some(text)) => text,
        (None, None) => "",
    };
    caller.call(&ToolCall { name: &call.tool, input, reader: None, peek }, admitted()).await
}
