//! Who lives: the one place that decides it, for an entry of the table and for a pod's directory.
//!
//! Three answers: it lives, it is gone, it cannot be known. What is not known to be gone keeps its name, its scope and
//! its record. A pod of ours says beside its process's number how to know (see [`Holder`]); there, in this order:
//!
//! 1. A byte that is locked: the one that it holds itself, or the one that all that it has started holds. It lives.
//! 2. Another boot: gone where the file system is this machine's own, for nothing outlives a boot.
//!    Both bytes free: gone.
//! 3. Where the lock's file is not there any more: its process, if it is of this pid namespace. A process of its number
//!    that started at another time is another one.
//! 4. Otherwise it cannot be known.
//!
//! Of a pod of another make there is a number. It lives where a process of that number runs, where its directory is
//! locked, and where its socket takes connections; else it is gone, as far as a number can tell.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;

use super::allocation::Allocation;
use super::holder::{Form, Holder, Identity, Place};
use super::life_lock::{self, LifeFile, LockState, find_started};
use super::process::Process;
use crate::escape::Escaped;
use crate::files::os_error::OsError;
use crate::files::state_file::{self, Fault};
use crate::sockets::GrantedDirectories;
use crate::sockets::connect::{ConnectError, connect};
use crate::sockets::directory::Lookup;

const HOLDS_DIRECTORY: &str = "another process holds its directory";
/// Why nobody can tell where a holder is of an unknown form.
const OTHER_VERSION: &str =
    "it was started by another version of this program, which has its own way to tell whether it lives";
/// More than this is in no file that says what a pod's process is.
const MAX_FILE: u64 = 64 << 10;

/// Whether a pod lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Lives(Evidence),
    /// It does not, nor does anything that it has started.
    Gone,
    /// Nobody here can tell: it counts as living.
    Unknown(Evidence),
}

/// What a pod is known to live by, or why its life cannot be known: a clause, in which the pod is "it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    words: Words,
    /// This process had no descriptor left to ask with.
    pub(crate) exhausted: bool,
    leftover: bool,
}

/// What is looked up only when it is said: a table may name a thousand processes, and mostly nobody wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Words {
    Said(String),
    /// The process of that number runs it.
    Runs(i64),
    /// Its own process holds its lock.
    Holds(Box<Identity>),
    /// Something that it has started holds its lock.
    Started(Box<Identity>),
}

impl Evidence {
    fn new(words: impl Into<String>) -> Self {
        Self::of(Words::Said(words.into()))
    }

    fn of(words: Words) -> Self {
        Self { words, exhausted: false, leftover: false }
    }

    /// Whether the pod's own process is gone, and lives by what it has started: that may be about to end.
    pub fn is_leftover(&self) -> bool {
        self.leftover
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.words {
            Words::Said(words) => f.write_str(words),
            Words::Runs(pid) => f.write_str(&runs(*pid)),
            Words::Holds(holder) => f.write_str(&name_holder(holder)),
            Words::Started(holder) => f.write_str(&name_started(holder)),
        }
    }
}

/// Something could not be opened that may be there: nothing is known of it.
struct Unopened(Evidence);

impl From<Unopened> for Life {
    fn from(Unopened(evidence): Unopened) -> Self {
        Self::Unknown(evidence)
    }
}

impl Unopened {
    fn exhausted() -> Self {
        let words = "it cannot be asked, for there is no file descriptor left; raise the limit (ulimit -n)";
        Self(Evidence { exhausted: true, ..Evidence::new(words) })
    }
}

impl Life {
    /// Whether it is known to be gone. Nothing else allows to give away what it holds.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// Why it is not gone; `None` where it is.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Lives(evidence) | Self::Unknown(evidence) => Some(evidence),
            Self::Gone => None,
        }
    }

    fn lives(by: impl Into<String>) -> Self {
        Self::Lives(Evidence::new(by))
    }

    fn runs(process: &Process) -> Self {
        Self::Lives(Evidence::of(Words::Runs(process.pid())))
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Evidence::new(why))
    }
}

/// Decides who lives, by what is beside one table.
#[derive(Debug)]
pub struct LifeCheck<'a> {
    /// The table's directory, and the name of the file with the locks in it; `None` where there is no table.
    place: Option<(BorrowedFd<'a>, OsString)>,
    /// Opened when it is first needed.
    locks: OnceCell<LifeFile>,
    /// Where sockets may be asked. A path in the table is only a hint.
    directories: &'a GrantedDirectories,
    newcomer: Option<Newcomer>,
}

/// A process that is no pod yet: what has its number is somebody else's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer {
    /// Device and inode of the directory that it holds locked itself, if it does.
    pub(super) directory: Option<(u64, u64)>,
}

impl<'a> LifeCheck<'a> {
    /// A check where there is no table: by directories, sockets and processes alone.
    pub fn without_table(directories: &'a GrantedDirectories) -> Self {
        Self { place: None, locks: OnceCell::new(), directories, newcomer: None }
    }

    /// A check beside the table of that name in that directory.
    pub(super) fn beside(
        (directory, table): (BorrowedFd<'a>, &OsStr),
        directories: &'a GrantedDirectories,
        newcomer: Option<Newcomer>,
    ) -> Self {
        let place = Some((directory, life_lock::file_name(table)));
        Self { place, newcomer, ..Self::without_table(directories) }
    }

    /// Whether the pod of an entry lives.
    pub fn of(&self, entry: &Allocation) -> Life {
        match &entry.holder {
            // Where the numbers differ, somebody has put another process in its place and kept what he did not know.
            Some(Holder(Form::Known(holder))) if holder.pid == entry.pid => self.of_holder(holder),
            Some(Holder(Form::Other(_))) => match self.of_number(entry.pid, &entry.socket) {
                Life::Gone => Life::unknown(OTHER_VERSION),
                lives => lives,
            },
            _ => self.of_number(entry.pid, &entry.socket),
        }
    }

    /// Whether the pod with that socket lives, by its directory. A pod without one is gone.
    pub fn of_socket(&self, socket: &Path) -> Life {
        match self.open_directory(socket) {
            Ok(Some(directory)) if self.is_locked(&directory) => Life::lives(HOLDS_DIRECTORY),
            Ok(Some(directory)) => self.of_files(&directory),
            Ok(None) => Life::Gone,
            Err(unopened) => unopened.into(),
        }
    }

    /// Whether the pod lives that left these files, by `status.json` and `pid`. Whoever asks holds the directory's
    /// lock.
    pub fn of_files(&self, directory: &OwnedFd) -> Life {
        let (holder, pid) = match (read_status(directory), read_pid(directory)) {
            (Ok(holder), Ok(pid)) => (holder, pid),
            (Err(unopened), _) | (_, Err(unopened)) => return unopened.into(),
        };
        // A pod of another make that takes the directory over writes its own `status.json`.
        if let Some(Holder(Form::Known(holder))) = &holder {
            return self.of_holder(holder);
        }
        match pid.and_then(|pid| self.find(pid)) {
            Some(process) => Life::runs(&process),
            None if holder.is_some() => Life::unknown(OTHER_VERSION),
            None => Life::Gone,
        }
    }

    fn of_holder(&self, holder: &Identity) -> Life {
        let lock = match holder.lock.map(|byte| self.locks().state(byte)) {
            Some(LockState::Exhausted) => return Unopened::exhausted().into(),
            Some(lock) => lock,
            None => LockState::Unknown,
        };
        match lock {
            LockState::Held => return Life::Lives(Evidence::of(Words::Holds(Box::new(holder.clone())))),
            LockState::HeldByStarted => {
                let started = Evidence::of(Words::Started(Box::new(holder.clone())));
                return Life::Lives(Evidence { leftover: true, ..started });
            }
            _ => {}
        }
        let here = Place::own();
        if let (Some(theirs), Some(ours)) = (&holder.place.boot_id, &here.boot_id)
            && theirs != ours
        {
            return if self.is_local() {
                Life::Gone
            } else {
                Life::unknown("it was started by another machine, or before this one was started last")
            };
        }
        if lock == LockState::Free {
            return Life::Gone;
        }
        if holder.place.pid_namespace.is_none() || holder.place.pid_namespace != here.pid_namespace {
            return Life::unknown(format!(
                "it was started in another pid namespace, as process {} there, and the file by whose lock it could be \
                 told is not there any more",
                holder.pid
            ));
        }
        match Process::find(holder.pid) {
            Some(process) if is_same(&process, holder) => Life::runs(&process),
            _ => Life::Gone,
        }
    }

    fn of_number(&self, pid: i64, socket: &Path) -> Life {
        if let Some(process) = self.find(pid) {
            return Life::runs(&process);
        }
        match self.open_directory(socket) {
            Ok(Some(directory)) if self.is_locked(&directory) => return Life::lives(HOLDS_DIRECTORY),
            Ok(_) => {}
            Err(unopened) => return unopened.into(),
        }
        match connect(self.directories, socket) {
            Ok(_) | Err(ConnectError::BacklogFull) => Life::lives("its socket takes connections"),
            Err(ConnectError::DescriptorsExhausted) => Unopened::exhausted().into(),
            Err(ConnectError::Unreachable(_) | ConnectError::Refused(_)) => Life::Gone,
        }
    }

    /// The process of that number that may be a pod's.
    fn find(&self, pid: i64) -> Option<Process> {
        Process::find(pid)
            .filter(|process| self.newcomer.is_none() || process.pid() != i64::from(std::process::id()))
    }

    fn locks(&self) -> &LifeFile {
        self.locks.get_or_init(|| match &self.place {
            Some((directory, name)) => LifeFile::open(directory, name),
            None => LifeFile::Missing,
        })
    }

    /// Whether the table is on a file system that no other machine shares.
    fn is_local(&self) -> bool {
        self.place.as_ref().is_some_and(|(directory, _)| state_file::is_local(directory))
    }

    /// Whether another process holds the directory. The lock for this question is shared and gone at once; a pod that is
    /// starting meanwhile tries again.
    fn is_locked(&self, directory: &OwnedFd) -> bool {
        if let Some(own) = self.newcomer.and_then(|newcomer| newcomer.directory)
            && rustix::fs::fstat(directory).is_ok_and(|stat| state_file::identity(&stat) == own)
        {
            return false;
        }
        let taken = rustix::fs::flock(directory, FlockOperation::NonBlockingLockShared);
        if taken.is_ok() {
            // Closing is not enough: a child that is just being started may have a copy.
            let _ = rustix::fs::flock(directory, FlockOperation::Unlock);
        }
        matches!(taken, Err(Errno::WOULDBLOCK))
    }

    /// The directory of that socket, if it is there and lies where sockets may be asked.
    fn open_directory(&self, socket: &Path) -> Result<Option<OwnedFd>, Unopened> {
        let directory = match self.directories.open_directory_of(socket) {
            Ok(directory) => directory,
            Err(Lookup::DescriptorsExhausted) => return Err(Unopened::exhausted()),
            Err(Lookup::Missing | Lookup::Refused(_)) => return Ok(None),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(directory.as_fd(), ".", flags, Mode::empty()) {
            Ok(opened) => Ok(Some(opened)),
            Err(errno) => match errno.into() {
                OsError::Missing => Ok(None),
                OsError::Descriptors => Err(Unopened::exhausted()),
                _ => Err(Unopened(Evidence::new(format!("its directory cannot be opened ({errno})")))),
            },
        }
    }
}

/// Whether it is the process that wrote the identity, as far as its start tells. Where it does not, it is.
fn is_same(process: &Process, holder: &Identity) -> bool {
    if holder.place.time_namespace != Place::own().time_namespace {
        return true;
    }
    match (process.start_ticks(), holder.start_ticks) {
        (Some(found), Some(noted)) => found == noted,
        _ => true,
    }
}

/// The process of a pod that holds its lock.
fn name_holder(holder: &Identity) -> String {
    let here = Place::own();
    let own = (holder.place.pid_namespace.is_some() && holder.place.pid_namespace == here.pid_namespace)
        .then(|| Process::find(holder.pid).filter(|process| is_same(process, holder)))
        .flatten();
    match own {
        Some(process) => runs(process.pid()),
        None => format!("a process of another pid namespace runs it, {} there", holder.pid),
    }
}

/// What lives on of a pod whose own process is gone.
fn name_started(holder: &Identity) -> String {
    match holder.lock.and_then(find_started) {
        Some(pid) => format!("{}, which it has started, lives on", named(pid)),
        None => "a process that it has started lives on in another pid namespace".to_owned(),
    }
}

/// ``process 12 (`sh`) runs it``
fn runs(pid: i64) -> String {
    format!("{} runs it", named(pid))
}

fn named(pid: i64) -> String {
    match Process::find(pid).and_then(|process| process.name()) {
        Some(name) => format!("process {pid} (`{}`)", Escaped(&name)),
        None => format!("process {pid}"),
    }
}

fn read_status(directory: &OwnedFd) -> Result<Option<Holder>, Unopened> {
    #[derive(Deserialize)]
    struct Status {
        holder: Option<Holder>,
    }
    let status = read(directory, "status.json")?;
    Ok(status.and_then(|status| serde_json::from_slice::<Status>(&status).ok()?.holder))
}

/// The number in `pid`, if there is one.
fn read_pid(directory: &OwnedFd) -> Result<Option<i64>, Unopened> {
    let pid = read(directory, "pid")?;
    Ok(pid.and_then(|pid| std::str::from_utf8(&pid).ok()?.trim().parse().ok()))
}

/// The content of a file; `None` where there is none that a pod could have written.
fn read(directory: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>, Unopened> {
    let content = state_file::open_at(directory, OsStr::new(name), OFlags::RDONLY)
        .and_then(|file| state_file::read_sized(&file, 0, MAX_FILE));
    match content {
        Ok(content) => Ok(Some(content)),
        Err(Fault::Missing | Fault::Kind(_) | Fault::TooLarge) => Ok(None),
        Err(Fault::Descriptors) => Err(Unopened::exhausted()),
        Err(fault @ (Fault::Io(_) | Fault::Exposed(_))) => {
            Err(Unopened(Evidence::new(format!("nothing can be told by its `{name}`: {fault}"))))
        }
    }
}
