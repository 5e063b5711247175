//! A configuration as a file that its client may change at any time: read as a whole, and replaced as a whole
//! where it still is what was read.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Claude Code's has the history of all projects in it.
const MAX_BYTES: u64 = 32 << 20;

/// Why a file is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{} {why}", .file.display())]
pub struct Refusal {
    pub file: PathBuf,
    /// Goes on behind the file's name.
    pub why: String,
}

/// A file as it was read, or its absence.
#[derive(Debug)]
pub struct Found {
    /// Where the client looks for it.
    named: PathBuf,
    /// Where it is: behind links.
    target: PathBuf,
    /// `None`: there is none.
    pub text: Option<String>,
    mode: u32,
}

impl Found {
    /// Reads the file of that name.
    ///
    /// # Errors
    ///
    /// Fails where it is not a file that is ours to replace.
    pub fn read(named: &Path) -> Result<Self, Refusal> {
        let refused = |why: String| Refusal { file: named.to_owned(), why };
        let cannot = |error: io::Error| refused(format!("cannot be read: {error}"));
        let target = match fs::canonicalize(named) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Ok(to) = fs::read_link(named) {
                    let to = to.display();
                    return Err(refused(format!(
                        "is a link to {to}, which is not there; make that, or remove the link"
                    )));
                }
                return Ok(Self {
                    named: named.to_owned(),
                    target: named.to_owned(),
                    text: None,
                    mode: 0o600,
                });
            }
            Err(error) => return Err(cannot(error)),
        };
        // A pipe in its place holds nobody up.
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(&target).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        let owner = metadata.uid();
        if !metadata.is_file() {
            return Err(refused("is not a regular file".to_owned()));
        }
        if owner != rustix::process::geteuid().as_raw() {
            return Err(refused(format!("belongs to another user ({owner}); run this as that user")));
        }
        if metadata.mode() & 0o200 == 0 {
            return Err(refused("is read-only; chmod u+w, if it is to be changed".to_owned()));
        }
        if metadata.nlink() > 1 {
            return Err(refused(
                "has other names (hard links), which would keep what it says now".to_owned(),
            ));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(refused(format!("has more than {MAX_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))?;
        Ok(Self { named: named.to_owned(), target, text: Some(text), mode: metadata.mode() & 0o7777 })
    }

    /// Where the client looks for it.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Where it is.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A reason to leave it as it is.
    pub fn refused(&self, why: impl Into<String>) -> Refusal {
        Refusal { file: self.named.clone(), why: why.into() }
    }

    /// Puts the text into its place, at once, if it still says what was read.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be written, or says something else by now. Then it is as it was.
    pub fn replace(&self, text: &str) -> Result<(), Refusal> {
        let cannot = |error: io::Error| self.refused(format!("cannot be replaced: {error}"));
        let directory = self.target.parent().unwrap_or(Path::new("/"));
        let mut new =
            tempfile::Builder::new().prefix(".pod-tools-").tempfile_in(directory).map_err(cannot)?;
        new.as_file().set_permissions(fs::Permissions::from_mode(self.mode)).map_err(cannot)?;
        new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_data()).map_err(cannot)?;
        let Some(before) = &self.text else {
            return match new.persist_noclobber(&self.target) {
                Ok(_) => Ok(()),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(self.changed()),
                Err(error) => Err(cannot(error.error)),
            };
        };
        let is_as_before = |path: &Path| {
            fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
                && fs::read(path).is_ok_and(|now| now == before.as_bytes())
        };
        if !is_as_before(&self.target) {
            return Err(self.changed());
        }
        // Exchanged, what was there last can be looked at, and put back where the client has written it
        // since.
        match exchange(new.path(), &self.target) {
            Ok(()) if is_as_before(new.path()) => Ok(()),
            Ok(()) => {
                exchange(new.path(), &self.target).map_err(cannot)?;
                Err(self.changed())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.changed()),
            // The file system cannot exchange.
            Err(_) => new.persist(&self.target).map(drop).map_err(|error| cannot(error.error)),
        }
    }

    /// Takes the file away, if it still says what was read.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be, or says something else by now. Then it is as it was.
    pub fn delete(&self) -> Result<(), Refusal> {
        let now = fs::read(&self.target).ok();
        if now.as_deref() != self.text.as_deref().map(str::as_bytes) {
            return Err(self.changed());
        }
        fs::remove_file(&self.target).map_err(|error| self.refused(format!("cannot be removed: {error}")))
    }

    fn changed(&self) -> Refusal {
        self.refused("has been changed by another program meanwhile; run this again")
    }
}

/// Makes what is missing of the way to a directory, for the user alone, and says what that was: the outermost
/// first.
pub fn make_directories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = directory.ancestors().take_while(|path| fs::symlink_metadata(path).is_err());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    for path in &missing {
        fs::DirBuilder::new().mode(0o700).create(path)?;
    }
    Ok(missing)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_since_it_was_read_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("configuration");
        // One that was written, one that was replaced, one that has come, one that has gone.
        fs::write(&file, "before").unwrap();
        let found = Found::read(&file).unwrap();
        fs::write(&file, "by the client").unwrap();
        let refused = found.replace("by us").unwrap_err();
        assert!(refused.to_string().contains("changed by another program"), "{refused}");
        found.delete().unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "by the client");

        let found = Found::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        found.replace("by us").unwrap_err();
        found.delete().unwrap_err();
        assert!(!file.exists());

        let absent = Found::read(&file).unwrap();
        assert_eq!(absent.text, None);
        fs::write(&file, "by the client").unwrap();
        absent.replace("by us").unwrap_err();
        absent.delete().unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "by the client");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_by_one_with_its_rights() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("configuration");
        Found::read(&file).unwrap().replace("new").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("new", 0o600));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let inode = fs::metadata(&file).unwrap().ino();
        Found::read(&file).unwrap().replace("newer").unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("newer", 0o644));
        assert_ne!(fs::metadata(&file).unwrap().ino(), inode);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        Found::read(&file).unwrap().delete().unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn directories_are_made_for_the_user_alone_and_told_from_the_outermost_on() {
        let place = tempfile::tempdir().unwrap();
        let (outer, inner) = (place.path().join("a"), place.path().join("a/b"));
        assert_eq!(make_directories(&inner).unwrap(), [outer, inner.clone()]);
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        assert!(make_directories(&inner).unwrap().is_empty());
    }
}
