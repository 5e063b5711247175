//! What an error number of the operating system says of the file or socket that was to be opened.

use std::io;

use rustix::io::Errno;

/// The meaning of an error number, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OsError {
    /// There is nothing at that path, or its directory is gone.
    Missing,
    /// A component of the path is no directory.
    NotADirectory,
    /// A component of the path, or the file itself, is a symbolic link where none is followed.
    SymbolicLink,
    /// It is a directory.
    Directory,
    /// It is a socket or a device, which cannot be opened as a file.
    SocketOrDevice,
    /// The path leads out of the directory beneath which it was to be resolved.
    LeadsOut,
    /// Nothing takes connections there.
    NobodyListens,
    /// The process or the machine is out of descriptors: nothing is known of the file.
    Descriptors,
    /// The kernel is out of memory or buffers for it.
    Memory,
    /// Anything else.
    Other,
}

impl From<Errno> for OsError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Missing,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::LOOP => Self::SymbolicLink,
            Errno::ISDIR => Self::Directory,
            Errno::NXIO => Self::SocketOrDevice,
            Errno::XDEV => Self::LeadsOut,
            Errno::CONNREFUSED | Errno::CONNRESET => Self::NobodyListens,
            Errno::MFILE | Errno::NFILE => Self::Descriptors,
            Errno::NOBUFS | Errno::NOMEM => Self::Memory,
            _ => Self::Other,
        }
    }
}

impl From<&io::Error> for OsError {
    fn from(error: &io::Error) -> Self {
        error.raw_os_error().map_or(Self::Other, |code| Errno::from_raw_os_error(code).into())
    }
}
