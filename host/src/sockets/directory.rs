//! Granted directories: where sockets may lie, and how a record's path becomes a descriptor.
//!
//! A path is only ever a hint. It must begin with a granted directory, under whatever name; the rest is resolved
//! beneath the handle that was opened when the grant was made, without following any symbolic link, and what comes of
//! it is a descriptor. From then on the descriptor is used, never the path again.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::refusal::{Refusal, descriptors_exhausted};
use crate::error::{ErrorKind, Setting, ToolError};
use crate::files::os_error::OsError;
use crate::files::place::{self, Identity};
use crate::files::state_file;
use crate::files::writers;

/// A directory that could not be granted.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the directory {path}: {source}; it must exist before it can be granted")]
pub struct DirectoryError {
    path: String,
    source: io::Error,
}

impl From<DirectoryError> for ToolError {
    fn from(error: DirectoryError) -> Self {
        Self::new(ErrorKind::ExecutionFailed, None, error.to_string())
    }
}

/// One granted directory.
#[derive(Debug)]
pub(crate) struct GrantedDirectory {
    /// As the operator wrote it, made absolute, and as it resolved when it was opened.
    prefixes: Vec<PathBuf>,
    handle: Dir,
    /// What the handle stands for.
    identity: Identity,
}

/// Why a path did not become a descriptor.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// There is nothing at that path.
    Missing,
    /// A check failed.
    Refused(Refusal),
    /// This process has no descriptor left.
    DescriptorsExhausted,
}

impl Lookup {
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(Refusal::new(why))
    }

    /// The error of an operation on that pod, whose record has that socket; `None` where nothing is there.
    pub(crate) fn error(self, pod: &str, socket: &Path) -> Option<ToolError> {
        match self {
            Self::Missing => None,
            Self::Refused(refusal) => Some(refusal.of(pod, socket)),
            Self::DescriptorsExhausted => Some(descriptors_exhausted()),
        }
    }
}

impl GrantedDirectory {
    /// Opens a directory once and for all.
    ///
    /// # Ambient Authority
    ///
    /// This is the one place in which the library opens a directory by its path with the process's own
    /// rights. Symbolic links on the way are the operator's, and followed.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let fail = |source| DirectoryError { path: path.display().to_string(), source };
        let handle = Dir::open_ambient_dir(path, ambient_authority()).map_err(fail)?;
        let given = std::path::absolute(path).map_err(fail)?;
        let resolved = std::fs::canonicalize(path).map_err(fail)?;
        let prefixes = if given == resolved { vec![given] } else { vec![given, resolved] };
        let stat = rustix::fs::fstat(&handle).map_err(|errno| fail(errno.into()))?;
        Ok(Self { prefixes, handle, identity: state_file::identity(&stat) })
    }

    /// What is left of `path` beneath this directory; `None` if the path does not begin with it.
    fn beneath<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        self.prefixes.iter().find_map(|prefix| path.strip_prefix(prefix).ok())
    }
}

/// All granted directories of one authority. Empty, it leads nowhere.
#[derive(Debug, Default)]
pub struct GrantedDirectories(Vec<GrantedDirectory>);

impl GrantedDirectories {
    /// These directories, each opened once and for all.
    ///
    /// # Errors
    /// A directory cannot be opened.
    pub fn open_all<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, DirectoryError> {
        paths
            .into_iter()
            .map(|path| GrantedDirectory::open(path.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    #[cfg(test)]
    fn add(&mut self, directory: GrantedDirectory) {
        self.0.push(directory);
    }

    /// A descriptor of the socket at `path`, fit to be connected through and nothing else: it is a socket,
    /// it belongs to this process's user, whose number is given with it, and nothing on the way to it was a symbolic
    /// link.
    pub(crate) fn open_socket(&self, path: &Path) -> Result<(OwnedFd, u32), Lookup> {
        let descriptor = self.open(path, OFlags::PATH)?;
        let stat = check_kind_and_owner(descriptor.as_fd(), rustix::fs::FileType::Socket, "a socket")?;
        Ok((descriptor, stat.st_uid))
    }

    /// A descriptor of the regular file `name` beside the socket at `path`, for reading, checked the same
    /// way, and the file's size.
    pub(crate) fn open_beside(&self, path: &Path, name: &OsStr) -> Result<(OwnedFd, u64), Lookup> {
        let descriptor =
            self.open(&path.with_file_name(name), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat =
            check_kind_and_owner(descriptor.as_fd(), rustix::fs::FileType::RegularFile, "a regular file")?;
        if writers::lets_others_write(&stat) {
            let directory = self.open_directory_of(path)?;
            writers::check_file(directory.as_fd(), &stat)
                .map_err(|exposure| Lookup::refused(exposure.to_string()))?;
        }
        Ok((descriptor, u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// A descriptor of the directory that holds the socket at `path`, which stands for the directory and can
    /// read nothing, checked the same way. A socket right in a granted directory has none of its own.
    pub(crate) fn open_directory_of(&self, path: &Path) -> Result<OwnedFd, Lookup> {
        let directory = path.parent().unwrap_or(path);
        let descriptor = self.open(directory, OFlags::PATH)?;
        check_kind_and_owner(descriptor.as_fd(), rustix::fs::FileType::Directory, "a directory")?;
        Ok(descriptor)
    }

    /// The granted directory that a path begins with under another name than the two that are known of it, and what
    /// is left of the path beneath it. The first on the way counts: what is behind it is resolved beneath it, where
    /// no link is followed, not even one that leads back to it.
    fn under_another_name<'p>(&self, path: &'p Path) -> Option<(&GrantedDirectory, &'p Path)> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).filter(|above| above.is_absolute()).collect();
        above.reverse();
        let identities = above.iter().map_while(|above| Some((above, place::identity(above)?)));
        let is_granted = |identity| self.0.iter().find(|directory| directory.identity == identity);
        let (directory, above) =
            identities.into_iter().find_map(|(above, identity)| Some((is_granted(identity)?, above)))?;
        Some((directory, path.strip_prefix(above).ok()?))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Lookup> {
        if path.as_os_str().as_encoded_bytes().first() == Some(&0) {
            return Err(Lookup::refused("is in the abstract namespace, which no directory can grant"));
        }
        let mut granted = self.0.iter().filter_map(|directory| Some((directory, directory.beneath(path)?)));
        let Some((directory, rest)) = granted.next().or_else(|| self.under_another_name(path)) else {
            let refusal = Refusal::new("lies outside the granted directories");
            return Err(Lookup::Refused(refusal.set_by(Setting::AllowedSockets)));
        };
        if rest.as_os_str().is_empty() || !rest.components().all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(Lookup::refused("has a path that is not plain names beneath a granted directory"));
        }
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        resolve_beneath(directory.handle.as_fd(), rest, flags).map_err(|errno| match errno.into() {
            // A pod removes its directory when it ends; a component that is no directory is as good as none.
            OsError::Missing | OsError::NotADirectory => Lookup::Missing,
            OsError::SymbolicLink => Lookup::refused("lies behind a symbolic link"),
            OsError::LeadsOut => Lookup::refused("leads out of the granted directory"),
            OsError::Descriptors => Lookup::DescriptorsExhausted,
            _ => Lookup::refused(format!("cannot be opened: {}", io::Error::from(errno))),
        })
    }
}

/// Opens `path` beneath `directory`, where no component may be a symbolic link or lead upwards.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn resolve_beneath(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // The kernel gives up with EAGAIN when something on the path is renamed meanwhile; it asks to try again.
    for _ in 0..128 {
        match openat2(directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            // No such system call, or a seccomp filter that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => return walk_beneath(directory, path, flags),
            done => return done,
        }
    }
    walk_beneath(directory, path, flags)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use walk_beneath as resolve_beneath;

/// Opens `path` beneath `directory` without the kernel's help: one component at a time, each from the handle of the
/// one before.
///
/// `path` has plain names only; [`GrantedDirectories::open`] has seen to that.
fn walk_beneath(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.components().map(Component::as_os_str).peekable();
    let mut parent: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let at = parent.as_ref().map_or(directory, |fd| fd.as_fd());
        if names.peek().is_none() {
            return rustix::fs::openat(at, name, flags, Mode::empty());
        }
        let directory_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        parent = Some(match rustix::fs::openat(at, name, directory_flags, Mode::empty()) {
            // With both flags the kernel reports a symbolic link as "not a directory".
            Err(Errno::NOTDIR) if is_symlink(at, name) => return Err(Errno::LOOP),
            opened => opened?,
        });
    }
    Err(Errno::NOENT)
}

fn is_symlink(directory: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink)
}

fn check_kind_and_owner(
    fd: BorrowedFd<'_>,
    kind: rustix::fs::FileType,
    words: &str,
) -> Result<rustix::fs::Stat, Lookup> {
    let stat =
        rustix::fs::fstat(fd).map_err(|errno| Lookup::refused(format!("cannot be examined: {errno}")))?;
    let found = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    if found == rustix::fs::FileType::Symlink {
        return Err(Lookup::refused("is a symbolic link"));
    }
    if found != kind {
        return Err(Lookup::refused(format!("is not {words}")));
    }
    let us = rustix::process::geteuid();
    if stat.st_uid != us.as_raw() {
        return Err(Lookup::refused(format!("belongs to user {}, not to user {}", stat.st_uid, us.as_raw())));
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    struct Place {
        directories: GrantedDirectories,
        granted: PathBuf,
        root: tempfile::TempDir,
    }

    fn place() -> Place {
        let root = tempfile::tempdir().unwrap();
        let granted = root.path().join("granted");
        fs::create_dir_all(granted.join("pod")).unwrap();
        fs::create_dir(root.path().join("outside")).unwrap();
        let mut directories = GrantedDirectories::default();
        directories.add(GrantedDirectory::open(&granted).unwrap());
        Place { directories, granted, root }
    }

    fn refusal(result: Result<(OwnedFd, u32), Lookup>) -> String {
        match result {
            Err(Lookup::Refused(refusal)) => refusal.why().to_owned(),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_socket_beneath_a_granted_directory_is_found_by_either_name_of_the_directory() {
        let place = place();
        let link = place.root.path().join("link");
        symlink(&place.granted, &link).unwrap();
        let _listener = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        let mut by_link = GrantedDirectories::default();
        by_link.add(GrantedDirectory::open(&link).unwrap());
        by_link.open_socket(&link.join("pod/sock")).unwrap();
        by_link.open_socket(&fs::canonicalize(&place.granted).unwrap().join("pod/sock")).unwrap();
    }

    #[test]
    fn a_granted_directory_is_the_same_under_any_name() {
        let place = place();
        let root = place.root.path();
        let _listener = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        symlink(&place.granted, root.join("link")).unwrap();
        symlink(root.join("link"), root.join("chain")).unwrap();
        symlink("..", root.join("outside/up")).unwrap();
        for name in ["link", "chain", "outside/../granted", "outside/up/granted", "outside/.././granted//."] {
            place.directories.open_socket(&root.join(name).join("pod/sock")).unwrap();
        }
    }

    #[test]
    fn beneath_another_name_no_link_is_followed_and_nothing_leads_out() {
        let place = place();
        let root = place.root.path();
        let _inside = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        let _outside = UnixListener::bind(root.join("outside/sock")).unwrap();
        symlink(&place.granted, root.join("link")).unwrap();
        symlink(&place.granted, place.granted.join("back")).unwrap();
        symlink(root.join("outside"), place.granted.join("away")).unwrap();
        for path in ["granted/back/pod/sock", "link/back/pod/sock", "link/away/sock", "link/back/away/sock"] {
            assert_eq!(
                refusal(place.directories.open_socket(&root.join(path))),
                "lies behind a symbolic link"
            );
        }
        for path in ["link/../outside/sock", "link/pod/../../outside/sock", "link/../link/pod/sock"] {
            let why = refusal(place.directories.open_socket(&root.join(path)));
            assert_eq!(why, "has a path that is not plain names beneath a granted directory", "{path}");
        }
        for path in ["outside/sock", "outside/../outside/sock", "none/link/pod/sock"] {
            assert_eq!(
                refusal(place.directories.open_socket(&root.join(path))),
                "lies outside the granted directories"
            );
        }
    }

    #[test]
    fn whatever_is_not_plainly_beneath_is_refused() {
        let place = place();
        let _outside = UnixListener::bind(place.root.path().join("outside/sock")).unwrap();
        for path in [
            place.root.path().join("outside/sock"),
            place.granted.join("../outside/sock"),
            place.granted.join("pod/../../outside/sock"),
            place.granted.clone(),
            PathBuf::from("pod/sock"),
            PathBuf::from(""),
            PathBuf::from("\0abstract"),
            PathBuf::from(format!("{}-sibling/sock", place.granted.display())),
        ] {
            refusal(place.directories.open_socket(&path));
        }
    }

    #[test]
    fn a_symbolic_link_in_any_component_is_refused_by_the_kernel_and_by_the_walk() {
        let place = place();
        let _outside = UnixListener::bind(place.root.path().join("outside/sock")).unwrap();
        let _inside = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        symlink(place.root.path().join("outside"), place.granted.join("away")).unwrap();
        symlink("pod", place.granted.join("alias")).unwrap();
        symlink("sock", place.granted.join("pod/other")).unwrap();
        for path in ["away/sock", "alias/sock", "pod/other"] {
            let why = refusal(place.directories.open_socket(&place.granted.join(path)));
            assert!(why.contains("symbolic link"), "{path}: {why}");

            let handle = place.directories.0[0].handle.as_fd();
            let walked = walk_beneath(handle, Path::new(path), OFlags::PATH | OFlags::NOFOLLOW);
            let is_link = |fd: OwnedFd| {
                check_kind_and_owner(fd.as_fd(), rustix::fs::FileType::Socket, "a socket").is_err()
            };
            assert!(walked.as_ref().err() == Some(&Errno::LOOP) || walked.is_ok_and(is_link), "{path}");
        }
    }

    #[test]
    fn the_walk_finds_what_the_kernel_finds() {
        let place = place();
        let _inside = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        let handle = place.directories.0[0].handle.as_fd();
        walk_beneath(handle, Path::new("pod/sock"), OFlags::PATH | OFlags::NOFOLLOW).unwrap();
        for missing in ["pod/none", "none/sock", "none"] {
            let walked = walk_beneath(handle, Path::new(missing), OFlags::PATH | OFlags::NOFOLLOW);
            assert_eq!(walked.unwrap_err(), Errno::NOENT);
        }
    }

    #[test]
    fn what_is_not_a_socket_is_refused_and_what_is_not_there_is_missing() {
        let place = place();
        fs::write(place.granted.join("file"), "").unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            place.granted.join("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        for path in ["file", "fifo", "pod"] {
            assert_eq!(refusal(place.directories.open_socket(&place.granted.join(path))), "is not a socket");
        }
        for path in ["none", "none/sock", "file/sock"] {
            let found = place.directories.open_socket(&place.granted.join(path));
            assert!(matches!(found, Err(Lookup::Missing)), "{path}: {found:?}");
        }
    }

    #[test]
    fn a_socket_of_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can make a socket that belongs to somebody else");
            return;
        }
        let place = place();
        let path = place.granted.join("pod/sock");
        let _listener = UnixListener::bind(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert_eq!(refusal(place.directories.open_socket(&path)), "belongs to user 12345, not to user 0");
    }

    #[test]
    fn the_handle_stays_with_the_directory_that_was_granted() {
        let place = place();
        let _inside = UnixListener::bind(place.granted.join("pod/sock")).unwrap();
        let moved = place.root.path().join("moved");
        fs::rename(&place.granted, &moved).unwrap();
        fs::create_dir_all(place.granted.join("pod")).unwrap();
        place.directories.open_socket(&place.granted.join("pod/sock")).unwrap();
    }
}
