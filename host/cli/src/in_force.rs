//! What is in force: what the options say, for good; with a grants file what it says now. It is read again on SIGHUP and
//! when it changes. What cannot be understood changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use pod_tools_host::Authority;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::grants_file::{Content, GrantsFile, GrantsFileError};
use crate::inherited::{caught, next};
use crate::inotify;
use crate::operator_log::OPERATOR;
use crate::options::{HostOptions, SetUpError};

/// A file is read when nothing more has happened to it for so long: a program that writes it in pieces is done.
const QUIET: Duration = Duration::from_millis(100);
/// And after so long in any case: a directory may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is in force: the authority of all calls, or the callers that have one each. Dropped, it follows the file no
/// longer.
#[derive(Debug)]
pub struct InForce<T = Authority> {
    /// Always the newest. It changes, too, when SIGHUP came and the file says what it said before.
    pub newest: watch::Receiver<T>,
    following: Result<JoinHandle<()>, watch::Sender<T>>,
}

/// Makes what is in force, of the grants file if there is one. It takes the place of what was in force before.
pub trait Make<T>: Fn(&HostOptions, Option<&GrantsFile>, Option<&T>) -> Result<T, SetUpError> {}

impl<T, F: Fn(&HostOptions, Option<&GrantsFile>, Option<&T>) -> Result<T, SetUpError>> Make<T> for F {}

impl<T> Drop for InForce<T> {
    fn drop(&mut self) {
        if let Ok(task) = &self.following {
            task.abort();
        }
    }
}

/// The authority that the options describe, and the grants file if they name one.
///
/// # Errors
///
/// Those of [`followed`]; a file in which callers have grants of their own is one that cannot be used.
pub fn watched(host: &HostOptions) -> Result<InForce, SetUpError> {
    followed(host, |host: &HostOptions, file: Option<&GrantsFile>, earlier: Option<&Authority>| {
        if let Some(file) = file {
            file.refuse_callers()?;
        }
        Ok(host.authority(file, earlier)?)
    })
}

/// What `make` makes of the options, and of the grants file if they name one: from here on that is followed, and SIGHUP
/// does not end the process but has it read.
///
/// A file that has become bad, or is gone, is reported in the log, and what was in force stays. Calls that
/// run when grants are revoked are denied at their next request.
///
/// # Errors
///
/// A grants file that cannot be used, and an authority that cannot be had.
pub fn followed<T: Send + Sync + 'static>(
    host: &HostOptions,
    make: impl Make<T> + Send + 'static,
) -> Result<InForce<T>, SetUpError> {
    let Some(path) = host.grants_file() else {
        let (sender, newest) = watch::channel(make(host, None, None)?);
        return Ok(InForce { newest, following: Err(sender) });
    };
    // First of all: nothing is missed between the first reading and the watching.
    let hangup = caught(SignalKind::hangup()).map_err(SetUpError::Signals)?;
    let (watcher, changes) = Changes::of(path);
    let content = Content::read(path)?;
    let file = GrantsFile::understand(path, &content)?;
    host.warn_of_exposure(path);
    let (sender, newest) = watch::channel(make(host, Some(&file), None)?);
    let follower = Follower { host: host.clone(), path: path.to_owned(), seen: Ok(content), sender, make };
    let task = tokio::spawn(follower.follow(watcher, changes, hangup));
    Ok(InForce { newest, following: Ok(task) })
}

struct Follower<T, M> {
    host: HostOptions,
    path: PathBuf,
    /// What was found there when it was last looked at.
    seen: Result<Content, GrantsFileError>,
    sender: watch::Sender<T>,
    make: M,
}

impl<T: Send + Sync + 'static, M: Make<T> + Send + 'static> Follower<T, M> {
    async fn follow(
        mut self,
        mut watcher: Changes,
        mut changes: mpsc::Receiver<()>,
        mut hangup: Option<Signal>,
    ) {
        loop {
            let asked = tokio::select! {
                () = next(&mut hangup) => true,
                Some(()) = changes.recv() => {
                    quiet(&mut changes).await;
                    false
                }
                else => return,
            };
            // On a thread where waiting for a disk is no harm.
            let looked = tokio::task::spawn_blocking(move || {
                watcher.watch(&self.path);
                self.look_again(asked);
                (self, watcher)
            });
            match looked.await {
                Ok(both) => (self, watcher) = both,
                Err(error) => return tracing::error!("grants are followed no longer: {error}"),
            }
        }
    }

    /// Reads the file, and puts in force what it says if it says something new, or if `asked` to.
    fn look_again(&mut self, asked: bool) {
        let found = Content::read(&self.path);
        if found == self.seen && !asked {
            return;
        }
        self.seen = found;
        let kept = "what was granted before stays in force";
        let file = match self
            .seen
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|content| GrantsFile::understand(&self.path, content))
        {
            Ok(file) => file,
            Err(error) => return tracing::error!(target: OPERATOR, "{error}\n{kept}"),
        };
        let made = (self.make)(&self.host, Some(&file), Some(&self.sender.borrow()));
        let path = self.path.display();
        match made {
            Ok(made) => {
                self.sender.send_replace(made);
                tracing::info!(target: OPERATOR, "{path}: read again; {} grant(s) are in force", file.count());
            }
            Err(SetUpError::GrantsFile(error)) => tracing::error!(target: OPERATOR, "{error}\n{kept}"),
            Err(error) => tracing::error!(target: OPERATOR, "{path}: {error}; {kept}"),
        }
    }
}

/// Waits until nothing more happens, or it has gone on for long enough.
async fn quiet(changes: &mut mpsc::Receiver<()>) {
    let end = Instant::now() + PATIENCE;
    while let Ok(Some(())) = timeout_at(end.min(Instant::now() + QUIET), changes.recv()).await {}
}

/// Tells when something happens near a file. Its directory is watched, not the file: an editor, like every
/// program that writes files safely, puts another one in its place.
#[derive(Debug)]
struct Changes(Option<RecommendedWatcher>);

impl Changes {
    fn of(path: &Path) -> (Self, mpsc::Receiver<()>) {
        // One is as good as many.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may be that events were lost.
            if event.is_ok_and(|event| !may_have_changed(&event)) {
                return;
            }
            let _ = sender.try_send(());
        });
        let mut watcher = match watcher {
            Ok(watcher) => Self(Some(watcher)),
            Err(error) => {
                Self::warn(path, &error);
                Self(None)
            }
        };
        watcher.watch(path);
        (watcher, changes)
    }

    /// Watches where the file is, and where it is behind links: that may be elsewhere than before.
    fn watch(&mut self, path: &Path) {
        let Some(watcher) = &mut self.0 else { return };
        let mut directories: Vec<PathBuf> = path.parent().map(Path::to_owned).into_iter().collect();
        let behind_links = path.canonicalize().ok();
        directories.extend(behind_links.as_deref().and_then(Path::parent).map(Path::to_owned));
        directories.dedup();
        for directory in directories {
            if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Self::warn(path, &error);
            }
        }
    }

    fn warn(path: &Path, error: &notify::Error) {
        let (path, error) = (path.display(), inotify::explained(error));
        tracing::warn!(
            target: OPERATOR,
            "{path}: changes are seen on SIGHUP only: its directory cannot be watched: {error}"
        );
    }
}

/// Reading changes nothing, and is what is done here.
fn may_have_changed(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RemoveKind};

    use super::*;

    #[test]
    fn what_reading_a_file_does_is_no_change_of_it() {
        let changed = |kind| may_have_changed(&Event::new(kind));
        for kind in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read]
        {
            assert!(!changed(EventKind::Access(kind)), "{kind:?}");
        }
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::Any),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Remove(RemoveKind::Any),
            EventKind::Other,
        ] {
            assert!(changed(kind), "{kind:?}");
        }
    }
}
