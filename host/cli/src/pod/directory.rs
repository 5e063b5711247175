//! The pod's directory beneath the base: made, or taken over from a dead pod, held, and removed in the end.
//!
//! The process that holds the directory holds an exclusive `flock` on it, so that two pods cannot start in it at the
//! same time. Pods of other makes do not take that lock: a socket that takes connections says the same, and what they
//! left is judged by [`LifeCheck`]. All files are reached through the directory's handle.
//!
//! What a dead pod left is removed only when the new pod is in the scope lock: until then another one may be the
//! rightful holder of the name, and the directory stays as it is.

use std::cell::Cell;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pod_tools_host::scope::{Holder, LifeCheck};
use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use serde::Serialize;

use super::fence::Held;
use super::name::PodName;
use super::protocol::OURS;

/// The longest path that a socket's address can hold, in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// How often to start over when somebody removes the directory that is being taken, or adds to the one that is
/// being removed.
const ATTEMPTS: usize = 16;

/// How long what a killed pod has started has to end: it is being killed.
pub const LEFTOVER_WAIT: Duration = Duration::from_secs(2);
/// How long to wait before a lock is tried again.
pub const PAUSE: Duration = Duration::from_millis(5);

/// What was taken away from a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its socket was removed: nobody finds it any more.
    Socket,
    /// Its directory was removed or replaced, or somebody else's socket is in it: the name is not the pod's any more.
    Directory,
}

/// What `status.json` says.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Idle,
    Running,
    /// Within a run, somebody is asked.
    Paused,
}

/// A directory that this process holds. It is removed, with all files in it, when this is dropped, unless what it was
/// found with is still there.
#[derive(Debug)]
pub struct OwnDirectory {
    name: PodName,
    session_id: String,
    holder: Holder,
    held: Held,
    path: PathBuf,
    handle: OwnedFd,
    /// Device and inode of the socket, once the pod listens.
    socket: Cell<Option<(u64, u64)>>,
    /// Somebody else's files may be in it, or it has been removed: then it stays as it is when this is dropped.
    foreign: bool,
}

impl OwnDirectory {
    /// Makes `{base}/{name}`, mode 0700, or takes what a dead pod left there. Fails when the name is taken, and when
    /// there is something that no pod has left.
    pub fn reserve(
        base: &Path,
        name: &PodName,
        session_id: String,
        holder: Holder,
        check: &LifeCheck<'_>,
    ) -> anyhow::Result<OwnDirectory> {
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
            if !lock(&handle)
                .with_context(|| format!("cannot lock the pod's directory `{}`", path.display()))?
            {
                bail!(taken(name, "another process holds its directory", &path));
            }
            // Its former holder may have removed it between our opening and our locking it.
            if !is_at(&handle, &path) {
                continue;
            }
            let foreign = judge_leftovers(&handle, name, &path, check)?;
            let (name, socket) = (name.clone(), Cell::new(None));
            let held = Held::NONE;
            return Ok(OwnDirectory { name, session_id, holder, held, path, handle, socket, foreign });
        }
        bail!("`{}` is being removed again and again; choose another name for the pod", path.display())
    }

    /// Removes what a dead pod left, and makes the directory private.
    pub fn clear(&mut self) -> anyhow::Result<()> {
        let path = &self.path;
        let found = entries(&self.handle).with_context(|| format!("cannot read `{}`", path.display()))?;
        for file in found {
            rustix::fs::unlinkat(&self.handle, &file, AtFlags::empty()).with_context(|| {
                format!(
                    "cannot remove `{}`, which a dead pod left; remove `{}` by hand, or choose another name",
                    path.join(OsString::from(file.to_string_lossy().as_ref())).display(),
                    path.display()
                )
            })?;
        }
        self.foreign = false;
        rustix::fs::fchmod(&self.handle, Mode::RWXU)
            .with_context(|| format!("cannot make `{}` private", path.display()))
    }

    /// The handle that holds the directory's lock.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
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
        listener.set_nonblocking(true).context("cannot listen without blocking")?;
        self.socket.set(self.found_socket());
        Ok(listener)
    }

    /// What has been taken away from the pod, if anything has.
    pub fn loss(&self) -> Option<Loss> {
        if !is_at(&self.handle, &self.path) {
            return Some(Loss::Directory);
        }
        match (self.found_socket(), self.socket.get()) {
            (None, Some(_)) => Some(Loss::Socket),
            // Somebody else listens in the pod's place.
            (Some(found), Some(own)) if found != own => Some(Loss::Directory),
            _ => None,
        }
    }

    fn found_socket(&self) -> Option<(u64, u64)> {
        let stat = rustix::fs::statat(&self.handle, "sock", AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }

    /// Removes the socket, so that nobody finds it any more.
    pub fn remove_socket(&self) {
        let _ = rustix::fs::unlinkat(&self.handle, "sock", AtFlags::empty());
    }

    /// The fence around the pod's command.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Writes the files of a pod that has just started, behind this fence.
    pub fn write_first_files(&mut self, held: Held) -> anyhow::Result<()> {
        self.held = held;
        let write = |file: &str, bytes: &[u8]| {
            self.write(file, bytes)
                .with_context(|| format!("cannot write `{}`", self.path.join(file).display()))
        };
        write("pid", std::process::id().to_string().as_bytes())?;
        write("history.json", b"[]")?;
        write("status.json", &self.status(State::Idle))
    }

    /// Writes `status.json`. A pod whose disk is full goes on: its clients learn all from the socket. The state before
    /// would be wrong for as long as the disk is full: without the file it is unknown.
    pub fn write_status(&self, state: State) {
        if let Err(error) = self.write("status.json", &self.status(state)) {
            self.warn("status.json", &error);
            let _ = rustix::fs::unlinkat(&self.handle, "status.json", AtFlags::empty());
        }
    }

    /// Writes `history.json`, if it can be.
    pub fn write_history(&self, items: &[u8]) {
        if let Err(error) = self.write("history.json", items) {
            self.warn("history.json", &error);
        }
    }

    fn status(&self, state: State) -> Vec<u8> {
        #[derive(Serialize)]
        struct Status<'a> {
            pod_name: &'a str,
            session_id: &'a str,
            state: State,
            holder: &'a Holder,
            fence: &'a Held,
            methods: [&'a str; 2],
        }
        let (pod_name, session_id, holder) = (self.name.as_str(), &self.session_id, &self.holder);
        let status = Status { pod_name, session_id, state, holder, fence: &self.held, methods: OURS };
        serde_json::to_vec(&status).expect("a status holds only strings")
    }

    fn warn(&self, file: &str, error: &io::Error) {
        tracing::warn!("cannot write `{}`: {error}", self.path.join(file).display());
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
        if std::mem::replace(&mut self.foreign, true) {
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
        // Another pod's by now.
        if !is_at(&self.handle, &self.path) {
            return Ok(());
        }
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

/// Takes the directory's lock; `false` where another process holds it.
fn lock(handle: &OwnedFd) -> rustix::io::Result<bool> {
    for _ in 0..ATTEMPTS {
        match rustix::fs::flock(handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            // Somebody may just be asking whether it is held, which takes no time.
            Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether a dead pod left anything in the directory. Fails where its pod may live, and where it is no pod's.
fn judge_leftovers(
    handle: &OwnedFd,
    name: &PodName,
    path: &Path,
    check: &LifeCheck<'_>,
) -> anyhow::Result<bool> {
    let found = entries(handle).with_context(|| format!("cannot read `{}`", path.display()))?;
    if found.is_empty() {
        return Ok(false);
    }
    // The operator's own directory, for one, holds records and is nobody's leftover.
    if !found.iter().any(|file| matches!(file.as_bytes(), b"pid" | b"sock" | b"status.json")) {
        bail!(
            "`{}` is there and no pod has left it; choose another name, or remove it if nothing needs it",
            path.display()
        );
    }
    if takes_connections(handle, path) {
        bail!(taken(name, "its socket takes connections", path));
    }
    let deadline = Instant::now() + LEFTOVER_WAIT;
    loop {
        match check.of_files(handle).evidence() {
            None => return Ok(true),
            Some(evidence) if evidence.is_leftover() && Instant::now() < deadline => {
                std::thread::sleep(PAUSE)
            }
            Some(evidence) => bail!(taken(name, &evidence.to_string(), path)),
        }
    }
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
