//! The file that holds the table, and the one way to change it.
//!
//! Native processes open the file, take its `flock`, rewrite it in place and let go; it must never be
//! replaced, or they would wait on a file that nobody reads. A rewrite in place can be torn by a kill, so the
//! change is written to a [journal] first, beside the table, and finished by the process
//! that takes the lock next.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::allocation::Allocation;
use super::journal::{self, Journal, Verdict};
use super::life::{LifeCheck, Newcomer};
use super::life_lock::{self, LifeLock};
use super::lock_error::{ScopeLockError, TransactError};
use super::table::{RegisterError, Table};
use crate::escape::Escaped;
use crate::files::lock_file::{LockFile, Locked};
use crate::files::os_error::OsError;
use crate::files::state_file::{self, Fault};
use crate::files::writers;
use crate::sockets::GrantedDirectories;

/// The machine-wide scope lock: a path, and what may be done with the file there.
///
/// A missing file is made, and its directory too, both for their owner only; an empty one is an empty table.
/// Every function waits for the lock for `wait` at most and tries once at least, with a `wait` of zero too.
#[derive(Debug, Clone)]
pub struct ScopeLock {
    path: PathBuf,
    file: Arc<LockFile<Location>>,
    sockets: Arc<GrantedDirectories>,
    newcomer: Option<Newcomer>,
}

/// Where the file was found.
#[derive(Debug)]
struct Location {
    dir: OwnedFd,
    /// The file's path without links.
    real: PathBuf,
}

/// The lock, held until dropped.
type Held<'a> = Locked<'a, Location>;

impl Location {
    /// The file's directory, and its name there.
    fn place(&self) -> (BorrowedFd<'_>, &OsStr) {
        (self.dir.as_fd(), self.real.file_name().unwrap_or_default())
    }

    /// The journal's name, beside the file's.
    fn journal(&self) -> OsString {
        let mut name = self.real.file_name().unwrap_or_default().to_owned();
        name.push(".next");
        name
    }

    fn journal_path(&self) -> PathBuf {
        self.real.with_file_name(self.journal())
    }
}

/// Why nothing was released.
enum Refusal<E> {
    /// The entry of that number cannot be understood.
    Unreadable(usize),
    /// The caller decided against it.
    Caller(E),
}

/// What becomes of the journal when the table could not be rewritten and is as it was.
enum Undone {
    /// It began this change: drop it.
    Drop,
    /// It holds what a killed process left undone: the next one tries again.
    Keep,
}

impl ScopeLock {
    /// The lock at that path. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: Arc::default(), sockets: Arc::default(), newcomer: None }
    }

    /// Where the locks of lives are beside the table at that path; `None` where there is no table.
    #[must_use]
    pub fn lives_file(table: &Path) -> Option<PathBuf> {
        let real = table.canonicalize().ok()?;
        Some(real.with_file_name(life_lock::file_name(real.file_name()?)))
    }

    /// The lock, by a process that may ask the sockets beneath these directories whether their pods live. Default:
    /// it may ask none.
    #[must_use]
    pub fn asking(self, sockets: Arc<GrantedDirectories>) -> Self {
        Self { sockets, ..self }
    }

    /// The lock, by a process that is no pod yet: an entry with its number is somebody else's, who had that number
    /// before or has it in another pid namespace. A container that is restarted counts from 1 again. The lock on
    /// `directory`, if it has taken that of its own directory already, is no sign of another pod's life.
    #[must_use]
    pub fn by_newcomer(self, directory: Option<BorrowedFd<'_>>) -> Self {
        let directory = directory.and_then(|directory| rustix::fs::fstat(directory).ok());
        let newcomer = Newcomer { directory: directory.map(|stat| state_file::identity(&stat)) };
        Self { newcomer: Some(newcomer), ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock, lets the table be changed, writes it if it was, and lets go of the lock.
    ///
    /// `change` runs while the lock is held: what it waits for, every process on the machine waits for. An
    /// error of its own leaves the table as it was. The check that it is given tells whose entry may go.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with the error of `change`, [`TransactError::Lock`] with any other.
    pub fn transact<T, E>(
        &self,
        wait: Duration,
        change: impl FnOnce(&mut Table, &LifeCheck<'_>) -> Result<T, E>,
    ) -> Result<T, TransactError<E>> {
        let held = self.acquire(wait)?;
        let check = LifeCheck::beside(held.found().place(), &self.sockets, self.newcomer);
        let text = self.recover(&held, &check)?;
        let mut table = self.parse(&text)?;
        let result = change(&mut table, &check).map_err(TransactError::Refused)?;
        if table.is_changed() {
            self.write(&held, &text, &table, None)?;
        }
        Ok(result)
    }

    /// Releases the allocation of the pod of that name, if it has one; whether it had.
    ///
    /// `may_release` is asked about it while the lock is held, and prevents it by an error.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with the error of `may_release`, [`TransactError::Lock`] with any other:
    /// [`ScopeLockError::Damaged`] where the pod's own entry cannot be understood.
    pub fn release<E>(
        &self,
        pod_name: &str,
        wait: Duration,
        may_release: impl FnOnce(Option<&Allocation>, &LifeCheck<'_>) -> Result<(), E>,
    ) -> Result<bool, TransactError<E>> {
        let released = self.transact(wait, |table, check| {
            if let Some(index) = table.unreadable(pod_name) {
                return Err(Refusal::Unreadable(index));
            }
            may_release(table.get(pod_name), check).map_err(Refusal::Caller)?;
            Ok(table.release(pod_name).is_some())
        });
        released.map_err(|error| match error {
            TransactError::Lock(error) => error.into(),
            TransactError::Refused(Refusal::Caller(error)) => TransactError::Refused(error),
            TransactError::Refused(Refusal::Unreadable(index)) => {
                let detail = format!(
                    "entry {index}, that of pod `{}`, cannot be understood, so nobody can tell what it holds; \
                     nothing was released; repair or remove it",
                    Escaped(pod_name)
                );
                ScopeLockError::Damaged { path: self.path.clone(), detail }.into()
            }
        })
    }

    /// Releases every allocation whose pod is gone; how many there were.
    ///
    /// # Errors
    /// Any.
    pub fn reclaim_stale(&self, wait: Duration) -> Result<u32, ScopeLockError> {
        let reclaimed = self.transact(wait, |table, check| {
            Ok::<_, Infallible>(table.reclaim_stale(|entry| check.of(entry).is_gone()))
        });
        reclaimed.map_err(|error| match error {
            TransactError::Lock(error) => error,
            TransactError::Refused(never) => match never {},
        })
    }

    /// Registers an allocation, after those whose pod is gone have been released: the dead are in nobody's way.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with the reason, [`TransactError::Lock`] with any other.
    pub fn register(
        &self,
        allocation: Allocation,
        wait: Duration,
    ) -> Result<(), TransactError<RegisterError>> {
        self.transact(wait, |table, check| {
            table.reclaim_stale(|entry| check.of(entry).is_gone());
            table.register(allocation)
        })
    }

    /// Takes a lock of the kind by which others tell that a pod lives, in the file beside the table. A pod takes it
    /// before it registers, and lets what it starts inherit it.
    ///
    /// # Errors
    /// Any but [`ScopeLockError::Busy`]: the table's lock is not needed.
    pub fn take_life_lock(&self) -> Result<LifeLock, ScopeLockError> {
        let location = self.locate()?;
        let (dir, table) = location.place();
        let name = life_lock::file_name(table);
        LifeLock::take(dir, &name).map_err(|fault| match fault {
            Fault::Missing => self.unwritable(io::ErrorKind::NotFound.into()),
            fault => self.fault_at(location.real.with_file_name(&name), fault),
        })
    }

    /// Lets a caller that holds a pod's directory ask whether the pod lives that left files there.
    ///
    /// # Errors
    /// Any but [`ScopeLockError::Busy`]: the table's lock is not needed.
    pub fn check<T>(&self, ask: impl FnOnce(LifeCheck<'_>) -> T) -> Result<T, ScopeLockError> {
        let location = self.locate()?;
        Ok(ask(LifeCheck::beside(location.place(), &self.sockets, self.newcomer)))
    }

    /// Opens the file, making it if need be, and takes its lock.
    fn acquire(&self, wait: Duration) -> Result<Held<'_>, ScopeLockError> {
        let start = Instant::now();
        let open = || {
            let location = self.locate()?;
            let name = location.real.file_name().unwrap_or_default();
            match state_file::open_at(&location.dir, name, OFlags::RDWR | OFlags::CREATE) {
                Ok(file) => Ok(Some((file, location))),
                // Its directory went away just now.
                Err(Fault::Missing) => Ok(None),
                Err(fault) => Err(self.fault(fault)),
            }
        };
        let deadline = state_file::deadline(start, wait);
        let current = || rustix::fs::stat(&self.path);
        let held = self.file.lock(deadline, open, current, |source| self.unwritable(source))?;
        held.ok_or_else(|| ScopeLockError::Busy { path: self.path.clone(), waited: start.elapsed() })
    }

    /// The file's directory and its path, with the links in the operator's own path resolved: a process
    /// that comes by another path finds the same journal. Makes what is missing.
    fn locate(&self) -> Result<Location, ScopeLockError> {
        let real = match self.path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create()?,
            Err(error) => return Err(self.fault(error.into())),
        };
        // Only the root has none.
        let Some(parent) = real.parent() else { return Err(self.fault(Fault::Kind("a directory"))) };
        let dir = state_file::open_dir(parent).map_err(|errno| self.fault(errno.into()))?;
        Ok(Location { dir, real })
    }

    fn create(&self) -> Result<PathBuf, ScopeLockError> {
        let create = || {
            // A relative path of one component is in the directory that the process is in.
            let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            // A link that is followed here could be anybody's in a directory of others.
            let directory = state_file::open_dir(parent)?;
            if let Err(exposure) = writers::check_directory(directory.as_fd())? {
                return Ok(Err(Fault::Exposed(exposure)));
            }
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
            rustix::fs::open(&self.path, flags, state_file::OWNER_ONLY)?;
            self.path.canonicalize().map(Ok)
        };
        match create() {
            Ok(created) => created.map_err(|fault| self.fault(fault)),
            Err(error) if OsError::from(&error) == OsError::Descriptors => {
                Err(self.fault(Fault::Descriptors))
            }
            Err(error) => Err(self.unwritable(error)),
        }
    }

    /// The table's text, after whatever a killed process left undone has been done.
    fn recover(&self, held: &Held<'_>, check: &LifeCheck<'_>) -> Result<Vec<u8>, ScopeLockError> {
        let text = state_file::read(held.file()).map_err(|fault| self.fault(fault))?;
        let found = state_file::read_at(&held.found().dir, &held.found().journal())
            .map_err(|fault| self.fault_at(held.found().journal_path(), fault))?;
        let Some(bytes) = found else { return Ok(text) };
        let journal = Journal::decode(&bytes);
        match journal.as_ref().map(|journal| (journal, journal.judge(&text))) {
            None | Some((_, Verdict::Drop)) => self.drop_journal(held),
            Some((journal, Verdict::Finish)) => {
                self.rewrite(held, &text, journal.new_text(), Undone::Keep)?;
                return Ok(journal.new_text().to_vec());
            }
            Some((journal, Verdict::Merge)) => {
                let mut table = self.parse(&text)?;
                table.adopt_missing(self.parse(journal.new_text())?, |entry| check.of(entry).is_gone());
                if table.is_changed() {
                    return self.write(held, &text, &table, Some(journal));
                }
                self.drop_journal(held);
            }
        }
        Ok(text)
    }

    /// Puts the changed table in the place of `old`, by way of the journal; its text. `found` is the journal
    /// that a merge comes from.
    fn write(
        &self,
        held: &Held<'_>,
        old: &[u8],
        table: &Table,
        found: Option<&Journal<'_>>,
    ) -> Result<Vec<u8>, ScopeLockError> {
        let journal_unwritable =
            |source| ScopeLockError::Unwritable { path: held.found().journal_path(), source };
        let new = table.render().map_err(|error| self.unwritable(io::Error::other(error)))?.into_bytes();
        // A journal that merges keeps the digest that it found: with the one of `old`, the next process
        // would take the merge for not begun, and drop it.
        let old_digest = found.map_or_else(|| journal::digest(old), |found| found.old_digest().to_vec());
        let bytes = journal::encode(&old_digest, &new);
        if bytes.len() as u64 > state_file::MAX_BYTES {
            return Err(journal_unwritable(io::ErrorKind::FileTooLarge.into()));
        }
        if found.is_some() {
            // The one that is there is needed until the new one is whole.
            let mut draft = held.found().journal();
            draft.push(".new");
            state_file::write_new(&held.found().dir, &draft, &bytes)
                .and_then(|()| {
                    Ok(rustix::fs::renameat(
                        &held.found().dir,
                        &draft,
                        &held.found().dir,
                        held.found().journal(),
                    )?)
                })
                .map_err(journal_unwritable)?;
            self.rewrite(held, old, &new, Undone::Keep)?;
        } else {
            state_file::write_new(&held.found().dir, &held.found().journal(), &bytes)
                .map_err(journal_unwritable)?;
            self.rewrite(held, old, &new, Undone::Drop)?;
        }
        Ok(new)
    }

    /// Rewrites the table in place, from the journal that has been written, and removes the journal.
    fn rewrite(&self, held: &Held<'_>, old: &[u8], new: &[u8], undone: Undone) -> Result<(), ScopeLockError> {
        if let Err(source) = overwrite(held.file(), new).and_then(|()| held.file().sync_data()) {
            if overwrite(held.file(), old).is_ok() {
                if let Undone::Drop = undone {
                    self.drop_journal(held);
                }
                return Err(self.unwritable(source));
            }
            // Half of the old table would be taken for a native process's work: empty, the next one knows.
            let _ = held.file().set_len(0);
            return Err(ScopeLockError::Torn {
                path: self.path.clone(),
                journal: held.found().journal_path(),
                source,
            });
        }
        self.drop_journal(held);
        Ok(())
    }

    /// A journal that cannot be removed is found out of date by the next process.
    fn drop_journal(&self, held: &Held<'_>) {
        if let Err(error) = state_file::remove(&held.found().dir, &held.found().journal()) {
            tracing::warn!(path = %held.found().journal_path().display(), %error, "the journal could not be removed");
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Table, ScopeLockError> {
        Table::parse(text).map_err(|error| ScopeLockError::Damaged {
            path: self.path.clone(),
            detail: format!("{error}; it was left as it is; repair it, or empty it when no pod runs"),
        })
    }

    fn fault(&self, fault: Fault) -> ScopeLockError {
        self.fault_at(self.path.clone(), fault)
    }

    fn fault_at(&self, path: PathBuf, fault: Fault) -> ScopeLockError {
        if let Fault::Descriptors = fault {
            return ScopeLockError::Descriptors { path };
        }
        ScopeLockError::Unusable { detail: fault.with_remedy(&path), path }
    }

    fn unwritable(&self, source: io::Error) -> ScopeLockError {
        ScopeLockError::Unwritable { path: self.path.clone(), source }
    }
}

/// Truncates, then writes with one call: whatever is torn is a prefix.
fn overwrite(file: &File, text: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    let written = loop {
        match file.write_at(text, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => break other?,
        }
    };
    if written < text.len() {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}
