//! A file's content as it was parsed last, good for as long as the file is the same.
//!
//! Whether it is, its metadata tell: device, inode, size, and the times of the last change of content and of
//! metadata, the second of which nobody can set. These times advance in steps, so a change right behind
//! another one may leave them as they are: a file that was that young is read again, and parsed where it differs.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Stat};

use crate::files::state_file::{self, Fault};

/// A file is young for longer than any clock of a file system takes for a step.
const YOUNG: Duration = Duration::from_secs(2);

/// The parsed content of one file, or nothing yet.
#[derive(Debug)]
pub(super) struct Cached<T>(Mutex<Option<Kept<T>>>);

#[derive(Debug)]
struct Kept<T> {
    stamp: Stamp,
    content: Arc<T>,
    /// What was read while the file was young: it is read again, and is the same content where it is the same bytes.
    young: Option<Vec<u8>>,
}

/// Why there is no content.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The file cannot be read.
    File(Fault),
    /// What it holds is not what it should be.
    Content(String),
}

/// What a file does not share with what it was before, nor with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cached<T> {
    /// The content of the file `name` in `dir`; `None` where there is none. `parse` is given the bytes, and the content
    /// that was there before.
    pub(super) fn get(
        &self,
        dir: BorrowedFd<'_>,
        name: &str,
        parse: impl FnOnce(&[u8], Option<&T>) -> Result<T, String>,
    ) -> Result<Option<Arc<T>>, Unusable> {
        self.get_at(SystemTime::now(), dir, name, parse)
    }

    fn get_at(
        &self,
        now: SystemTime,
        dir: BorrowedFd<'_>,
        name: &str,
        parse: impl FnOnce(&[u8], Option<&T>) -> Result<T, String>,
    ) -> Result<Option<Arc<T>>, Unusable> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Kept { stamp, content, young: None }) = &*kept
            && let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            && Stamp::of(&stat) == *stamp
        {
            return Ok(Some(content.clone()));
        }
        let before = kept.take();
        let read = state_file::read_with_stat(dir, OsStr::new(name)).map_err(Unusable::File)?;
        let Some((bytes, stat)) = read else { return Ok(None) };
        let content = match before {
            Some(Kept { content, young: Some(young), .. }) if young == bytes => content,
            before => {
                let before = before.as_ref().map(|before| &*before.content);
                Arc::new(parse(&bytes, before).map_err(Unusable::Content)?)
            }
        };
        let stamp = Stamp::of(&stat);
        let young = (!stamp.is_older_than(now)).then_some(bytes);
        *kept = Some(Kept { stamp, content: content.clone(), young });
        Ok(Some(content))
    }
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "systems differ in these types")]
        Self {
            file: state_file::identity(stat),
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    /// Whether it is of the same file, whatever became of that.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.file == other.file
    }

    /// How many bytes the file has.
    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// Whether the last change was long enough ago for the next one to show.
    fn is_older_than(&self, now: SystemTime) -> bool {
        let changed = u64::try_from(self.changed.0).map(Duration::from_secs).unwrap_or_default();
        now.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|now| changed + YOUNG < now)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::fd::AsFd;

    use super::*;

    /// A directory with a file, and how often the file was parsed.
    struct Place {
        root: tempfile::TempDir,
        cached: Cached<String>,
        parsed: Cell<usize>,
    }

    impl Place {
        fn new(text: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::write(root.path().join("file"), text).unwrap();
            Self { root, cached: Cached::default(), parsed: Cell::new(0) }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.root.path().join("file"), text).unwrap();
        }

        fn get(&self, now: SystemTime) -> Option<String> {
            let dir = state_file::open_dir(self.root.path()).unwrap();
            let parse = |bytes: &[u8], _: Option<&String>| {
                self.parsed.set(self.parsed.get() + 1);
                Ok(String::from_utf8_lossy(bytes).into_owned())
            };
            self.cached.get_at(now, dir.as_fd(), "file", parse).unwrap().map(|text| (*text).clone())
        }
    }

    fn in_an_hour() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    #[test]
    fn a_file_that_has_not_changed_for_long_is_parsed_once() {
        let place = Place::new("one");
        for _ in 0..3 {
            assert_eq!(place.get(in_an_hour()).unwrap(), "one");
        }
        assert_eq!(place.parsed.get(), 1);
    }

    #[test]
    fn a_file_that_changed_just_now_is_read_again_and_parsed_where_it_differs() {
        let place = Place::new("one");
        place.get(SystemTime::now());
        place.get(SystemTime::now());
        assert_eq!(place.parsed.get(), 1);
        place.write("two");
        assert_eq!(place.get(SystemTime::now()).unwrap(), "two");
        assert_eq!(place.parsed.get(), 2);
    }

    #[test]
    fn every_change_is_seen_even_one_of_the_same_size_in_the_same_file_at_once() {
        let place = Place::new("000");
        for number in 0..500 {
            let text = format!("{number:03}");
            place.write(&text);
            assert_eq!(place.get(SystemTime::now()).unwrap(), text);
        }
    }

    #[test]
    fn a_kept_file_that_is_rewritten_in_place_is_seen_by_its_size_or_by_its_times() {
        let place = Place::new("one");
        place.get(in_an_hour());
        place.write("three");
        assert_eq!(place.get(in_an_hour()).unwrap(), "three");
        // Longer than any step of a file system's clock.
        std::thread::sleep(YOUNG / 20);
        place.write("seven");
        assert_eq!(place.get(in_an_hour()).unwrap(), "seven");
    }

    #[test]
    fn a_file_put_in_the_place_of_a_kept_one_is_seen_and_so_is_its_end() {
        let place = Place::new("one");
        place.get(in_an_hour());
        std::fs::write(place.root.path().join("new"), "two").unwrap();
        std::fs::rename(place.root.path().join("new"), place.root.path().join("file")).unwrap();
        assert_eq!(place.get(in_an_hour()).unwrap(), "two");
        std::fs::remove_file(place.root.path().join("file")).unwrap();
        assert_eq!(place.get(in_an_hour()), None);
    }
}
