//! Connections to checked sockets: what was checked is what is connected, and the other end is checked too.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::time::Instant;

use super::directory::{GrantedDirectories, Lookup};
use super::refusal::{Refusal, descriptors_exhausted};
use crate::error::{Reason, Setting, ToolError};
use crate::files::os_error::OsError;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// Nothing takes connections there.
    Unreachable(io::Error),
    /// Something does, but its backlog is full.
    BacklogFull,
    /// A check failed.
    Refused(Refusal),
    /// This process has no descriptor left.
    DescriptorsExhausted,
}

impl ConnectError {
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(why))
    }

    /// The error of an operation on that pod, whose record has that socket; `waited` for room in its backlog.
    pub(crate) fn error(self, pod: &str, socket: &Path, waited: Duration) -> ToolError {
        match self {
            Self::Unreachable(error) => ToolError::failed(Reason::Unreachable, format!("connect: {error}")),
            Self::BacklogFull => timed_out("connect", waited),
            Self::Refused(refusal) => refusal.of(pod, socket),
            Self::DescriptorsExhausted => descriptors_exhausted(),
        }
    }
}

/// The error of a socket operation whose time is up.
pub(crate) fn timed_out(operation: &str, waited: Duration) -> ToolError {
    let message = format!("{operation} timed out after {waited:?}");
    ToolError::failed(Reason::SocketTimeout, message).about(Setting::OperationTime)
}

impl From<Lookup> for ConnectError {
    fn from(lookup: Lookup) -> Self {
        match lookup {
            Lookup::Missing => Self::Unreachable(Errno::NOENT.into()),
            Lookup::Refused(refusal) => Self::Refused(refusal),
            Lookup::DescriptorsExhausted => Self::DescriptorsExhausted,
        }
    }
}

/// Connects to the socket at `path`. Never waits: a Unix socket takes a connection at once, or has no room.
pub(crate) fn connect(directories: &GrantedDirectories, path: &Path) -> Result<UnixStream, ConnectError> {
    let (target, us) = directories.open_socket(path)?;
    let socket = new_socket().map_err(refuse_unless_exhausted)?;
    // Through the descriptor, so that no rename in between can lead anywhere else; and a long path fits.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", target.as_raw_fd()))
        .map_err(|errno| ConnectError::refused(format!("cannot be addressed: {errno}")))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return Err(ConnectError::BacklogFull),
        Err(errno) => match errno.into() {
            OsError::NobodyListens => return Err(ConnectError::Unreachable(errno.into())),
            // The target is open, so what is missing is the way to it.
            OsError::Missing => {
                let why = "cannot be reached: /proc is not mounted in this system";
                return Err(ConnectError::refused(why));
            }
            _ => return Err(refuse_unless_exhausted(errno)),
        },
    }
    check_peer(&socket, us)?;
    Ok(UnixStream::from(socket))
}

/// Connects to the socket at `path`, and waits until `deadline` for room where its backlog is full.
pub(crate) async fn connect_until(
    directories: &GrantedDirectories,
    path: &Path,
    deadline: Instant,
) -> Result<UnixStream, ConnectError> {
    // There is no event to wait for: the kernel does not tell when a backlog has room again.
    let mut pause = Duration::from_millis(1);
    loop {
        match connect(directories, path) {
            Err(ConnectError::BacklogFull) if Instant::now() + pause < deadline => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Err(ConnectError::BacklogFull) => {
                tokio::time::sleep_until(deadline).await;
                return connect(directories, path);
            }
            done => return done,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn new_socket() -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&socket, rustix::fs::OFlags::NONBLOCK)?;
    Ok(socket)
}

fn refuse_unless_exhausted(errno: Errno) -> ConnectError {
    match errno.into() {
        OsError::Descriptors | OsError::Memory => ConnectError::DescriptorsExhausted,
        _ => ConnectError::refused(format!("cannot be connected to: {}", io::Error::from(errno))),
    }
}

/// The process that listens must belong to this process's user, as the socket does.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_peer(socket: impl AsFd, us: u32) -> Result<(), ConnectError> {
    // Of a process in another pid namespace the kernel tells no number, which is no reason to refuse it.
    let peer = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials)
        .map_err(|errno| ConnectError::refused(format!("does not tell who listens: {errno}")))?;
    if peer.uid() != us {
        let why = format!("is served by a process of user {}, not of user {us}", peer.uid());
        return Err(ConnectError::refused(why));
    }
    Ok(())
}

/// Deny by default: where the peer cannot be asked for, nothing is connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_peer(_socket: impl AsFd, _us: u32) -> Result<(), ConnectError> {
    Err(ConnectError::refused("cannot be checked on this system: it does not tell who listens"))
}
