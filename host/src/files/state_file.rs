//! How a file of state is opened, read and replaced: never waiting without a bound, never reading what is no
//! regular file, nor what others could have written.
//!
//! A FIFO in the place of a file would hold a plain `open` for ever, a symbolic link would lead elsewhere, an
//! endless file would fill the memory. The registry and the scope lock both go through here.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::os_error::OsError;
use super::writers::{self, Exposure};

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
    /// Others could have written it.
    Exposed(Exposure),
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
            Fault::Exposed(exposure) => exposure.fmt(f),
            Fault::Io(error) => write!(f, "it cannot be opened or read: {error}"),
        }
    }
}

impl Fault {
    /// What is wrong with the file at that path, and what to do.
    pub(crate) fn with_remedy(&self, path: &Path) -> String {
        match self {
            Self::Exposed(exposure) => format!("{exposure}; {}", exposure.remedy(path)),
            Self::Io(_) => format!("{self}; give permission to read and write it"),
            Self::Descriptors => format!("{self}; raise the limit (ulimit -n)"),
            _ => format!("{self}; remove what is there"),
        }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match OsError::from(&error) {
            OsError::Missing => Fault::Missing,
            OsError::Descriptors => Fault::Descriptors,
            OsError::SymbolicLink => Fault::Kind("a symbolic link"),
            OsError::Directory => Fault::Kind("a directory"),
            OsError::SocketOrDevice => Fault::Kind("a socket or a device"),
            _ => Fault::Io(error),
        }
    }
}

/// Opens a directory as a handle.
pub(crate) fn open_dir(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the regular file `name` in `dir`, without following a link in its last component, if nobody else could have
/// written it. With [`OFlags::CREATE`] it is made where that is so.
pub(crate) fn open_at(dir: impl AsFd, name: &OsStr, access: OFlags) -> Result<File, Fault> {
    open_with_stat(dir, name, access).map(|(file, _)| file)
}

/// Opens the regular file `name` in `dir`, as [`open_at`] does, and gives its metadata as of then.
pub(crate) fn open_with_stat(dir: impl AsFd, name: &OsStr, access: OFlags) -> Result<(File, Stat), Fault> {
    let dir = dir.as_fd();
    writers::check_directory(dir)?.map_err(Fault::Exposed)?;
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::openat(dir, name, flags, OWNER_ONLY)?);
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => match writers::check_file(dir, &stat) {
            Ok(()) => Ok((file, stat)),
            Err(exposure) => Err(Fault::Exposed(exposure)),
        },
        FileType::Directory => Err(Fault::Kind("a directory")),
        FileType::Fifo => Err(Fault::Kind("a FIFO")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(Fault::Kind("a device")),
        _ => Err(Fault::Kind("something else")),
    }
}

/// Opens a file to be read, wherever links lead, and says why what it says is not to be believed, with the remedy; `None`
/// where it and its directory are this user's or root's, and nobody else can write to them, or get as far as them. Waits
/// for nobody, whatever the file is.
///
/// For files that say what may be done, such as grants: the rule is that for files of state.
///
/// # Errors
///
/// As opening a file.
pub fn open_with_exposure(path: &Path) -> io::Result<(File, Option<String>)> {
    // The file is opened where it was found, so that it and the directory that is asked about belong together.
    let real = path.canonicalize()?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    let directory = open_dir(parent)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::openat(&directory, name, flags, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    let checked = writers::check_directory(directory.as_fd())?
        .and_then(|()| writers::check_file(directory.as_fd(), &stat));
    Ok((file, checked.err().map(|exposure| Fault::Exposed(exposure).with_remedy(&real))))
}

/// Tells one file from another for as long as it exists: device and inode.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "systems differ in these types")]
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Whether an open file is on a file system of this machine alone, by the file system's type. Of one that is not known
/// here it is not said.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "systems differ in the type")]
pub(crate) fn is_local(file: impl AsFd) -> bool {
    // linux/magic.h: ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, ZFS, bcachefs.
    const LOCAL: [u64; 9] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x8584_58f6,
        0x794c_7630,
        0xf2f5_2010,
        0x2fc1_2fc1,
        0xca45_1a4e,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|found| LOCAL.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

/// Whether an open file is on a file system of this machine alone: it is not known here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_local(_: impl AsFd) -> bool {
    false
}

/// The whole content of an open file, from its start.
pub(crate) fn read(file: &File) -> Result<Vec<u8>, Fault> {
    read_whole(file, &rustix::fs::fstat(file)?)
}

fn read_whole(file: &File, stat: &Stat) -> Result<Vec<u8>, Fault> {
    read_sized(file, u64::try_from(stat.st_size).unwrap_or(0), MAX_BYTES)
}

/// The whole content of an open file, if it is no longer than `most`. `size` is how long it says to be: where it
/// is, one call reads it and finds its end.
pub(crate) fn read_sized(file: &File, size: u64, most: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = |bytes: &Vec<u8>| bytes.len() as u64;
    bytes.reserve_exact(usize::try_from(size.min(most) + 1).unwrap_or(0));
    loop {
        bytes.reserve(1);
        let at = read(&bytes);
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Ok(0) => return Ok(bytes),
            Ok(_) if read(&bytes) > most => return Err(Fault::TooLarge),
            Ok(_) if read(&bytes) == size => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The whole content of a file that may be missing.
pub(crate) fn read_at(dir: impl AsFd, name: &OsStr) -> Result<Option<Vec<u8>>, Fault> {
    Ok(read_with_stat(dir, name)?.map(|(content, _)| content))
}

/// The whole content of a file that may be missing, and the file's metadata as of before it was read.
pub(crate) fn read_with_stat(dir: impl AsFd, name: &OsStr) -> Result<Option<(Vec<u8>, Stat)>, Fault> {
    match open_with_stat(dir, name, OFlags::RDONLY) {
        Ok((file, stat)) => Ok(Some((read_whole(&file, &stat)?, stat))),
        Err(Fault::Missing) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Makes the file `name` anew, in place of whatever a killed process left there, and removes it again if it
/// cannot be written. The caller holds the lock that `name` belongs to.
pub(crate) fn write_new(dir: impl AsFd, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let dir = dir.as_fd();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(dir, name, flags, OWNER_ONLY);
    let opened = match open() {
        Err(Errno::EXIST) => {
            remove(dir, name)?;
            open()
        }
        opened => opened,
    };
    let mut file = File::from(opened?);
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
