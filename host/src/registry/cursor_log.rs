//! The file `read_cursors.json`, kept open and parsed.
//!
//! It only grows, or another file takes its place, so that its inode and its size tell whether it is the same:
//! open, no other file gets its inode. The times of its last change tell of people who edit it.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, OFlags, Stat};

use super::cached::{Stamp, Unusable};
use super::cursor::StoredCursor;
use super::cursors::{Change, Cursors, Moved};
use super::reader::Reader;
use crate::files::state_file::{self, Fault};

/// Its name in the runtime directory.
pub(super) const NAME: &str = "read_cursors.json";

/// What is known of the file. Until it is [refreshed](Self::refresh), that may be out of date.
#[derive(Debug, Default)]
pub(super) struct CursorLog(Option<Known>);

/// What became of what was known of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refreshed {
    /// It is the same.
    Same,
    /// It was read again.
    Anew,
    /// There is none.
    Missing,
}

#[derive(Debug)]
struct Known {
    file: File,
    stamp: Stamp,
    /// This process has added to it since: its size is the one that we gave it, and its times are new.
    is_ours: bool,
    cursors: Cursors,
}

impl CursorLog {
    /// Reads the file again, unless it is the same.
    pub(super) fn refresh(&mut self, dir: BorrowedFd<'_>) -> Result<Refreshed, Unusable> {
        if let Some(known) = &mut self.0
            && let Ok(stat) = rustix::fs::statat(dir, NAME, AtFlags::SYMLINK_NOFOLLOW)
        {
            let stamp = Stamp::of(&stat);
            let is_as_we_left_it = stamp.is_same_file(&known.stamp) && stamp.size() == known.cursors.length();
            if stamp == known.stamp || known.is_ours && is_as_we_left_it {
                (known.stamp, known.is_ours) = (stamp, false);
                return Ok(Refreshed::Same);
            }
        }
        self.0 = None;
        let Some(Opened { file, stat, can_grow }) = open(dir).map_err(Unusable::File)? else {
            return Ok(Refreshed::Missing);
        };
        let stamp = Stamp::of(&stat);
        let bytes =
            state_file::read_sized(&file, stamp.size(), state_file::MAX_BYTES).map_err(Unusable::File)?;
        let cursors = Cursors::parse(&bytes, can_grow).map_err(Unusable::Content)?;
        self.0 = Some(Known { file, stamp, is_ours: false, cursors });
        Ok(Refreshed::Anew)
    }

    /// That reader's cursor for that pod.
    pub(super) fn get(&self, reader: Option<&Reader>, name: &str) -> Result<Option<StoredCursor>, String> {
        self.0.as_ref().map_or(Ok(None), |known| Ok(known.cursors.get(reader, name)?.cloned()))
    }

    /// The pods of which something is said, readable or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|known| known.cursors.names())
    }

    /// Whether something is said of that pod.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|known| known.cursors.holds(name))
    }

    /// Changes the cursors. `replace` puts a new file in the place of this one. The caller holds the lock, and
    /// has [refreshed](Self::refresh) what is known.
    pub(super) fn change(
        &mut self,
        moved: Option<Moved<'_>>,
        forgotten: &[String],
        replace: impl FnOnce(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        // Whatever fails below, what is on the disk is what counts.
        let mut known = self.0.take();
        let mut none = Cursors::default();
        let cursors = known.as_mut().map_or(&mut none, |known| &mut known.cursors);
        let end = cursors.length();
        match (cursors.change(moved, forgotten), known) {
            (Change::Append(lines), Some(mut known)) => {
                known.append(end, lines.as_bytes())?;
                self.0 = Some(known);
                Ok(())
            }
            (Change::Append(text) | Change::Replace(text), _) => replace(&text),
        }
    }
}

impl Known {
    fn append(&mut self, end: u64, lines: &[u8]) -> io::Result<()> {
        // The beginning of a line that a killed process left, or another program: it is none of the lines.
        if self.stamp.size() != end {
            self.file.set_len(end)?;
        }
        let added = self.file.write_all_at(lines, end);
        if added.is_err() {
            // Should this fail as well, the next writer cuts it off.
            let _ = self.file.set_len(end);
        }
        self.is_ours = true;
        added
    }
}

struct Opened {
    file: File,
    stat: Stat,
    /// Lines can be added to it.
    can_grow: bool,
}

/// Opens the file to be added to, or, where that is not permitted, to be read.
fn open(dir: BorrowedFd<'_>) -> Result<Option<Opened>, Fault> {
    let open = |access| {
        let (file, stat) = state_file::open_with_stat(dir, NAME.as_ref(), access)?;
        Ok(Some(Opened { file, stat, can_grow: access == OFlags::RDWR }))
    };
    match open(OFlags::RDWR) {
        Err(Fault::Missing) => Ok(None),
        Err(Fault::Io(error))
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            open(OFlags::RDONLY)
        }
        opened => opened,
    }
}
