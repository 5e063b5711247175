//! Who could have written a file of state: what it says counts only where nobody could but its owner and root.
//!
//! A file of state tells who lives, who may write where, how far a pod was read; cached code is run. So the file and
//! its directory must belong to this process's user or to root, and nobody else may be able to write to the file, or
//! to put another one in its place. What the bits for writing say does not matter where nobody else gets as far as the
//! file: people whose umask is 002 keep such files beneath a directory that is theirs alone.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, Stat};

const OTHERS_WRITE: u32 = 0o022;
const OTHERS_ENTER: u32 = 0o011;
const STICKY: u32 = 0o1000;
/// Deeper than any path can be spelled.
const MAX_DEPTH: usize = 2048;

/// Why a file of state is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exposure {
    what: What,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    File,
    Directory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It belongs to this user.
    Owner(u32),
    /// Its permissions let others write to it.
    Mode(u32),
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::File => "it",
            What::Directory => "its directory",
        };
        match self.how {
            How::Owner(user) => write!(f, "{what} belongs to another user ({user}), so it was not read"),
            How::Mode(mode) => {
                write!(f, "others than you can write to {what} (mode {mode:04o}), so it was not read")
            }
        }
    }
}

impl Exposure {
    /// What to do about the file at that path.
    pub(crate) fn remedy(&self, path: &Path) -> String {
        let path = match self.what {
            What::File => path,
            What::Directory => path.parent().unwrap_or(path),
        };
        match self.how {
            // Everybody's, as `/tmp` is.
            How::Mode(mode) if self.what == What::Directory && mode & STICKY != 0 => {
                format!(
                    "keep such files in a directory of your own, or, if that one is, `chmod go-w {}`",
                    path.display()
                )
            }
            How::Owner(_) => format!(
                "use files of your own, or make it yours (chown) if you know what is in `{}`",
                path.display()
            ),
            How::Mode(_) => format!("look who has written to it, then `chmod go-w {}`", path.display()),
        }
    }
}

/// Checks a directory in which a file of state is to be made or read.
pub(crate) fn check_directory(directory: BorrowedFd<'_>) -> rustix::io::Result<Result<(), Exposure>> {
    let stat = rustix::fs::fstat(directory)?;
    Ok(check(directory, &stat, What::Directory))
}

/// Checks a file in a directory that has been checked.
pub(crate) fn check_file(directory: BorrowedFd<'_>, file: &Stat) -> Result<(), Exposure> {
    check(directory, file, What::File)
}

fn check(directory: BorrowedFd<'_>, stat: &Stat, what: What) -> Result<(), Exposure> {
    if !is_trusted(stat) {
        return Err(Exposure { what, how: How::Owner(stat.st_uid) });
    }
    if lets_others_write(stat) && !is_out_of_reach(directory) {
        return Err(Exposure { what, how: How::Mode(mode(stat) & 0o7777) });
    }
    Ok(())
}

/// Whether its permissions let others write to it, should they get to it.
pub(crate) fn lets_others_write(stat: &Stat) -> bool {
    mode(stat) & OTHERS_WRITE != 0
}

/// Whether it belongs to this process's user, or to root.
fn is_trusted(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "systems differ in the type")]
fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32
}

/// Whether the directory, or one above it, lets nobody through but its owner, who is trusted. Where that cannot be found
/// out, it does not.
fn is_out_of_reach(directory: BorrowedFd<'_>) -> bool {
    let mut above: Option<OwnedFd> = None;
    let mut below = None;
    for _ in 0..MAX_DEPTH {
        let here = above.as_ref().map_or(directory, AsFd::as_fd);
        let Ok(stat) = rustix::fs::fstat(here) else { return false };
        if is_trusted(&stat) && mode(&stat) & OTHERS_ENTER == 0 {
            return true;
        }
        // The root is above itself.
        let here_is = (stat.st_dev, stat.st_ino);
        if below.replace(here_is) == Some(here_is) {
            return false;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(next) = rustix::fs::openat(here, "..", flags, Mode::empty()) else { return false };
        above = Some(next);
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A directory in a directory, and a file in it.
    struct Place {
        root: tempfile::TempDir,
        directory: PathBuf,
        file: PathBuf,
    }

    impl Place {
        fn new(above: u32, directory: u32, file: u32) -> Self {
            let root = tempfile::tempdir().unwrap();
            let place = Self {
                directory: root.path().join("directory"),
                file: root.path().join("directory/file"),
                root,
            };
            fs::create_dir(&place.directory).unwrap();
            fs::write(&place.file, "").unwrap();
            for (path, mode) in
                [(&place.file, file), (&place.directory, directory), (&place.root.path().to_owned(), above)]
            {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            place
        }

        fn check(&self) -> Result<(), String> {
            let directory = fs::File::open(&self.directory).unwrap();
            let stat = rustix::fs::stat(&self.file).unwrap();
            check_directory(directory.as_fd())
                .unwrap()
                .and_then(|()| check_file(directory.as_fd(), &stat))
                .map_err(|exposure| format!("{exposure}; {}", exposure.remedy(&self.file)))
        }
    }

    #[test]
    fn what_only_its_owner_can_write_to_counts() {
        for (above, directory, file) in [(0o755, 0o755, 0o644), (0o755, 0o700, 0o600), (0o777, 0o755, 0o444)]
        {
            Place::new(above, directory, file).check().unwrap();
        }
    }

    #[test]
    fn what_others_can_write_to_does_not_and_the_remedy_names_it() {
        for (directory, file, said) in [
            (0o755, 0o664, "chmod go-w"),
            (0o755, 0o646, "to it (mode 0646)"),
            (0o775, 0o600, "its directory (mode 0775)"),
        ] {
            let place = Place::new(0o755, directory, file);
            let error = place.check().unwrap_err();
            assert!(error.contains(said), "{error}");
            let named = if error.contains("directory (") { &place.directory } else { &place.file };
            assert!(error.ends_with(&format!("`chmod go-w {}`", named.display())), "{error}");
        }
    }

    #[test]
    fn in_a_directory_of_everybody_nothing_counts_and_another_is_proposed_first() {
        let error = Place::new(0o755, 0o1777, 0o600).check().unwrap_err();
        assert!(
            error.contains("its directory (mode 1777)")
                && error.contains("; keep such files in a directory of your own"),
            "{error}"
        );
    }

    #[test]
    fn where_others_do_not_get_their_bits_do_not_matter() {
        for (above, directory, file) in [(0o700, 0o777, 0o666), (0o755, 0o700, 0o666), (0o744, 0o775, 0o664)]
        {
            Place::new(above, directory, file).check().unwrap();
        }
        Place::new(0o710, 0o777, 0o666).check().unwrap_err();
    }

    #[test]
    fn what_belongs_to_somebody_else_does_not_count_wherever_it_is() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: only root can give files away");
            return;
        }
        for path in ["directory", "directory/file"] {
            let place = Place::new(0o700, 0o700, 0o600);
            std::os::unix::fs::chown(place.root.path().join(path), Some(12345), None).unwrap();
            let error = place.check().unwrap_err();
            assert!(error.contains("another user (12345)") && error.contains("chown"), "{error}");
        }
    }
}
