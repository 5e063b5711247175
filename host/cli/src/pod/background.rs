//! A pod without a terminal, which another process has started and waits for until it is ready: `pod-tools spawn` does
//! so, and a service manager.
//!
//! Whoever starts it hands it a pipe, or a file, as standard output, and reads there the line that says that it is ready;
//! what goes wrong before that stands on standard error. Then it lets go of both. A pod whose starter is gone by then ends:
//! nobody has been told of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::Context;

use super::directory::OwnDirectory;
use super::log;
use crate::streams::tell;

/// Where a service manager waits to be told, if one has started this process.
pub const SERVICE_MANAGER: &str = "NOTIFY_SOCKET";

/// What a pod in the background does at its start.
#[derive(Debug)]
pub struct Background;

impl Background {
    /// Leaves the terminal, and the session of whoever has started it.
    pub fn enter() -> Background {
        // A service manager has made a session for it already.
        let _ = rustix::process::setsid();
        Background
    }

    /// Says that the pod is ready, and lets go of what it was started with.
    pub fn ready(self, directory: &OwnDirectory, line: &str) -> anyhow::Result<()> {
        log::begin(directory.handle()).context("cannot begin the pod's log")?;
        tell(format_args!("{line}"));
        io::stdout().write_all(format!("{line}\n").as_bytes()).context("who started the pod is gone")?;
        io::stdout().flush().context("who started the pod is gone")?;
        let nowhere = OpenOptions::new().read(true).write(true).open("/dev/null");
        nowhere
            .and_then(|nowhere: File| log::replace(&nowhere, 1))
            .context("cannot let go of standard output")
    }
}

/// Tells the service manager that the pod is ready, where one has started it and waits for that.
pub fn tell_service_manager() -> io::Result<()> {
    let Some(address) = std::env::var_os(SERVICE_MANAGER) else { return Ok(()) };
    let address = match address.as_bytes() {
        [] => return Ok(()),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&address)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}
