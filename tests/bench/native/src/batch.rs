//! The tools as a process that answers JSON lines, as `pod-tools call --batch` does: on one thread, which waits for the
//! pipe on its standard input as it waits for pods.

use std::io;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;

use crate::tools::{Output, Tools};

#[derive(Deserialize)]
struct Call {
    tool: String,
    #[serde(default)]
    input_json: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Output),
    Err { message: String },
}

/// Answers until the end of input.
///
/// # Errors
///
/// Fails where standard input and output are no pipes, or a line is no call.
pub fn run(tools: &Tools) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(answer_all(tools))
}

async fn answer_all(tools: &Tools) -> io::Result<()> {
    let input = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let mut output = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
    let mut lines = BufReader::new(input);
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let Call { tool, input_json } = serde_json::from_str(&line)?;
        let answer = match tools.call(&tool, &input_json).await {
            Ok(output) => Answer::Ok(output),
            Err(message) => Answer::Err { message },
        };
        let mut answer = serde_json::to_vec(&answer)?;
        answer.push(b'\n');
        output.write_all(&answer).await?;
    }
}
