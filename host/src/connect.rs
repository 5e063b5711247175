//! Connections to checked sockets: what was checked is what is connected, and the other end is checked too.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::time::Instant;

use crate::directory::{GrantedDirectories, Lookup};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// Nothing takes connections there.
    Unreachable(io::Error),
    /// Something does, but its backlog is full.
    BacklogFull,
    /// A check failed; in words that follow "its socket".
    Refused(String),
    /// This process has no descriptor left.
    DescriptorsExhausted,
}

impl From<Lookup> for ConnectError {
    fn from(lookup: Lookup) -> Self {
        match lookup {
            Lookup::Missing => Self::Unreachable(Errno::NOENT.into()),
            Lookup::Refused(why) => Self::Refused(why),
            Lookup::DescriptorsExhausted => Self::DescriptorsExhausted,
        }
    }
}

/// Connects to the socket at `path`. Never waits: a Unix socket takes a connection at once, or has no room.
pub(crate) fn connect(directories: &GrantedDirectories, path: &Path) -> Result<UnixStream, ConnectError> {
    let target = directories.open_socket(path)?;
    let socket = new_socket().map_err(refuse_unless_exhausted)?;
    // Through the descriptor, so that no rename in between can lead anywhere else; and a long path fits.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", target.as_raw_fd()))
        .map_err(|errno| ConnectError::Refused(format!("cannot be addressed: {errno}")))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return Err(ConnectError::BacklogFull),
        Err(errno @ (Errno::CONNREFUSED | Errno::CONNRESET)) => {
            return Err(ConnectError::Unreachable(errno.into()));
        }
        // The target is open, so what is missing is the way to it.
        Err(Errno::NOENT) => {
            return Err(ConnectError::Refused(
                "cannot be reached: /proc is not mounted in this system".into(),
            ));
        }
        Err(errno) => return Err(refuse_unless_exhausted(errno)),
    }
    check_peer(&socket)?;
    Ok(UnixStream::from(socket))
}

/// The same, with patience for a full backlog until `deadline`.
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
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => ConnectError::DescriptorsExhausted,
        other => ConnectError::Refused(format!("cannot be connected to: {}", io::Error::from(other))),
    }
}

/// The process that listens must belong to this process's user.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_peer(socket: impl AsFd) -> Result<(), ConnectError> {
    let peer = rustix::net::sockopt::socket_peercred(socket)
        .map_err(|errno| ConnectError::Refused(format!("does not tell who listens: {errno}")))?;
    let us = rustix::process::geteuid();
    if peer.uid != us {
        return Err(ConnectError::Refused(format!(
            "is served by a process of user {}, not of user {}",
            peer.uid.as_raw(),
            us.as_raw()
        )));
    }
    Ok(())
}

/// Deny by default: where the peer cannot be asked for, nothing is connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_peer(_socket: impl AsFd) -> Result<(), ConnectError> {
    Err(ConnectError::Refused("cannot be checked on this system: it does not tell who listens".into()))
}
