//! `pod-tools logs`: what a pod in the background says, and what its command writes to standard error.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use notify::{RecursiveMode, Watcher};
use pod_tools_host::PodDirectory;
use tokio::sync::mpsc;

use crate::afar::beside::LOG;
use crate::caller::Caller;
use crate::exit::INTERRUPTED;
use crate::inotify;
use crate::interrupt::Interrupt;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::pod::log::{NEWER, OLDER};
use crate::pod_files;
use crate::read::feed::Feed;
use crate::stdout::print;

/// Read at once, and shown at once.
const PIECE: u64 = 64 << 10;

/// Show the log of a pod that runs in the background
///
/// What the pod says, and what its command writes to standard error, the last 1 to 2 MiB of it. A pod in the foreground
/// has no log, and a pod that has ended none any more. It needs a `read` grant for the pod.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The pod
    #[arg(value_name = "NAME")]
    name: String,

    /// Go on as more is written, until the pod ends
    #[arg(short, long)]
    follow: bool,
}

pub async fn run(args: LogsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let shown = interrupt.or(show(&args, host)).await;
    shown.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn show(args: &LogsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let wrong = |error| explained(error, &caller, "ReadPodOutput", Some(&args.name));
    if caller.is_elsewhere(&args.name) {
        let mut feed = Feed::begin(&caller, LOG, &args.name, args.follow).await.map_err(wrong)?;
        while let Some(text) = feed.next().await.map_err(wrong)? {
            print(text).await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let directory = caller.authority()?.pod_directory(&args.name).map_err(wrong)?;
    let mut log = PodLog::open(directory, &args.name, args.follow)?;
    while let Some(text) = log.next().await? {
        print(text).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The log of a pod, read on as it grows where that is wanted.
pub struct PodLog {
    name: String,
    directory: PodDirectory,
    /// What was written before it was full.
    older: Option<File>,
    newer: Option<File>,
    changes: Option<Changes>,
}

impl PodLog {
    /// That of the pod in this directory; `None`: it has ended.
    pub fn open(directory: Option<PodDirectory>, name: &str, go_on: bool) -> anyhow::Result<Self> {
        let name = name.escape_debug().to_string();
        let directory = directory.ok_or_else(|| anyhow!("pod `{name}` has ended, and its log with it"))?;
        let changes = if go_on { Some(Changes::of(&directory)?) } else { None };
        let mut this = Self { name, directory, older: None, newer: None, changes };
        this.older = this.file(OLDER)?;
        this.newer = this.file(NEWER)?;
        if this.newer.is_none() && this.changes.is_none() {
            return Err(anyhow!(
                "pod `{}` has no log: it was not started in the background; `pod-tools spawn` does that, and a pod in the \
                 foreground says all at its terminal",
                this.name
            ));
        }
        Ok(this)
    }

    /// What comes next; `None` at its end. Dropped, it has lost nothing.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            for file in [&self.older, &self.newer].into_iter().flatten() {
                if let Some(text) = more(file)? {
                    return Ok(Some(text));
                }
            }
            if self.changes.is_none() || self.directory.is_removed() {
                return Ok(None);
            }
            let newest = self.file(NEWER)?;
            if is_another(self.newer.as_ref(), newest.as_ref()) {
                // What was written to the one before until it was full comes first.
                self.older = std::mem::replace(&mut self.newer, newest);
                continue;
            }
            if let Some(changes) = &mut self.changes {
                changes.next().await;
            }
        }
    }

    fn file(&self, file: &str) -> anyhow::Result<Option<File>> {
        let opened = pod_files::open(&self.directory, file);
        opened.with_context(|| format!("cannot read `{file}` of pod `{}`", self.name))
    }
}

/// What is in it from where it was read last, as much as is given at once.
fn more(log: &File) -> io::Result<Option<String>> {
    let mut piece = Vec::new();
    let read = log.take(PIECE).read_to_end(&mut piece)?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&piece).into_owned()))
}

fn is_another(log: Option<&File>, newest: Option<&File>) -> bool {
    let identity = |file: &File| file.metadata().ok().map(|found| (found.dev(), found.ino()));
    newest.is_some_and(|newest| log.and_then(identity) != identity(newest))
}

/// Tells that something has changed in a pod's directory, or that it is gone.
struct Changes {
    _watcher: notify::RecommendedWatcher,
    any: mpsc::Receiver<()>,
}

impl Changes {
    fn of(directory: &PodDirectory) -> anyhow::Result<Changes> {
        let (changed, any) = mpsc::channel(1);
        let cannot = |error: notify::Error| anyhow!("cannot follow the log: {}", inotify::explained(&error));
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading it is no change: it would be read for ever. An error may be that events were lost.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // One word is enough for all that has not been looked at.
            let _ = changed.try_send(());
        })
        .map_err(cannot)?;
        // The one around it tells that it is gone: a directory that is held open, as it is here, does not.
        for watched in [directory.path().to_owned(), directory.path().join("..")] {
            watcher.watch(&watched, RecursiveMode::NonRecursive).map_err(cannot)?;
        }
        Ok(Changes { _watcher: watcher, any })
    }

    async fn next(&mut self) {
        self.any.recv().await;
    }
}
