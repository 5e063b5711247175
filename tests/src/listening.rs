//! How a fake pod comes to listen: at a path of any length, with a backlog of one's choice, as whoever is wanted.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

/// Binds and listens, with a backlog of one's choice; a path that is too long for an address is no obstacle.
/// `user`: who listens, as those see it who connect.
pub(crate) fn listen(socket: &Path, backlog: i32, user: Option<u32>) -> io::Result<UnixListener> {
    let (_directory, address) = address(socket)?;
    let listener: OwnedFd = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(address)?)?;
    match user {
        None => rustix::net::listen(&listener, backlog)?,
        Some(user) => listen_as(user, &listener, backlog)?,
    }
    Ok(listener.into())
}

/// The credentials of a listening socket are those of the thread that begins to listen, at that moment.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn listen_as(user: u32, listener: &OwnedFd, backlog: i32) -> io::Result<()> {
    let user = rustix::process::Uid::from_raw(user);
    let listening = std::thread::scope(|scope| {
        let as_user = || {
            rustix::thread::set_thread_res_uid(user, user, user)?;
            rustix::net::listen(listener, backlog)
        };
        scope.spawn(as_user).join()
    });
    Ok(listening.map_err(|_| io::Error::other("the thread that listens as somebody else panicked"))??)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn listen_as(_: u32, _: &OwnedFd, _: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Another path to a socket, short enough for an address for as long as the directory is open.
pub(crate) fn address(socket: &Path) -> io::Result<(fs::File, PathBuf)> {
    use std::os::fd::AsRawFd;

    let directory = fs::File::open(socket.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let address = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((directory, address))
}
