//! What a process says on standard error: passed on as it comes, and waited for.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The lines, in their order.
pub struct Log(Receiver<String>);

impl Log {
    pub fn of(stderr: ChildStderr) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// The next line that says this; each may be so long in coming.
    pub fn next_with(&self, part: &str, patience: Duration) -> String {
        loop {
            let line =
                self.0.recv_timeout(patience).unwrap_or_else(|_| panic!("the log never says {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}
