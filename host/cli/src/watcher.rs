//! Tells when a pod's run has ended: the pod rewrites its `status.json` and its `history.json` then, and the
//! system tells who watches its directory.
//!
//! Only directories that the authority of the moment gives are watched ([`Authority::pod_directory`]): the pod
//! is one that may be read, and lies beneath a granted directory.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use pod_tools_host::{Authority, ErrorKind, PodDirectory, Reason, ToolError};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::inotify;

/// The files that a pod rewrites when its run ends.
const REWRITTEN: [&str; 2] = ["status.json", "history.json"];
/// A pod writes both within a moment; one word for both is enough.
const SETTLE: Duration = Duration::from_millis(50);
/// How often it is looked whether a pod that was gone is back.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Pods that are watched at once, for all clients together: each takes a descriptor, of which a process often
/// has no more than 1,024.
const MAX_WATCHED: usize = 256;
/// Changes that a slow listener may be behind, before it is told of all.
const CHANGES: usize = 1024;

/// Watches the directories of the pods that clients have subscribed to.
#[derive(Debug, Clone)]
pub struct Watcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    authority: watch::Receiver<Authority>,
    state: Mutex<State>,
    changes: broadcast::Sender<Arc<str>>,
}

#[derive(Debug)]
struct State {
    /// `Err`: the system lets nothing be watched, and why.
    notifier: Result<RecommendedWatcher, String>,
    /// It has been said that a pod that is back cannot be watched.
    complained: bool,
    /// By name.
    pods: HashMap<Arc<str>, Watched>,
    directories: HashMap<Identity, PodDirectory>,
}

#[derive(Debug)]
struct Watched {
    subscribers: usize,
    /// `None`: there is none at present, or it may not be watched.
    directory: Option<Identity>,
}

type Identity = (u64, u64);

/// The directories in which something was rewritten: filled by the notifier's thread.
#[derive(Debug, Default)]
struct Rewritten {
    directories: Mutex<HashSet<PathBuf>>,
    any: Notify,
}

/// A subscription to one pod. Dropped, it ends.
#[derive(Debug)]
pub struct Subscription {
    watcher: Watcher,
    pod: Arc<str>,
}

impl Watcher {
    /// Begins to watch, nothing yet, until `stopping`. Where the system has nothing to watch with left, there
    /// are no subscriptions, and the log says why.
    pub fn start(authority: watch::Receiver<Authority>, stopping: &CancellationToken) -> Self {
        let rewritten = Arc::new(Rewritten::default());
        let notifier = {
            let rewritten = rewritten.clone();
            notify::recommended_watcher(move |event| rewritten.note(event))
        };
        let notifier = notifier.map_err(|error| inotify::explained(&error));
        if let Err(why) = &notifier {
            tracing::warn!("clients are not told of changed conversations: {why}");
        }
        let state = State { notifier, complained: false, pods: HashMap::new(), directories: HashMap::new() };
        let watcher = Self(Arc::new(Shared {
            authority,
            state: Mutex::new(state),
            changes: broadcast::Sender::new(CHANGES),
        }));
        tokio::spawn(stopping.clone().run_until_cancelled_owned(watcher.clone().run(rewritten)));
        watcher
    }

    /// Whether there can be subscriptions.
    pub fn works(&self) -> bool {
        self.state().notifier.is_ok()
    }

    /// The names of pods whose conversation may have grown.
    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.changes.subscribe()
    }

    /// Tells of a change that was seen elsewhere.
    pub fn has_changed(&self, pod: &Arc<str>) {
        self.tell(vec![pod.clone()]);
    }

    /// Subscribes to a pod that may be read. It need not run at present.
    pub fn subscribe(&self, pod: &str) -> Result<Subscription, ToolError> {
        let authority = self.0.authority.borrow().clone();
        let directory = authority.pod_directory(pod)?;
        let mut state = self.state();
        if let Err(why) = &state.notifier {
            return Err(cannot_watch(why));
        }
        let pod: Arc<str> = pod.into();
        if !state.pods.contains_key(&pod) && state.pods.len() >= MAX_WATCHED {
            let message = format!("{MAX_WATCHED} pods are watched already, which is this server's limit");
            return Err(ToolError::new(ErrorKind::Limit, None, message));
        }
        let directory = directory.map(|directory| state.watch(directory)).transpose()?;
        let watched = state.pods.entry(pod.clone()).or_insert(Watched { subscribers: 0, directory: None });
        watched.subscribers += 1;
        watched.directory = directory.or(watched.directory);
        drop(state);
        Ok(Subscription { watcher: self.clone(), pod })
    }

    async fn run(self, rewritten: Arc<Rewritten>) {
        let mut authority = self.0.authority.clone();
        authority.mark_unchanged();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = rewritten.any.notified() => {
                    sleep(SETTLE).await;
                    let directories = rewritten.take();
                    let names = self.state().pods_in(&directories);
                    self.tell(names);
                }
                _ = look.tick() => self.look_again(false),
                Ok(()) = authority.changed() => self.look_again(true),
            }
        }
    }

    /// Looks whether pods are back that were gone; all of them where `all` is said.
    fn look_again(&self, all: bool) {
        let authority = self.0.authority.borrow().clone();
        let lost = self.state().without_directory(all);
        let mut changed = Vec::new();
        for name in lost {
            // What may not be watched now is not told of.
            let found = authority.pod_directory(&name).ok().flatten();
            let mut state = self.state();
            let found = found.and_then(|directory| {
                let watched = state.watch(directory);
                // It is tried again and again, and said once.
                if let Err(error) = &watched
                    && !state.complained
                {
                    tracing::warn!("{error}");
                }
                state.complained = watched.is_err();
                watched.ok()
            });
            if let Some(watched) = state.pods.get_mut(&name) {
                if found.is_some() && found != watched.directory {
                    changed.push(name);
                }
                watched.directory = found;
            }
            state.forget_unused();
        }
        self.tell(changed);
    }

    fn tell(&self, names: Vec<Arc<str>>) {
        for name in names {
            // Nobody may listen at the moment.
            let _ = self.0.changes.send(name);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_watch(why: &dyn std::fmt::Display) -> ToolError {
    let message = format!("the pod's directory cannot be watched: {why}");
    ToolError::new(ErrorKind::ExecutionFailed, Reason::DescriptorsExhausted, message)
}

impl State {
    /// Watches a directory, if it is not watched already.
    fn watch(&mut self, directory: PodDirectory) -> Result<Identity, ToolError> {
        let identity = directory.identity().map_err(|error| cannot_watch(&error))?;
        if self.directories.get(&identity).is_none_or(PodDirectory::is_removed) {
            let notifier = self.notifier.as_mut().map_err(|why| cannot_watch(why))?;
            if let Some(removed) = self.directories.remove(&identity) {
                let _ = notifier.unwatch(removed.path());
            }
            notifier
                .watch(directory.path(), RecursiveMode::NonRecursive)
                .map_err(|error| cannot_watch(&inotify::explained(&error)))?;
            self.directories.insert(identity, directory);
        }
        Ok(identity)
    }

    /// Ends the watches that no subscription needs any more.
    fn forget_unused(&mut self) {
        let used: HashSet<Identity> = self.pods.values().filter_map(|watched| watched.directory).collect();
        let Ok(notifier) = &mut self.notifier else { return };
        self.directories.retain(|identity, directory| {
            let keep = used.contains(identity);
            if !keep {
                // A directory that is gone has taken its watch with it.
                let _ = notifier.unwatch(directory.path());
            }
            keep
        });
    }

    fn pods_in(&self, directories: &HashSet<PathBuf>) -> Vec<Arc<str>> {
        let rewritten = |watched: &Watched| {
            watched
                .directory
                .and_then(|identity| self.directories.get(&identity))
                .is_some_and(|directory| directories.contains(directory.path()))
        };
        self.pods.iter().filter(|(_, watched)| rewritten(watched)).map(|(name, _)| name.clone()).collect()
    }

    fn without_directory(&self, all: bool) -> Vec<Arc<str>> {
        let lost = |watched: &Watched| {
            let directory = watched.directory.and_then(|identity| self.directories.get(&identity));
            directory.is_none_or(PodDirectory::is_removed)
        };
        self.pods.iter().filter(|(_, watched)| all || lost(watched)).map(|(name, _)| name.clone()).collect()
    }
}

impl Rewritten {
    fn note(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return };
        // A file that was moved into place has been told of by then.
        let told = matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::Both)));
        if told || event.kind.is_access() {
            return;
        }
        let is_rewritten = |path: &&PathBuf| {
            let name = path.file_name();
            REWRITTEN.iter().any(|rewritten| name == Some(OsStr::new(rewritten)))
        };
        let directories = event.paths.iter().filter(is_rewritten).filter_map(|path| path.parent());
        let mut noted = self.lock();
        noted.extend(directories.map(Path::to_owned));
        if !noted.is_empty() {
            self.any.notify_one();
        }
    }

    fn take(&self) -> HashSet<PathBuf> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.watcher.state();
        if let Some(watched) = state.pods.get_mut(&self.pod) {
            watched.subscribers -= 1;
            if watched.subscribers == 0 {
                state.pods.remove(&self.pod);
                state.forget_unused();
            }
        }
    }
}
