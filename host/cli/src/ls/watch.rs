//! `ls --watch`: the list anew whenever something has changed. The system tells of that: the registry and the pods'
//! directories are watched. What it does not tell, idle times and pods that were killed, is looked at now and then.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use pod_tools_host::PodDirectory;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::shown::{Shown, as_json, as_table, look, nothing};
use crate::caller::Caller;
use crate::inotify;
use crate::options::HostOptions;
use crate::painted::{Painted, Style};
use crate::screen::Screen;
use crate::stdout::{failure, print_json, print_painted};
use crate::streams::output_is_terminal;

/// What changes together is shown together.
const SETTLE: Duration = Duration::from_millis(50);
/// How often it is looked without being told.
const LOOK: Duration = Duration::from_secs(10);
/// What tells of a pod, or of all of them. Its log, say, does not.
const FILES: [&str; 4] = ["spawned_pods.json", "status.json", "history.json", "sock"];

/// Until it is interrupted, or nobody reads any more.
pub async fn watch(json: bool, caller: &Caller, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut changes = Changes::new(host)?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut last = None;
    loop {
        let looked = look(caller, host).await;
        let screen = Screen::of_output();
        match looked {
            Ok((pods, summary)) => {
                changes.follow(&pods, caller);
                let drawn = (!json).then(|| drawn(&pods, &summary, screen));
                let line = as_json(&pods)?;
                let rest = pods.at_rest();
                let is_new = last.as_ref() != Some(&rest);
                match drawn {
                    Some(drawn) if output_is_terminal() => {
                        let rows = screen.size.map_or(usize::MAX, |(_, rows)| rows.max(3));
                        print_painted(drawn.on_empty_screen(rows)).await?;
                    }
                    Some(mut drawn) if is_new => {
                        drawn.end_line();
                        print_painted(drawn).await?;
                    }
                    None if is_new => print_json(line + "\n").await?,
                    Some(_) | None => {}
                }
                last = Some(rest);
            }
            Err(error) => return Err(anyhow!("{}", failure(&error))),
        }
        tokio::select! {
            _ = timeout(LOOK, changes.any.recv()) => sleep(SETTLE).await,
            Some(()) = resized.recv() => {}
        }
        // One word is enough for all that has happened so far.
        while changes.any.try_recv().is_ok() {}
    }
}

fn drawn(pods: &Shown, summary: &str, screen: Screen) -> Painted {
    if !pods.pods.is_empty() {
        return as_table(pods, screen);
    }
    let mut drawn = Painted::new(screen.colours);
    for line in nothing(summary).lines() {
        drawn.push(Style::Plain, line);
        drawn.end_line();
    }
    drawn
}

/// Tells that something may have changed.
struct Changes {
    watcher: RecommendedWatcher,
    /// Held open: what is watched is what was checked.
    directories: HashMap<(u64, u64), PodDirectory>,
    any: mpsc::Receiver<()>,
}

impl Changes {
    fn new(host: &HostOptions) -> anyhow::Result<Changes> {
        let (changed, any) = mpsc::channel(1);
        let cannot = |error: notify::Error| anyhow!("cannot follow the pods: {}", inotify::explained(&error));
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may be that events were lost. Looking is no change.
            if event.is_ok_and(|event| event.kind.is_access() || !tells_of_pods(&event)) {
                return;
            }
            let _ = changed.try_send(());
        })
        .map_err(cannot)?;
        watcher.watch(host.registry_dir(), RecursiveMode::NonRecursive).map_err(cannot)?;
        Ok(Changes { watcher, directories: HashMap::new(), any })
    }

    /// Watches the directories of these pods, and of no others. Of pods that cannot be watched it is seen late.
    fn follow(&mut self, pods: &Shown, caller: &Caller) {
        let Ok(authority) = caller.authority() else { return };
        let mut before = std::mem::take(&mut self.directories);
        for pod in &pods.pods {
            let Ok(Some(directory)) = authority.pod_directory(pod.name()) else { continue };
            let Ok(identity) = directory.identity() else { continue };
            if let Some(known) = before.remove(&identity).filter(|known| !known.is_removed()) {
                self.directories.insert(identity, known);
            } else if self.watcher.watch(directory.path(), RecursiveMode::NonRecursive).is_ok() {
                self.directories.insert(identity, directory);
            }
        }
        for directory in before.into_values() {
            // One that is gone has taken its watch with it.
            let _ = self.watcher.unwatch(directory.path());
        }
    }
}

fn tells_of_pods(event: &Event) -> bool {
    let known = |name: &OsStr| FILES.iter().any(|file| name == *file);
    // Of a directory itself: it is gone.
    event.paths.is_empty() || event.paths.iter().any(|path| path.file_name().is_none_or(known))
}
