//! A file that is there to be locked: within a bounded time, by one thread of one process, and only while it is
//! the file that everybody else locks.
//!
//! It stays open from one time to the next, and so does what was found with it (its directory, say).

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Stat};
use rustix::io::Errno;

use super::state_file::identity;

/// One lock file, as this process has it open, and the queue of its threads for it.
#[derive(Debug)]
pub(crate) struct LockFile<T> {
    queue: Queue,
    kept: Mutex<Option<Arc<Opened<T>>>>,
}

/// The open file, and what was found with it.
#[derive(Debug)]
struct Opened<T> {
    file: File,
    /// Device and inode, which it keeps for as long as it is open.
    identity: (u64, u64),
    found: T,
}

/// The lock, held until dropped, by a thread whose turn it is.
#[derive(Debug)]
pub(crate) struct Locked<'a, T> {
    flock: Flock<T>,
    _turn: Turn<'a>,
}

impl<T> Locked<'_, T> {
    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.flock.0.file
    }

    /// What was found with it.
    pub(crate) fn found(&self) -> &T {
        &self.flock.0.found
    }
}

impl<T> Default for LockFile<T> {
    fn default() -> Self {
        Self { queue: Queue::default(), kept: Mutex::default() }
    }
}

impl<T> LockFile<T> {
    /// Takes the lock, trying until the deadline and at least once; `None` where others held it all the time.
    ///
    /// `open` opens the file; it gives `None` where that went away meanwhile. `current` tells of the file that
    /// is there now: a thread that waited for a lock may hold one on a file that was removed or replaced
    /// meanwhile, which keeps no other process out.
    pub(crate) fn lock<E>(
        &self,
        deadline: Instant,
        open: impl Fn() -> Result<Option<(File, T)>, E>,
        current: impl Fn() -> rustix::io::Result<Stat>,
        unusable: impl Fn(io::Error) -> E,
    ) -> Result<Option<Locked<'_, T>>, E> {
        let Some(turn) = self.queue.wait(deadline) else { return Ok(None) };
        let lock = |opened: Arc<Opened<T>>, deadline| {
            let flock = Flock::until(opened, deadline).map_err(&unusable)?;
            match flock {
                Some(flock) if flock.is_on(current()).map_err(|errno| unusable(errno.into()))? => {
                    Ok(Some(flock))
                }
                _ => Ok(None),
            }
        };
        // A kept file may be out of date, and is not waited for.
        let kept = self.kept().take();
        let mut flock = kept.map(|opened| lock(opened, Instant::now())).transpose()?.flatten();
        while flock.is_none() {
            if let Some((file, found)) = open()? {
                let stat = rustix::fs::fstat(&file).map_err(|errno| unusable(errno.into()))?;
                flock = lock(Arc::new(Opened { file, identity: identity(&stat), found }), deadline)?;
            }
            if flock.is_none() && Instant::now() >= deadline {
                return Ok(None);
            }
        }
        Ok(flock.map(|flock| {
            *self.kept() = Some(flock.0.clone());
            Locked { flock, _turn: turn }
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<Opened<T>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exclusive `flock` on an open file, until dropped.
#[derive(Debug)]
struct Flock<T>(Arc<Opened<T>>);

impl<T> Flock<T> {
    /// There is no blocking `flock` with a time-out, so this polls: first after a millisecond, then in steps
    /// that grow to 20.
    fn until(opened: Arc<Opened<T>>, deadline: Instant) -> io::Result<Option<Self>> {
        let mut pause = Duration::from_millis(1);
        loop {
            match rustix::fs::flock(&opened.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self(opened))),
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(errno.into()),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether it is on the file that `current` tells of.
    fn is_on(&self, current: rustix::io::Result<Stat>) -> rustix::io::Result<bool> {
        match current {
            Ok(there) => Ok(identity(&there) == self.0.identity),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

impl<T> Drop for Flock<T> {
    /// Closing the file is not enough: a child that is just being started may still hold a copy of it.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0.file, FlockOperation::Unlock);
    }
}

/// The queue of this process's own threads for one lock file. `flock` can only be polled for, so of many
/// threads that did, most would sleep while the lock is free; here each is woken when its turn may have come.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: bool,
    /// How many threads wait: mostly none, and then nobody has to be woken.
    waiting: usize,
}

/// A thread's turn, until dropped.
#[derive(Debug)]
struct Turn<'a>(&'a Queue);

impl Queue {
    /// Waits for its turn until the deadline; `None` where others had theirs all the time.
    fn wait(&self, deadline: Instant) -> Option<Turn<'_>> {
        let mut state = self.state();
        if state.taken {
            let left = deadline.saturating_duration_since(Instant::now());
            state.waiting += 1;
            let waited = self.left.wait_timeout_while(state, left, |state| state.taken);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        let free = !std::mem::replace(&mut state.taken, true);
        free.then(|| Turn(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken = false;
        if state.waiting > 0 {
            self.0.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn many_threads_have_their_turns_one_at_a_time_and_one_that_cannot_wait_has_none() {
        let queue = Queue::default();
        let minute = Instant::now() + Duration::from_secs(60);
        let at_work = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _turn = queue.wait(minute).unwrap();
                        assert_eq!(at_work.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        at_work.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        let turn = queue.wait(minute).unwrap();
        assert!(queue.wait(Instant::now()).is_none());
        drop(turn);
        assert!(queue.wait(Instant::now()).is_some());
    }

    /// A lock file at a path, opened so many times.
    struct Place {
        _root: tempfile::TempDir,
        path: PathBuf,
        lock: LockFile<u32>,
        opened: std::cell::Cell<u32>,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("lock");
            Self { _root: root, path, lock: LockFile::default(), opened: std::cell::Cell::new(0) }
        }

        /// Takes the lock with no time to wait; which opening of the file it is on.
        fn lock(&self) -> Option<u32> {
            let open = || {
                self.opened.set(self.opened.get() + 1);
                Ok(Some((open(&self.path), self.opened.get())))
            };
            let locked = self.lock.lock(Instant::now(), open, || rustix::fs::stat(&self.path), |error| error);
            locked.unwrap().map(|locked| *locked.found())
        }
    }

    fn open(path: &Path) -> File {
        File::options().create(true).truncate(false).write(true).open(path).unwrap()
    }

    #[test]
    fn a_file_is_opened_once_and_locked_many_times() {
        let place = Place::new();
        assert_eq!([place.lock(), place.lock(), place.lock()], [Some(1); 3]);
        let other = open(&place.path);
        other.lock().unwrap();
        assert_eq!(place.lock(), None);
        other.unlock().unwrap();
        assert!(place.lock().is_some());
        other.try_lock().unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_or_removed_is_left_for_the_one_that_is_there_even_if_it_is_held() {
        let place = Place::new();
        assert_eq!(place.lock(), Some(1));
        let old = open(&place.path);
        old.lock().unwrap();
        std::fs::remove_file(&place.path).unwrap();
        assert_eq!(place.lock(), Some(2));
        std::fs::remove_file(&place.path).unwrap();
        assert_eq!(place.lock(), Some(3));
    }
}
