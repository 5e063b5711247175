//! How a file of state is opened, locked, read and replaced: never waiting without a bound, never reading
//! what is no regular file.
//!
//! A FIFO in the place of a file would hold a plain `open` for ever, a symbolic link would lead elsewhere, an
//! endless file would fill the memory. The registry and the scope lock both go through here.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

/// More than this is read from no file of state. A table of 100,000 allocations has some 30 MB.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// Who may read the files that are made here: their owner.
pub(crate) const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);

/// Why a file could not be opened or read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is none, or its directory is gone.
    Missing,
    /// The process, or the machine, is out of descriptors: nothing is known of the file.
    Descriptors,
    /// It is something else than a regular file.
    Kind(&'static str),
    /// It has more than [`MAX_BYTES`].
    TooLarge,
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("it does not exist"),
            Fault::Descriptors => f.write_str("there is no file descriptor left to open it with"),
            Fault::Kind(kind) => write!(f, "it is {kind}, not a regular file"),
            Fault::TooLarge => write!(f, "it is larger than {} MiB", MAX_BYTES >> 20),
            Fault::Io(error) => write!(f, "it cannot be opened or read: {error}"),
        }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Fault::Missing,
            Errno::MFILE | Errno::NFILE => Fault::Descriptors,
            Errno::LOOP => Fault::Kind("a symbolic link"),
            Errno::ISDIR => Fault::Kind("a directory"),
            Errno::NXIO => Fault::Kind("a socket or a device"),
            other => Fault::Io(other.into()),
        }
    }
}

/// Opens a directory as a handle.
pub(crate) fn open_dir(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the regular file `name` in `dir`, without following a link in its last component.
pub(crate) fn open_at(dir: impl AsFd, name: &OsStr, access: OFlags) -> Result<File, Fault> {
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::openat(dir, name, flags, OWNER_ONLY)?);
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        FileType::Directory => Err(Fault::Kind("a directory")),
        FileType::Fifo => Err(Fault::Kind("a FIFO")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(Fault::Kind("a device")),
        _ => Err(Fault::Kind("something else")),
    }
}

/// The whole content of an open file, from its start.
pub(crate) fn read(file: &File) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Fault::Io)?;
    if bytes.len() as u64 > MAX_BYTES { Err(Fault::TooLarge) } else { Ok(bytes) }
}

/// The whole content of a file that may be missing.
pub(crate) fn read_at(dir: impl AsFd, name: &OsStr) -> Result<Option<Vec<u8>>, Fault> {
    match open_at(dir, name, OFlags::RDONLY) {
        Ok(file) => read(&file).map(Some),
        Err(Fault::Missing) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Makes the file `name` anew, in place of whatever a killed process left there, and removes it again if it
/// cannot be written. The caller holds the lock that `name` belongs to.
pub(crate) fn write_new(dir: impl AsFd, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    remove(dir, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, OWNER_ONLY)?);
    file.write_all(bytes).inspect_err(|_| {
        // What is left of it is removed by the next writer at the latest.
        let _ = remove(dir, name);
    })
}

/// Removes a file that may be missing.
pub(crate) fn remove(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The end of a wait that begins now. One too long for the clock ends in a year.
pub(crate) fn deadline(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait).unwrap_or_else(|| start + Duration::from_secs(365 * 24 * 3600))
}

/// Takes the exclusive `flock` on a file, trying until the deadline and at least once; whether it was taken.
///
/// There is no blocking `flock` with a time-out, so this polls: first after a millisecond, then in steps
/// that grow to 20.
pub(crate) fn flock_until(file: &File, deadline: Instant) -> io::Result<bool> {
    let mut pause = Duration::from_millis(1);
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno.into()),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Whether an open file is still the one that `current` tells of. Whoever waited for a lock may hold one on a
/// file that was removed or replaced meanwhile, which keeps nobody out.
pub(crate) fn is_current(file: &File, current: rustix::io::Result<Stat>) -> rustix::io::Result<bool> {
    match current {
        Ok(there) => {
            let held = rustix::fs::fstat(file)?;
            Ok((held.st_dev, held.st_ino) == (there.st_dev, there.st_ino))
        }
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
