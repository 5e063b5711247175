//! What the host's log says of a plugin: its standard error, line by line, and in which functions it trapped. Bounded,
//! so that a plugin cannot fill a disk.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWrite;
use wasmtime::WasmBacktrace;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi_io::bytes::Bytes;

use crate::escape::Escaped;

/// How many functions are told of a plugin that trapped, innermost first, and how many characters of the name of each.
const MAX_FRAMES: usize = 16;
const MAX_NAME: usize = 200;

/// Says that the plugin trapped, why, and in which functions, as far as the plugin names them.
pub(super) fn trapped(trap: &wasmtime::Error) {
    let frames = trap.downcast_ref().map_or(&[][..], WasmBacktrace::frames);
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => name.chars().take(MAX_NAME).collect(),
        None => format!("function {}", frame.func_index()),
    };
    let names: Vec<String> = frames.iter().take(MAX_FRAMES).map(name).collect();
    let (why, within) = (trap.root_cause().to_string(), names.join(" < "));
    tracing::info!(target: "pod_tools_host::plugin", "it trapped: {}, in {}", Escaped(&why), Escaped(&within));
}

/// What is kept of one call.
const MAX_BYTES: usize = 8 << 10;

/// Collects what a plugin writes to its standard error, up to [`MAX_BYTES`]; the rest is taken and dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct ErrorLog(Arc<Mutex<Vec<u8>>>);

impl ErrorLog {
    /// Hands what was written to the host's log.
    pub(super) fn flush_to_log(&self) {
        let written = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for line in String::from_utf8_lossy(&written).lines() {
            tracing::info!(target: "pod_tools_host::plugin", "{}", Escaped(line));
        }
    }
}

impl StdoutStream for ErrorLog {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// For WASI 0.3, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

impl IsTerminal for ErrorLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for ErrorLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ErrorLog {
    async fn ready(&mut self) {}
}
