//! What was pulled to be loaded, kept on disk: a component that is there is loaded with no registry at hand. Each file
//! is named by its digest, and read by it: what others could write there would be found to be something else.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::digest::Digest;

/// How many files are kept, those that were stored last: a component has two, its manifest and itself.
const MAX_FILES: usize = 32;

/// A directory of what was pulled.
#[derive(Debug)]
pub struct Store(PathBuf);

impl Store {
    /// Beside the compiled code: in `$XDG_CACHE_HOME/pod-tools/artifacts`, else in `~/.cache`. `None` where there is no
    /// such directory, or others can write to it.
    pub fn open() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        let directory = base.join("pod-tools/artifacts");
        let opened = Self::open_at(&directory);
        opened
            .inspect_err(|why| tracing::warn!("nothing pulled is kept in {}: {why}", directory.display()))
            .ok()
    }

    fn open_at(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::metadata(directory)?;
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
            return Err(io::Error::other("others can write to it (chmod 700)"));
        }
        Ok(Self(directory.to_owned()))
    }

    /// The content of that digest, if it is there and has no more bytes than that.
    pub fn get(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(self.path(digest)).ok()?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        Some(bytes).filter(|bytes| bytes.len() as u64 <= limit && Digest::of(bytes) == *digest)
    }

    /// Keeps content. It is never needed: what cannot be kept is pulled again.
    pub fn put(&self, bytes: &[u8]) {
        let stored = (|| {
            let mut draft = tempfile::NamedTempFile::new_in(&self.0)?;
            draft.write_all(bytes)?;
            draft.persist(self.path(&Digest::of(bytes)))?;
            self.clean_up()
        })();
        if let Err(error) = stored {
            tracing::warn!("what was pulled is not kept in {}: {error}", self.0.display());
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(format!("sha256-{}", digest.hex()))
    }

    /// Removes what was stored longest ago, and what killed processes left.
    fn clean_up(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if let Ok(stored) = entry.metadata().and_then(|found| found.modified()) {
                files.push((stored, entry.path()));
            }
        }
        files.sort_unstable();
        for (_, path) in files.iter().rev().skip(MAX_FILES) {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_at(&directory.path().join("artifacts")).unwrap();
        (directory, store)
    }

    #[test]
    fn what_was_put_is_found_by_its_digest_unless_it_was_changed_or_is_too_long() {
        let (_directory, store) = store();
        let digest = Digest::of(b"content");
        assert_eq!(store.get(&digest, 7), None);
        store.put(b"content");
        assert_eq!(store.get(&digest, 7).unwrap(), b"content");
        assert_eq!(store.get(&digest, 6), None);
        fs::write(store.path(&digest), b"changed").unwrap();
        assert_eq!(store.get(&digest, 7), None);
        store.put(b"content");
        assert_eq!(store.get(&digest, 7).unwrap(), b"content");
    }

    #[test]
    fn what_was_stored_longest_ago_goes() {
        let (_directory, store) = store();
        for number in 0..MAX_FILES + 8 {
            store.put(number.to_string().as_bytes());
        }
        assert_eq!(fs::read_dir(&store.0).unwrap().count(), MAX_FILES);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_not_used() {
        let (_directory, store) = store();
        fs::set_permissions(&store.0, fs::Permissions::from_mode(0o777)).unwrap();
        Store::open_at(&store.0).unwrap_err();
    }
}
