//! The pod's directory beneath the base: made, or taken over from a dead pod, held, and removed in the end.
//!
//! The process that holds the directory holds an exclusive `flock` on it, so that two pods cannot start in it at the
//! same time. Pods of other makes do not take that lock: a living process in `pid`, or a socket that takes
//! connections, says the same. All files are reached through the directory's handle.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pod_tools_host::scope::is_alive;
use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use serde::Serialize;

use super::name::PodName;

/// The longest path that a socket's address can hold, in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// How often to start over when somebody removes the directory that is being taken, or adds to the one that is
/// being removed.
const ATTEMPTS: usize = 16;

/// What `status.json` says.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Idle,
    Running,
}

/// A directory that this process holds. It is removed, with all files in it, when this is dropped.
#[derive(Debug)]
pub struct OwnDirectory {
    name: PodName,
    session_id: String,
    path: PathBuf,
    handle: OwnedFd,
    removed: bool,
}

impl OwnDirectory {
    /// Makes `{base}/{name}`, mode 0700, or takes over what a dead pod left there. Fails when the name is
    /// taken, and when there is something that no pod has left.
    pub fn reserve(base: &Path, name: &PodName, session_id: String) -> anyhow::Result<OwnDirectory> {
        let path = base.join(name.as_str());
        for _ in 0..ATTEMPTS {
            match rustix::fs::mkdirat(CWD, &path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => bail!("cannot make the pod's directory `{}`: {error}", path.display()),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
                Ok(handle) => handle,
                Err(Errno::NOENT) => continue,
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    bail!("`{}` is not a directory; choose another name for the pod", path.display())
                }
                Err(error) => bail!("cannot open the pod's directory `{}`: {error}", path.display()),
            };
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => bail!(taken(name, "another process holds its directory", &path)),
                Err(error) => bail!("cannot lock the pod's directory `{}`: {error}", path.display()),
            }
            // Its former holder may have removed it between our opening and our locking it.
            if !is_at(&handle, &path) {
                continue;
            }
            clear_leftovers(&handle, name, &path)?;
            rustix::fs::fchmod(&handle, Mode::RWXU)
                .with_context(|| format!("cannot make `{}` private", path.display()))?;
            return Ok(OwnDirectory { name: name.clone(), session_id, path, handle, removed: false });
        }
        bail!("`{}` is being removed again and again; choose another name for the pod", path.display())
    }

    /// Where the socket is, whether or not the pod listens yet.
    pub fn socket_path(&self) -> PathBuf {
        self.path.join("sock")
    }

    /// Listens at [`socket_path`](Self::socket_path), mode 0600.
    pub fn listen(&self) -> anyhow::Result<UnixListener> {
        let path = self.socket_path();
        let address = if path.as_os_str().len() <= MAX_SOCKET_PATH {
            path.clone()
        } else if cfg!(target_os = "linux") {
            format!("/proc/self/fd/{}/sock", self.handle.as_raw_fd()).into()
        } else {
            bail!("the socket's path `{}` is too long for a socket; use a shorter --base-dir", path.display())
        };
        let listener =
            UnixListener::bind(address).with_context(|| format!("cannot listen at `{}`", path.display()))?;
        rustix::fs::chmodat(&self.handle, "sock", Mode::RUSR | Mode::WUSR, AtFlags::empty())
            .with_context(|| format!("cannot make `{}` private", path.display()))?;
        Ok(listener)
    }

    /// Removes the socket, so that nobody finds it any more.
    pub fn remove_socket(&self) {
        let _ = rustix::fs::unlinkat(&self.handle, "sock", AtFlags::empty());
    }

    /// Writes the files of a pod that has just started.
    pub fn write_first_files(&self) -> anyhow::Result<()> {
        let write = |file: &str, bytes: &[u8]| {
            self.write(file, bytes)
                .with_context(|| format!("cannot write `{}`", self.path.join(file).display()))
        };
        write("pid", std::process::id().to_string().as_bytes())?;
        write("history.json", b"[]")?;
        write("status.json", &self.status(State::Idle))
    }

    /// Writes `status.json`. A pod whose disk is full goes on: its clients learn all from the socket.
    pub fn write_status(&self, state: State) {
        self.write_or_warn("status.json", &self.status(state));
    }

    /// Writes `history.json`, likewise.
    pub fn write_history(&self, items: &[u8]) {
        self.write_or_warn("history.json", items);
    }

    fn status(&self, state: State) -> Vec<u8> {
        #[derive(Serialize)]
        struct Status<'a> {
            pod_name: &'a str,
            session_id: &'a str,
            state: State,
        }
        let status = Status { pod_name: self.name.as_str(), session_id: &self.session_id, state };
        serde_json::to_vec(&status).expect("a status holds only strings")
    }

    fn write_or_warn(&self, file: &str, bytes: &[u8]) {
        if let Err(error) = self.write(file, bytes) {
            tracing::warn!("cannot write `{}`: {error}", self.path.join(file).display());
        }
    }

    /// Replaces a file as a whole.
    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!(".{file}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.handle, &*temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let written = File::from(opened)
            .write_all(bytes)
            .and_then(|()| Ok(rustix::fs::renameat(&self.handle, &*temporary, &self.handle, file)?));
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.handle, &*temporary, AtFlags::empty());
        }
        written
    }

    /// Removes the directory and all files in it. The name is free when this returns.
    pub fn remove(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        let mut last = Ok(());
        // A child that is being recorded at this moment may put a file back.
        for _ in 0..ATTEMPTS {
            last = self.clear_and_remove();
            if last != Err(Errno::NOTEMPTY) {
                break;
            }
        }
        last.with_context(|| format!("cannot remove the pod's directory `{}`", self.path.display()))
    }

    fn clear_and_remove(&self) -> rustix::io::Result<()> {
        for file in entries(&self.handle)? {
            // A directory stays, and then so does this one.
            let _ = rustix::fs::unlinkat(&self.handle, &file, AtFlags::empty());
        }
        match rustix::fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            removed => removed,
        }
    }
}

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("{error:#}");
        }
    }
}

/// Leaves an empty directory, or fails and leaves it as it is.
fn clear_leftovers(handle: &OwnedFd, name: &PodName, path: &Path) -> anyhow::Result<()> {
    let found = entries(handle).with_context(|| format!("cannot read `{}`", path.display()))?;
    if found.is_empty() {
        return Ok(());
    }
    // The operator's own directory, for one, holds records and is nobody's leftover.
    if !found.iter().any(|file| matches!(file.as_bytes(), b"pid" | b"sock" | b"status.json")) {
        bail!(
            "`{}` is there and no pod has left it; choose another name, or remove it if nothing needs it",
            path.display()
        );
    }
    if let Some(pid) = read_pid(handle).filter(|pid| is_alive(*pid)) {
        bail!(taken(name, &format!("process {pid} runs it"), path));
    }
    if takes_connections(handle, path) {
        bail!(taken(name, "its socket takes connections", path));
    }
    for file in found {
        rustix::fs::unlinkat(handle, &file, AtFlags::empty()).with_context(|| {
            format!(
                "cannot remove `{}`, which a dead pod left; remove `{}` by hand, or choose another name",
                path.join(OsString::from(file.to_string_lossy().as_ref())).display(),
                path.display()
            )
        })?;
    }
    Ok(())
}

fn taken(name: &PodName, reason: &str, path: &Path) -> String {
    format!(
        "a pod `{name}` is there already: {reason} (`{}`); stop it, or choose another name",
        path.display()
    )
}

/// All names in the directory.
fn entries(handle: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(handle)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Whether the path names the directory behind the handle.
fn is_at(handle: &OwnedFd, path: &Path) -> bool {
    match (rustix::fs::fstat(handle), rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(held), Ok(named)) => (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino),
        _ => false,
    }
}

/// The process that `pid` names, if it names one.
fn read_pid(handle: &OwnedFd) -> Option<i64> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(handle, "pid", flags, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(file).take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a process listens at the directory's socket. One whose backlog is full does.
fn takes_connections(handle: &OwnedFd, path: &Path) -> bool {
    let is_socket = rustix::fs::statat(handle, "sock", AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Socket);
    let through_handle = PathBuf::from(format!("/proc/self/fd/{}/sock", handle.as_raw_fd()));
    let address = if cfg!(target_os = "linux") { through_handle } else { path.join("sock") };
    let connected = SocketAddrUnix::new(&address).and_then(|address| {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        rustix::net::connect(&socket, &address)
    });
    is_socket && !matches!(connected, Err(Errno::CONNREFUSED | Errno::NOENT | Errno::PROTOTYPE))
}
