//! The audit log (`--audit FILE`): a line of JSON for each call, that says what was called, on which pods,
//! what was allowed, and how it ended; never a text of a caller or a pod.
//!
//! What an operator may rely on:
//! - A process that cannot open the log calls nothing.
//! - Every call that was begun leaves its line when it ends, before its answer is given: also one that was
//!   denied, that failed, or that was cancelled. (A process that is killed outright takes the lines of the
//!   calls that it was in with it.)
//! - No call is begun for whose line there is no room on the disk, as far as the file system can promise it.
//! - Where a line cannot be written all the same, that is reported, and kept; no further call is begun until it
//!   has been written. What was done is done, so its answer is given.
//! - A line is appended with one write, so several processes may share a file. What a full disk has torn is a
//!   line that is no JSON, and stands once more, whole, behind it.
//! - A file that was moved away, as log rotation does, is made anew.

mod line;
mod sink;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use pod_tools_host::registry::Reader;
use pod_tools_host::{ErrorKind, Ledger, Reason, ToolError};

use self::line::{AuditLine, CallEnd, CallRecord};
use self::sink::Sink;

/// The most characters that are kept of a tool's name: a caller may call it anything.
const MAX_TOOL: usize = 128;

/// An open audit log. Cheap to clone; a clone is the same log.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    path: PathBuf,
    component: Option<String>,
    sink: Mutex<Sink>,
}

/// An audit log that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the audit log {} cannot be opened: {source}; nothing is called without it", path.display())]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

impl AuditLog {
    /// Opens the log in a file, which is made, for its owner alone, where it is missing. No symbolic link is
    /// followed to it, and nothing but a regular file will do. `component` is the SHA-256 of what calls are
    /// made of; `None` where there is nothing.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be made or opened for appending.
    pub fn open(path: &Path, component: Option<&str>) -> Result<Self, AuditError> {
        let failed = |source| AuditError { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        let sink = Mutex::new(Sink::open(&path).map_err(failed)?);
        Ok(Self(Arc::new(Log { path, component: component.map(str::to_owned), sink })))
    }

    /// Begins the record of a call. What is not finished when it is dropped was cancelled.
    ///
    /// # Errors
    ///
    /// Fails where there is no room for the line, and while one of an earlier call cannot be written: the call must
    /// not be made then.
    pub fn begin(&self, tool: &str) -> Result<Entry, ToolError> {
        self.begin_for(tool, None)
    }

    /// The same for a call of one of several callers, by his name.
    ///
    /// # Errors
    ///
    /// Those of [`begin`](Self::begin).
    pub fn begin_for(&self, tool: &str, caller: Option<&Reader>) -> Result<Entry, ToolError> {
        self.0.sink().begin(&self.0.path).map_err(|error| {
            self.0.say_unwritable(&error);
            // The model learns no path of the operator's.
            let message = "the audit log cannot be written, and no tool is called until it can; the log on standard \
                           error names the file and the reason";
            ToolError::new(ErrorKind::ExecutionFailed, Reason::StateUnwritable, message)
        })?;
        Ok(Entry {
            log: self.clone(),
            tool: tool.chars().take(MAX_TOOL).collect(),
            caller: caller.cloned(),
            nonce: None,
            began: (Timestamp::now(), Instant::now()),
            ledger: Ledger::new(),
            is_written: false,
        })
    }
}

impl Log {
    fn say_unwritable(&self, error: &io::Error) {
        let path = self.path.display();
        tracing::error!("the audit log {path} cannot be written: {error}; no tool is called until it can");
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record of a call that has begun.
#[derive(Debug)]
#[must_use = "a call that is not finished was cancelled"]
pub struct Entry {
    log: AuditLog,
    tool: String,
    caller: Option<Reader>,
    nonce: Option<String>,
    began: (Timestamp, Instant),
    ledger: Ledger,
    is_written: bool,
}

impl Entry {
    /// Where the call is to be recorded: make it with an authority that is
    /// [`recorded_in`](pod_tools_host::Authority::recorded_in) this.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// This entry with the nonce of the request, by which the caller's machine knows it.
    pub fn asked_with(mut self, nonce: &str) -> Self {
        self.nonce = Some(nonce.to_owned());
        self
    }

    /// Writes the line of a call that has ended: with an answer of so many bytes, or with an error. To be
    /// called before the answer is given.
    pub fn finish(mut self, outcome: Result<usize, &ToolError>) {
        match outcome {
            Ok(bytes) => self.write(CallEnd::Ok, None, bytes),
            Err(error) => self.write(CallEnd::Error, Some(error), 0),
        }
    }

    fn write(&mut self, end: CallEnd, error: Option<&ToolError>, answer_bytes: usize) {
        self.is_written = true;
        let (time, began) = self.began;
        let duration = began.elapsed();
        let component = self.log.0.component.as_deref();
        let caller = self.caller.as_ref().map(Reader::as_str);
        let nonce = self.nonce.as_deref();
        let call = CallRecord { tool: &self.tool, caller, nonce, time, duration, component, answer_bytes };
        let line = AuditLine::new(&call, end, error, &self.ledger);
        let log = &self.log.0;
        let written = serde_json::to_vec(&line).map_err(io::Error::from);
        if let Err(error) = log.sink().end(&log.path, written) {
            log.say_unwritable(&error);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_written {
            self.write(CallEnd::Cancelled, None, 0);
        }
    }
}
