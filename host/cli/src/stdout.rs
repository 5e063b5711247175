//! What is said to people and programs on standard output: written whole, and without steering a terminal.

use std::io;

use pod_tools_host::ToolError;
use tokio::sync::oneshot;

use crate::painted::Painted;
use crate::streams::{Form, write_now, write_out};

/// Writes a text for people to standard output: then, and not before, the reader has it.
pub async fn print(text: String) -> io::Result<()> {
    print_as(text, Form::Text).await
}

/// The same for a JSON document, or for lines of them.
pub async fn print_json(json: String) -> io::Result<()> {
    print_as(json, Form::Json).await
}

/// The same for what was drawn.
pub async fn print_painted(painted: Painted) -> io::Result<()> {
    print_as(painted.into_text(), Form::Painted).await
}

/// Here and now as far as it goes without waiting; the rest on a thread of its own, which the end of the process does
/// not wait for: a reader that has stopped reading holds up the thread, and not Ctrl-C.
async fn print_as(text: String, form: Form) -> io::Result<()> {
    let begun = write_now(&text);
    if begun == text.len() && begun > 0 {
        return Ok(());
    }
    let (sender, written) = oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        let _ = sender.send(write_out(&text, form, begun));
    })?;
    written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

/// An error as people read it: its message, and in brackets its kind and reason.
pub fn failure(error: &ToolError) -> String {
    let ToolError { message, kind, .. } = error;
    match error.reason {
        Some(reason) => format!("{message} [{kind}: {reason}]"),
        None => format!("{message} [{kind}]"),
    }
}
