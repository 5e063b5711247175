//! `pod-tools call --batch`: a JSON line in, a JSON line out. Also the face that a conformance kit talks to.

use std::process::ExitCode;

use pod_tools_host::{Answer, ErrorKind, Staged, ToolError};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer_line::AnswerLine;
use crate::afar::DELIVERED;
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
    /// Leaves the text to be read, as `--peek` does for all calls.
    #[serde(default)]
    peek: bool,
    /// That the answer was written is not enough: it counts as delivered when the next line says so ([`DELIVERED`]).
    #[serde(default)]
    await_delivery: bool,
}

/// What is said to a line.
enum Said {
    Answered(Answered),
    /// What waited for the word of its delivery was stored, or was not.
    Delivered(Result<(), ToolError>),
}

/// What a call has come to.
struct Answered {
    outcome: Result<Answer, ToolError>,
    await_delivery: bool,
}

/// Answers until the end of input. Exit status 0, whatever the answers were; 1 if no tool could be called at
/// all, which each answer then says, and if the input could not be read to its end.
pub async fn run(caller: &Caller, peek: bool, mut interrupt: Interrupt) -> anyhow::Result<ExitCode> {
    let mut lines = Lines::of_input(MAX_LINE)?;
    let mut complete = true;
    // What is to be stored when the next line says that the answer was delivered.
    let mut held: Option<Staged> = None;
    loop {
        let next = async {
            // Signals are seen between any two lines, however many are there at once.
            tokio::task::yield_now().await;
            let line = lines.next().await?;
            complete &= !matches!(line, Input::Failed(_));
            let held = held.take();
            // Where nothing waits for it, it means nothing.
            if matches!(&line, Input::Line(line) if line.trim_ascii() == DELIVERED.as_bytes()) {
                let stored = match held {
                    Some(staged) => staged.store().await,
                    None => Ok(()),
                };
                return Some(Said::Delivered(stored));
            }
            Some(Said::Answered(answer(caller, peek, line).await))
        };
        let Some(next) = interrupt.or(next).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let Some(said) = next else {
            return Ok(ExitCode::from(u8::from(!caller.is_ready() || !complete)));
        };
        let line = match &said {
            Said::Answered(Answered { outcome, .. }) => AnswerLine::from(outcome).to_line()?,
            Said::Delivered(Ok(())) => format!("{DELIVERED}\n"),
            Said::Delivered(Err(error)) => AnswerLine::Err(error).to_line()?,
        };
        let Some(printed) = interrupt.or(print_json(line)).await else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        printed?;
        if let Said::Answered(Answered { outcome: Ok(answer), await_delivery }) = said {
            let staged = answer.into_parts().1;
            if await_delivery {
                held = Some(staged);
            } else {
                caller.deliver(staged).await;
            }
        }
    }
}

async fn answer(caller: &Caller, peek: bool, line: Input<()>) -> Answered {
    let call = match parse(line) {
        Ok(call) => call,
        Err(error) => return Answered { outcome: Err(error), await_delivery: false },
    };
    let input = call.input.as_deref().map(RawValue::get).or(call.input_json.as_deref()).unwrap_or_default();
    let asked = ToolCall { name: &call.tool, input, reader: None, peek: peek || call.peek };
    Answered { outcome: caller.call(&asked, admitted()).await, await_delivery: call.await_delivery }
}

fn parse(line: Input<()>) -> Result<BatchCall, ToolError> {
    let bad =
        |why: String| ToolError::new(ErrorKind::InvalidArgument, None, format!("invalid batch line: {why}"));
    let line = match line {
        Input::Line(line) => line,
        Input::TooLong(()) => return Err(bad(format!("it has more than {MAX_LINE} bytes"))),
        Input::Failed(error) => return Err(bad(format!("standard input: {error}"))),
    };
    let call: BatchCall = serde_json::from_slice(&line).map_err(|error| bad(error.to_string()))?;
    if call.input.is_some() && call.input_json.is_some() {
        return Err(bad("it has both `input` and `input_json`".to_owned()));
    }
    Ok(call)
}
