//! What is said to people and programs on standard output: written whole, and without steering a terminal.

use std::io::{self, IsTerminal, Write};

use pod_tools_host::ToolError;
use tokio::sync::oneshot;

use crate::streams::output;

/// Writes to standard output: then, and not before, the reader has it.
///
/// On a thread of its own, which the end of the process does not wait for: a reader that has stopped reading
/// holds up the thread, and not Ctrl-C.
pub async fn print(bytes: Vec<u8>) -> io::Result<()> {
    let (sender, written) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        let _ = sender.send(output().and_then(|mut out| out.write_all(&bytes)));
    })?;
    written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

/// An error's kind and reason, as they stand in brackets behind its message.
pub fn words(error: &ToolError) -> String {
    match error.reason {
        Some(reason) => format!("{}: {reason}", error.kind),
        None => error.kind.to_string(),
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
