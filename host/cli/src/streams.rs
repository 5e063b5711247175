//! The standard streams, whatever the parent has made of them: a file on a full disk, a pipe that nobody reads, a
//! terminal, or a stream that another process has set not to block. Reading and writing wait where they have to, and
//! what could not be written is an error.
//!
//! All that the program says passes through here, and much of it is what others chose: a plugin, a pod, a file, the
//! environment. Results are written to a pipe or a file as they are, and to a terminal escaped; messages and the log are
//! escaped wherever they go.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};

use crate::escaped;
use crate::inherited::stdout_is_closed;

/// A stream that waits until it can be read or written, also where others have set it not to block. Without a buffer.
#[derive(Debug)]
pub struct Patient {
    stream: File,
    name: &'static str,
}

impl Patient {
    fn of(stream: impl AsFd, name: &'static str) -> io::Result<Patient> {
        let stream: OwnedFd = stream.as_fd().try_clone_to_owned()?;
        Ok(Patient { stream: stream.into(), name })
    }

    fn wait(&self, until: PollFlags) -> io::Result<()> {
        match poll(&mut [PollFd::new(&self.stream, until)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<Patient> for OwnedFd {
    fn from(stream: Patient) -> Self {
        stream.stream.into()
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::IN)?,
                read => return read,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::OUT)?,
                // Who reads a pipe no longer, and a call that is to be tried again, are told by their kind.
                Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("cannot write to {}: {error}", self.name),
                    ));
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard input.
pub fn input() -> io::Result<Patient> {
    Patient::of(io::stdin(), "standard input")
}

/// What is written to standard output: how it is shown on a terminal depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs: it stays the same JSON.
    Json,
    /// What was drawn: it is escaped already, and its colours are its own.
    Painted,
}

/// Writes to standard output, and waits until all of it is written. The first `begun` bytes are already, by
/// [`write_now`].
///
/// # Errors
///
/// Fails where the parent has closed it: what is written would go nowhere.
pub fn write_out(text: &str, form: Form, begun: usize) -> io::Result<()> {
    if stdout_is_closed() {
        return Err(io::Error::new(ErrorKind::NotConnected, "cannot write to standard output: it is closed"));
    }
    let shown = match form {
        Form::Painted => text.into(),
        _ if !output_is_terminal() => text.into(),
        Form::Text => escaped::text(text),
        Form::Json => escaped::json(text),
    };
    Patient::of(io::stdout(), "standard output")?.write_all(&shown.as_bytes()[begun..])
}

/// Writes to standard output what it takes without waiting, if it is a pipe or a socket, and says how many bytes: none
/// where there is any doubt or error, which is for [`write_out`] to find.
pub fn write_now(text: &str) -> usize {
    if stdout_is_closed() || output_is_terminal() {
        return 0;
    }
    let written = without_waiting::write(io::stdout(), &[IoSlice::new(text.as_bytes())]);
    written.unwrap_or(0)
}

/// Reads what is there, without waiting, whatever the stream's own flags say: these are shared with other processes,
/// and so are its bytes, which one of them may take at any time.
///
/// # Errors
///
/// `WouldBlock` where there is nothing, `Unsupported` where the stream can only be waited for.
pub fn read_now(stream: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(without_waiting::read(stream, &mut [IoSliceMut::new(buffer)])?)
}

/// Whether standard output is a terminal.
pub fn output_is_terminal() -> bool {
    static IS_TERMINAL: OnceLock<bool> = OnceLock::new();
    *IS_TERMINAL.get_or_init(|| io::stdout().is_terminal())
}

/// Of pipes and sockets the kernel can be asked so since Linux 6.4.
#[cfg(target_os = "linux")]
mod without_waiting {
    use super::{AsFd, IoSlice, IoSliceMut};
    use rustix::io::{ReadWriteFlags, Result, preadv2, pwritev2};

    /// Where the stream is.
    const HERE: u64 = u64::MAX;

    pub fn read(stream: impl AsFd, buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        preadv2(stream, buffers, HERE, ReadWriteFlags::NOWAIT)
    }

    pub fn write(stream: impl AsFd, bytes: &[IoSlice<'_>]) -> Result<usize> {
        pwritev2(stream, bytes, HERE, ReadWriteFlags::NOWAIT)
    }
}

#[cfg(not(target_os = "linux"))]
mod without_waiting {
    use super::{AsFd, IoSlice, IoSliceMut};
    use rustix::io::{Errno, Result};

    pub fn read(_: impl AsFd, _: &mut [IoSliceMut<'_>]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn write(_: impl AsFd, _: &[IoSlice<'_>]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }
}

/// Says a message on standard error. Where that cannot be written there is nobody to be told.
pub fn tell(message: fmt::Arguments<'_>) {
    write_errors(&escaped::text(&format!("{message}\n")));
}

fn write_errors(shown: &str) {
    let _ =
        Patient::of(io::stderr(), "standard error").and_then(|mut stream| stream.write_all(shown.as_bytes()));
}

/// The log, an entry a write, on standard error: that it cannot be written is passed over.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        write_errors(&escaped::entry(&String::from_utf8_lossy(entry)));
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
