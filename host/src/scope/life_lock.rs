//! The locks by which a pod's life is told: two bytes of a file beside the table. The first is locked as long as the
//! pod's own process lives, the one behind it as long as any program lives that the pod has started.
//!
//! The kernel keeps a lock, and lets go of it when the last process that has the descriptor is gone, however that
//! ended. It is asked about by the file and the byte, so it tells in every pid namespace, and is not given to somebody
//! else as a process's number is. The file holds nothing: a program that inherits the descriptor can read nothing
//! through it. It is never removed; a pod notes which file it has locked, so that another one at its path says nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::process::proc_is_of_own_namespace;
use crate::files::state_file::{self, Fault};

/// Which byte of which file is locked, and the one behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeByte {
    device: u64,
    inode: u64,
    byte: u64,
}

/// The locks, held until this is dropped and every copy of the second's descriptor is closed.
#[derive(Debug)]
pub struct LifeLock {
    /// Locks the first byte, and is never inherited.
    _own: File,
    /// Locks the second.
    inherited: File,
    /// `None` where the system or the file system has no such locks.
    byte: Option<LifeByte>,
}

/// The file with the locks, as far as it is there.
#[derive(Debug)]
pub(super) enum LifeFile {
    Open(File, (u64, u64)),
    Missing,
    /// This process has no descriptor left to open it with.
    Exhausted,
}

/// What is known of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockState {
    /// The pod's own process has it.
    Held,
    /// The pod's own process is gone, and something that it has started lives.
    HeldByStarted,
    Free,
    /// The file that it is on is not there any more, or cannot be asked.
    Unknown,
    /// For want of a descriptor.
    Exhausted,
}

/// The name of the file beside the table of that name.
pub(super) fn file_name(table: &OsStr) -> OsString {
    let mut name = table.to_owned();
    name.push(".lives");
    name
}

impl LifeLock {
    /// Locks two bytes that nobody has locked, in the file of that name, which is made where it is missing.
    pub(super) fn take(directory: impl AsFd, name: &OsStr) -> Result<Self, Fault> {
        let flags = OFlags::RDONLY | OFlags::CREATE;
        // Locks are an open file's: two of them have two.
        let (own, _) = state_file::open_with_stat(&directory, name, flags)?;
        let (inherited, stat) = state_file::open_with_stat(&directory, name, flags)?;
        let (device, inode) = state_file::identity(&stat);
        for byte in std::iter::repeat_with(random_byte).take(16) {
            let byte = match lock::take(&own, byte)
                .and_then(|own| Ok(own && lock::take(&inherited, byte + 1)?))
            {
                Ok(true) => Some(LifeByte { device, inode, byte }),
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(%error, "the file system has no locks on bytes; a pod's life is told by less");
                    None
                }
            };
            return Ok(Self { _own: own, inherited, byte });
        }
        Err(io::Error::from(io::ErrorKind::WouldBlock).into())
    }

    /// Which byte is locked; `None` where the file system has no such locks.
    #[must_use]
    pub fn byte(&self) -> Option<LifeByte> {
        self.byte
    }
}

impl LifeByte {
    /// Locks the byte that tells of what the pod has started once more, through a descriptor of the same file that was
    /// opened anew. Each program that has that descriptor counts as started by the pod, as with the first one.
    ///
    /// # Errors
    /// Where it is another file, or the system has no such locks.
    pub fn share(self, file: &File) -> io::Result<()> {
        let found = state_file::identity(&rustix::fs::fstat(file)?);
        if found != (self.device, self.inode) {
            return Err(io::Error::other("the file of the locks of lives was replaced"));
        }
        lock::share(file, self.byte.saturating_add(1))
    }
}

/// The descriptor that is to be handed to programs which are part of the pod's life.
impl AsFd for LifeLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inherited.as_fd()
    }
}

impl LifeFile {
    /// Opens the file of that name, if it is there.
    pub(super) fn open(directory: impl AsFd, name: &OsStr) -> Self {
        match state_file::open_with_stat(directory, name, OFlags::RDONLY) {
            Ok((file, stat)) => Self::Open(file, state_file::identity(&stat)),
            Err(Fault::Descriptors) => Self::Exhausted,
            Err(_) => Self::Missing,
        }
    }

    /// Whether a lock is held, by any process of this machine.
    pub(super) fn state(&self, of: LifeByte) -> LockState {
        match self {
            Self::Open(file, identity) if *identity == (of.device, of.inode) => {
                let held = |byte| lock::is_held(file, byte);
                match held(of.byte).and_then(|own| Ok((own, own || held(of.byte.saturating_add(1))?))) {
                    Ok((true, _)) => LockState::Held,
                    Ok((false, true)) => LockState::HeldByStarted,
                    Ok((false, false)) => LockState::Free,
                    Err(_) => LockState::Unknown,
                }
            }
            Self::Open(..) | Self::Missing => LockState::Unknown,
            Self::Exhausted => LockState::Exhausted,
        }
    }
}

/// The number of a process that the pod has started and that lives, as far as `/proc` shows one: for people, who want
/// to know what to end.
pub(super) fn find_started(of: LifeByte) -> Option<i64> {
    if !proc_is_of_own_namespace() {
        return None;
    }
    let byte = of.byte.saturating_add(1).to_string();
    let range = [byte.clone(), byte];
    let has_lock = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("lock:") && {
            let words: Vec<&str> = words.collect();
            words.ends_with(&range.each_ref().map(String::as_str))
        }
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: i64 = process.file_name().to_str()?.parse().ok()?;
        fs::read_dir(process.path().join("fdinfo")).ok()?.flatten().find_map(|descriptor| {
            fs::read_to_string(descriptor.path()).ok()?.lines().any(has_lock).then_some(pid)
        })
    })
}

/// A place for a lock: below the largest offset that a lock may have, and below 2^53, so that every reader of JSON reads
/// the same number.
fn random_byte() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 11
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod lock {
    use std::fs::File;
    use std::io;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    /// A lock for reading, which needs no right to write: such locks share a byte, so it is looked at first.
    pub(super) fn take(file: &File, byte: u64) -> io::Result<bool> {
        if is_held(file, byte)? {
            return Ok(false);
        }
        match share(file, byte) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same, whoever has such a lock.
    pub(super) fn share(file: &File, byte: u64) -> io::Result<()> {
        fcntl(file, FcntlArg::F_OFD_SETLK(&on(byte, libc::F_RDLCK)))?;
        Ok(())
    }

    pub(super) fn is_held(file: &File, byte: u64) -> io::Result<bool> {
        let mut lock = on(byte, libc::F_WRLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(i32::from(lock.l_type) != libc::F_UNLCK)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "small constants; below 2^62"
    )]
    fn on(byte: u64, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte as libc::off_t,
            l_len: 1,
            // Must be 0: the lock is the open file's, no process's.
            l_pid: 0,
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod lock {
    use std::fs::File;
    use std::io;

    pub(super) fn take(_: &File, _: u64) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn share(_: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_held(_: &File, _: u64) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
