//! Where the gateway listens: an address of the loopback interface, or a Unix socket for its owner alone.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

/// How many connections the system keeps until they are taken in.
const BACKLOG: u32 = 1024;

/// A socket that listens.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket. Dropped, it is removed, unless another has come in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A connection, whatever it came through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// At an address.
    pub fn at(address: SocketAddr) -> anyhow::Result<Self> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        Ok(Self::Tcp(listen().with_context(|| format!("cannot listen at {address}"))?))
    }

    /// At a Unix socket, which is made. One that nobody listens at any more is replaced.
    pub fn at_socket(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path).context("the socket's path has no absolute form")?;
        let shown = path.display();
        let _alone = the_only_one_that_starts(&path)?;
        if let Ok(found) = fs::symlink_metadata(&path) {
            let is_left_behind = found.file_type().is_socket()
                && std::os::unix::net::UnixStream::connect(&path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !is_left_behind {
                bail!(
                    "cannot listen at {shown}: it is there already, and in use; name another path with --socket"
                );
            }
            fs::remove_file(&path).with_context(|| format!("{shown} cannot be replaced"))?;
        }
        let (listener, file) = bind(&path).with_context(|| format!("cannot listen at {shown}"))?;
        Ok(Self::Unix(listener, file))
    }

    /// Where it listens, as a program reads it.
    pub fn line(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => json!({ "address": listener.local_addr()? }),
            Self::Unix(_, file) => {
                json!({ "socket": file.path.to_str().context("the socket's path is not UTF-8, as JSON has to be")? })
            }
        }
        .to_string())
    }

    /// The next connection, and the address that it comes from.
    pub async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small, and written in one go.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(peer.ip())))
            }
            Self::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

/// A lock on the socket's directory. Of two gateways that find the same socket left behind, the second would remove
/// the first one's.
fn the_only_one_that_starts(path: &Path) -> anyhow::Result<File> {
    let directory = path.parent().unwrap_or(path);
    let shown = directory.display();
    let opened =
        File::open(directory).with_context(|| format!("the socket's directory {shown} cannot be opened"))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => {
            bail!("cannot listen in {shown} now: another gateway is starting there; start this one again")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{shown} cannot be locked")),
    }
}

/// Nobody can connect before it listens, and by then it has its mode.
fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let found = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), identity: (found.dev(), found.ino()) };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG.cast_signed())?;
    Ok((UnixListener::from_std(StdUnixListener::from(socket))?, file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
