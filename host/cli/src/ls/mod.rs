//! `pod-tools ls`: the pods for a person, one a line.

mod shown;
mod watch;

use std::process::ExitCode;

use self::shown::{as_json, as_table, look, nothing};
use crate::caller::Caller;
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::options::HostOptions;
use crate::screen::Screen;
use crate::stdout::{failure, print, print_json, print_painted};
use crate::streams::tell;

/// List the pods: name, state, fence, idle time, unread lines, scope
///
/// State: `idle`, `running` or `paused`, by the pod's own word, where it takes connections (`alive`, where it has none);
/// `stopped`; or `denied`, where its socket fails a check. Fence, by the pod's own word: `fenced`, `in part`, `no`, or `?`
/// where it says nothing, as pods of other makes do. Idle: since when it has nothing to do. Unread: lines that
/// `pod-tools read` would give, which this leaves to be read; `-` where that is not known, or takes too long to find out.
#[derive(Debug, clap::Args)]
pub struct LsArgs {
    /// As JSON: the data of ListPods, with these states, `idle_seconds` and `unread_lines`
    #[arg(long)]
    json: bool,

    /// Go on, and show the list anew when it changes: on a terminal in place of what was there, else behind it
    #[arg(short, long)]
    watch: bool,
}

pub async fn run(args: LsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let listed = interrupt.or(list(&args, host)).await;
    listed.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn list(args: &LsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    if args.watch {
        return watch::watch(args.json, &caller, host).await;
    }
    match look(&caller, host).await {
        Ok((pods, _)) if args.json => print_json(as_json(&pods)? + "\n").await?,
        Ok((pods, summary)) if pods.pods.is_empty() => print(nothing(&summary)).await?,
        Ok((pods, summary)) => {
            print_painted(as_table(&pods, Screen::of_output())).await?;
            // What is behind the count: records that cannot be read, a lock that is held.
            if let Some((_, more)) = summary.split_once("; ") {
                tell(format_args!("{more}"));
            }
        }
        Err(error) => {
            tell(format_args!("pod-tools: {}", failure(&error)));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
