//! The file of the audit log: lines are appended whole, and there is room for them before they are needed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// More bytes than a line has: as many requests as a ledger lists, each with a name of which every character is escaped.
const MAX_LINE: u64 = 256 << 10;

#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    /// Whole lines. Empty, but while the file cannot be written.
    unwritten: Vec<u8>,
    /// The last write failed, and may have left half a line.
    failing: bool,
    /// Calls whose lines are still to come.
    begun: u64,
    /// Where the file ended when a call last began.
    end: u64,
    /// As far as here the disk has room for it.
    reserved: u64,
}

impl Sink {
    /// Opens a file for appending, or makes it for its owner alone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self { file, unwritten: Vec::new(), failing: false, begun: 0, end: 0, reserved: 0 })
    }

    /// Takes the room for one more line, once nothing is left to be written.
    pub(super) fn begin(&mut self, path: &Path) -> io::Result<()> {
        self.write(path)?;
        self.follow(path)?;
        let end = self.file.metadata()?.len();
        if end < self.end {
            // It was cut off, and what was reserved with it.
            self.reserved = 0;
        }
        self.end = end;
        let needed = (self.begun + 1) * MAX_LINE;
        if self.reserved < end + needed {
            // More than that, so that not every call has to.
            reserve(&self.file, end, 2 * needed)?;
            self.reserved = end + 2 * needed;
        }
        self.begun += 1;
        Ok(())
    }

    /// Writes the line of a call that had begun.
    pub(super) fn end(&mut self, path: &Path, line: io::Result<Vec<u8>>) -> io::Result<()> {
        self.begun -= 1;
        self.unwritten.append(&mut line?);
        self.unwritten.push(b'\n');
        self.write(path)
    }

    /// Writes what is to be written, with one system call.
    fn write(&mut self, path: &Path) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.follow(path)?;
        if self.failing && self.unwritten[0] != b'\n' {
            self.unwritten.insert(0, b'\n');
        }
        self.failing = true;
        loop {
            match self.file.write(&self.unwritten) {
                Ok(written) if written == self.unwritten.len() => break,
                Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unwritten.clear();
        self.failing = false;
        Ok(())
    }

    /// Makes the file anew where it was moved away.
    fn follow(&mut self, path: &Path) -> io::Result<()> {
        let there = std::fs::symlink_metadata(path).ok();
        let own = self.file.metadata()?;
        if there.is_none_or(|there| (there.dev(), there.ino()) != (own.dev(), own.ino())) {
            (self.file, self.reserved) = (open(path)?, 0);
        }
        Ok(())
    }
}

/// Has the disk keep so many bytes for what is written from there on; the file stays as long as it is. Other processes
/// that write to it may use them up, and some file systems promise nothing: there it is seen when the line is written.
#[cfg(target_os = "linux")]
fn reserve(file: &File, end: u64, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, end, bytes) {
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}
