//! `pod-tools logs`: what a pod in the background says, and what its command writes to standard error.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use notify::{RecursiveMode, Watcher};
use pod_tools_host::PodDirectory;
use tokio::sync::mpsc;

use crate::caller::Caller;
use crate::exit::INTERRUPTED;
use crate::inotify;
use crate::interrupt::Interrupt;
use crate::nearest::explained;
use crate::options::HostOptions;
use crate::pod::log::{NEWER, OLDER};
use crate::pod_files;
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
    let name = args.name.escape_debug();
    let caller = Caller::set_up(host)?;
    let directory = caller.authority()?.pod_directory(&args.name);
    let directory =
        directory.map_err(|error| explained(error, &caller, "ReadPodOutput", Some(&args.name)))?;
    let directory = directory.ok_or_else(|| anyhow!("pod `{name}` has ended, and its log with it"))?;
    let mut changes = if args.follow { Some(Changes::of(&directory)?) } else { None };
    let open = |file: &str| {
        pod_files::open(&directory, file).with_context(|| format!("cannot read `{file}` of pod `{name}`"))
    };
    if let Some(older) = open(OLDER)? {
        copy(&older).await?;
    }
    let mut log = open(NEWER)?;
    if log.is_none() && changes.is_none() {
        return Err(anyhow!(
            "pod `{name}` has no log: it was not started in the background; `pod-tools spawn` does that, and a pod in the \
             foreground says all at its terminal"
        ));
    }
    loop {
        if let Some(log) = &log {
            copy(log).await?;
        }
        let Some(changes) = &mut changes else { return Ok(ExitCode::SUCCESS) };
        if directory.is_removed() {
            return Ok(ExitCode::SUCCESS);
        }
        let newest = open(NEWER)?;
        if is_another(log.as_ref(), newest.as_ref()) {
            // What was written to the one before until it was full.
            if let Some(log) = &log {
                copy(log).await?;
            }
            log = newest;
            continue;
        }
        changes.next().await;
    }
}

/// Shows what is in it from where it was read last.
async fn copy(log: &File) -> io::Result<()> {
    loop {
        let mut piece = Vec::new();
        if log.take(PIECE).read_to_end(&mut piece)? == 0 {
            return Ok(());
        }
        print(String::from_utf8_lossy(&piece).into_owned()).await?;
    }
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
