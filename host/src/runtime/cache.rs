//! The compilation cache: native code of components that were compiled before, in a directory that is its owner's
//! alone.
//!
//! What is read from here is run as code of this process. So the directory and each file count only where nobody but
//! their owner could have written them; the file is read whole from the descriptor that was checked, and its digest
//! finds one that was torn. A cache is never needed: whatever is wrong with it, the component is compiled.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, OFlags, Timestamps, UTIME_NOW};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use xxhash_rust::xxh3::xxh3_128;

use crate::files::state_file::{self, Fault};
use crate::files::writers;

/// More than this is kept of no component.
const MAX_CODE: u64 = 256 << 20;
/// How many components are kept: those that were used last.
const MAX_FILES: usize = 16;
/// A file that is used is marked as such once in this time.
const USED: Duration = Duration::from_secs(24 * 3600);
const DIGEST: usize = size_of::<u128>();

/// A directory with compiled code.
#[derive(Debug)]
pub(super) struct Cache {
    directory: OwnedFd,
    path: PathBuf,
}

impl Cache {
    /// Opens the directory, and makes it if it is missing; or says in the log why there is no cache.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let open = || {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| error.to_string())?;
            let directory = state_file::open_dir(path).map_err(|errno| errno.to_string())?;
            let checked = writers::check_directory(directory.as_fd()).map_err(|errno| errno.to_string())?;
            checked.map_err(|exposure| Fault::Exposed(exposure).with_remedy(&path.join("code")))?;
            Ok(Self { directory, path: path.to_owned() })
        };
        let warn = |why: &String| tracing::warn!("no compilation cache in {}: {why}", path.display());
        open().inspect_err(warn).ok()
    }

    /// The component of that binary, if it is here.
    pub(super) fn load(&self, engine: &Engine, binary: &[u8]) -> Option<Component> {
        let name = name(engine, binary);
        let (file, stat) = match state_file::open_with_stat(&self.directory, &name, OFlags::RDONLY) {
            Ok(opened) => opened,
            Err(Fault::Missing) => return None,
            Err(fault) => return self.unusable(&name, &fault),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let content = match state_file::read_sized(&file, size, MAX_CODE) {
            Ok(content) => content,
            Err(fault) => return self.unusable(&name, &fault),
        };
        let (digest, code) = content.split_first_chunk::<DIGEST>()?;
        if *digest != xxh3_128(code).to_le_bytes() {
            return None;
        }
        let modified =
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        if modified.elapsed().is_ok_and(|unused| unused > USED) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let _ = rustix::fs::futimens(&file, &Timestamps { last_access: now, last_modification: now });
        }
        // SAFETY: the bytes are what `Component::serialize` gave to `store`, for an engine of the same configuration
        // and a binary of the same digest: nobody but this user and root could have written them, and they are whole.
        // That they are of this version of wasmtime and for this processor is checked in there.
        let component = unsafe { Component::deserialize(engine, code) };
        component.inspect_err(|error| tracing::debug!("cached code is not used: {error:#}")).ok()
    }

    fn unusable<T>(&self, name: &OsString, fault: &Fault) -> Option<T> {
        let path = self.path.join(name);
        tracing::warn!("compiled code is not used: `{}`: {}", path.display(), fault.with_remedy(&path));
        None
    }

    /// Keeps the code of a component.
    pub(super) fn store(&self, engine: &Engine, binary: &[u8], component: &Component) {
        let stored = component.serialize().map_err(io::Error::other).and_then(|code| {
            let content = [&xxh3_128(&code).to_le_bytes()[..], &code].concat();
            // A name of its own: two processes may store the same component.
            let draft = OsString::from(format!(".{:016x}.new", RandomState::new().hash_one(0)));
            state_file::write_new(&self.directory, &draft, &content)?;
            let name = name(engine, binary);
            let put = rustix::fs::renameat(&self.directory, &draft, &self.directory, &name);
            put.or_else(|errno| state_file::remove(&self.directory, &draft).and(Err(errno.into())))?;
            self.clean_up(&name)
        });
        if let Err(error) = stored {
            tracing::warn!("compiled code is not kept in `{}`: {error}", self.path.display());
        }
    }

    /// Removes what was used longest ago, and what killed processes left; not `new`.
    fn clean_up(&self, new: &OsStr) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            if bytes == new.as_encoded_bytes() || !bytes.ends_with(b".code") && !bytes.ends_with(b".new") {
                continue;
            }
            if let Ok(stat) = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                files.push(((stat.st_mtime, stat.st_mtime_nsec), name.to_owned()));
            }
        }
        files.sort_unstable();
        for (_, name) in files.iter().rev().skip(MAX_FILES - 1) {
            let _ = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty());
        }
        Ok(())
    }
}

/// The name of the file: the digest of the binary, and that of the engine's configuration.
fn name(engine: &Engine, binary: &[u8]) -> OsString {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.code", digest(binary), hasher.finish()).into()
}

/// The SHA-256 of a component, in hexadecimal digits. Well under a millisecond for the bundled one.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Where compiled code is kept when nothing else is said: `$XDG_CACHE_HOME/pod-tools`, else `~/.cache/pod-tools`.
pub(super) fn default_directory() -> Option<PathBuf> {
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let base = std::env::var_os("XDG_CACHE_HOME")
        .and_then(absolute)
        .or_else(|| std::env::var_os("HOME").and_then(absolute).map(|home| home.join(".cache")))?;
    Some(base.join("pod-tools"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An empty component.
    const BINARY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Place {
        root: tempfile::TempDir,
        engine: Engine,
    }

    impl Place {
        /// A cache with one component in it.
        fn new() -> (Self, Cache) {
            let place = Self { root: tempfile::tempdir().unwrap(), engine: Engine::default() };
            // Others get as far as the cache.
            fs::set_permissions(place.root.path(), Permissions::from_mode(0o755)).unwrap();
            let cache = place.open().unwrap();
            let component = Component::from_binary(&place.engine, BINARY).unwrap();
            cache.store(&place.engine, BINARY, &component);
            (place, cache)
        }

        fn path(&self) -> PathBuf {
            self.root.path().join("cache")
        }

        fn open(&self) -> Option<Cache> {
            Cache::open(&self.path())
        }

        fn files(&self) -> Vec<PathBuf> {
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
        }

        fn mode(&self, mode: u32) {
            fs::set_permissions(self.path(), Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn what_was_stored_is_found_by_the_same_binary_and_engine_alone() {
        let (place, cache) = Place::new();
        assert!(cache.load(&place.engine, BINARY).is_some());
        assert!(cache.load(&place.engine, b"another").is_none());
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        assert!(cache.load(&other, BINARY).is_none());
    }

    #[test]
    fn a_cache_that_others_can_write_to_is_not_used() {
        let (place, cache) = Place::new();
        for mode in [0o777, 0o770, 0o1777] {
            place.mode(mode);
            // 0770 within 0755: the group gets there.
            assert!(place.open().is_none() && cache.load(&place.engine, BINARY).is_none(), "{mode:o}");
        }
        place.mode(0o755);
        assert!(place.open().unwrap().load(&place.engine, BINARY).is_some());
        fs::set_permissions(&place.files()[0], Permissions::from_mode(0o666)).unwrap();
        assert!(cache.load(&place.engine, BINARY).is_none());
    }

    #[test]
    fn what_was_torn_or_changed_is_compiled_again() {
        let (place, cache) = Place::new();
        let file = place.files().pop().unwrap();
        let whole = fs::read(&file).unwrap();
        for length in [0, DIGEST - 1, DIGEST, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(cache.load(&place.engine, BINARY).is_none(), "{length}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&file, &changed).unwrap();
        assert!(cache.load(&place.engine, BINARY).is_none());
        fs::write(&file, &whole).unwrap();
        assert!(cache.load(&place.engine, BINARY).is_some());
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        let (place, cache) = Place::new();
        let component = Component::from_binary(&place.engine, BINARY).unwrap();
        for number in 0..2 * MAX_FILES {
            cache.store(&place.engine, format!("{number}").as_bytes(), &component);
        }
        assert_eq!(place.files().len(), MAX_FILES);
        assert!(cache.load(&place.engine, BINARY).is_none());
        assert!(cache.load(&place.engine, format!("{}", 2 * MAX_FILES - 1).as_bytes()).is_some());
    }
}
