//! The log of a pod in the background: what the pod says on standard error, and what its commands write to theirs, in
//! the pod's directory. It has at most twice [`FULL`] bytes: a log that is full becomes the older one, in the place of
//! the one before.
//!
//! A process has one log, as it has one standard error. A pod in the foreground has none: it says what it says at the
//! terminal, and of a command's standard error the end of it, where a turn fails.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::fs::{Mode, OFlags};

/// The log's name in the pod's directory.
pub const NEWER: &str = "log";
/// The name of the one before it.
pub const OLDER: &str = "log.1";

/// Bytes of a log that is full.
const FULL: u64 = 1 << 20;
/// Pieces on their way to the log: where the disk is slower than a command writes, what is too many is left out, and not
/// waited for.
const AHEAD: usize = 256;

static LOG: OnceLock<SyncSender<Vec<u8>>> = OnceLock::new();
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// Has the process's standard error go to the log in that directory, from here on.
pub fn begin(directory: BorrowedFd<'_>) -> io::Result<()> {
    let mut log = Log::open(directory.try_clone_to_owned()?, FULL)?;
    let (mut said, stderr) = io::pipe()?;
    let (sender, pieces): (_, Receiver<Vec<u8>>) = sync_channel(AHEAD);
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        for piece in pieces {
            // A pod goes on without a log: its disk may be full.
            let _ = log.write(&piece);
        }
    })?;
    let from_stderr = sender.clone();
    thread::Builder::new().name("stderr".to_owned()).spawn(move || {
        let mut piece = vec![0; 8 << 10];
        while let Ok(read @ 1..) = said.read(&mut piece) {
            let _ = from_stderr.send(piece[..read].to_vec());
        }
    })?;
    replace(&stderr, 2)?;
    let _ = LOG.set(sender);
    Ok(())
}

/// Notes what a command has written to its standard error. Nothing is waited for.
pub fn note(bytes: &[u8]) {
    let Some(log) = LOG.get() else { return };
    if bytes.is_empty() {
        return;
    }
    let missed = LEFT_OUT.swap(0, Ordering::Relaxed);
    let mut piece = match missed {
        0 => Vec::new(),
        missed => {
            format!("\n[{missed} bytes were left out: they came faster than they could be written]\n").into()
        }
    };
    piece.extend_from_slice(bytes);
    if log.try_send(piece).is_err() {
        LEFT_OUT.fetch_add(missed + bytes.len(), Ordering::Relaxed);
    }
}

/// Has a standard stream of this process be that file.
pub fn replace(file: &impl AsRawFd, stream: i32) -> io::Result<()> {
    // SAFETY: two numbers of descriptors go in, of which the first is open; what the second was is closed.
    match unsafe { libc::dup2(file.as_raw_fd(), stream) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

struct Log {
    directory: OwnedFd,
    file: File,
    bytes: u64,
    full: u64,
}

impl Log {
    fn open(directory: OwnedFd, full: u64) -> io::Result<Log> {
        let file = open(&directory)?;
        Ok(Log { directory, file, bytes: 0, full })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.full {
            rustix::fs::renameat(&self.directory, NEWER, &self.directory, OLDER)?;
            self.file = open(&self.directory)?;
            self.bytes = 0;
        }
        self.bytes += length;
        self.file.write_all(piece)
    }
}

/// A new file: whatever has that name is not written to.
fn open(directory: &OwnedFd) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, NEWER, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_full_log_becomes_the_older_one_and_what_is_before_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::open(File::open(directory.path()).unwrap().into(), 10).unwrap();
        let found = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap_or_default();
        for piece in ["one\n", "two\n", "three\n"] {
            log.write(piece.as_bytes()).unwrap();
        }
        assert_eq!((found(OLDER), found(NEWER)), ("one\ntwo\n".into(), "three\n".into()));
        // A piece is not parted, however long it is.
        log.write(b"a line that is long\n").unwrap();
        log.write(b"x").unwrap();
        assert_eq!((found(OLDER), found(NEWER)), ("a line that is long\n".into(), "x".into()));
    }

    #[test]
    fn nothing_is_written_to_what_has_the_name_of_a_log_already() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", directory.path().join(NEWER)).unwrap();
        assert!(Log::open(File::open(directory.path()).unwrap().into(), 10).is_err());
        assert!(!directory.path().join("elsewhere").exists());
    }
}
