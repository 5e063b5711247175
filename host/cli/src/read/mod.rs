//! `pod-tools read`: what a pod has said, for a person. The text stays to be read by agents and programs, which are other
//! readers.

pub mod events;
pub mod feed;
mod follow;
mod output;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

pub use self::follow::{Outcome, Until, follow, follow_from};
pub use self::output::Reading;
pub use self::output::Told;
use self::output::with_end;
use crate::call::answer_line::AnswerLine;
use crate::caller::Caller;
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::options::HostOptions;
use crate::reader::of_person;
use crate::stdout::{failure, print, print_json};
use crate::streams::tell;
use crate::units::duration;

/// Read what a pod has said since you last did
///
/// The text goes to standard output, how the pod is to standard error. You are a reader of your own: what you read, agents
/// and programs are given all the same. What a run says is there to read when the run has ended; `--follow` shows it as it
/// is said, and takes it for read then.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    pod-tools read reviewer\n  \
    pod-tools read reviewer --follow           as it comes, until the pod ends or Ctrl-C\n  \
    pod-tools read reviewer --wait 60          when its run has ended, or after 60 s\n  \
    pod-tools read reviewer --reader NAME --peek     what another reader has not read yet")]
pub struct ReadArgs {
    /// The pod
    #[arg(value_name = "NAME")]
    name: String,

    /// Show text as the pod says it, until the pod ends
    #[arg(short, long, conflicts_with_all = ["wait", "json", "peek"])]
    follow: bool,

    /// Wait so long for the end of the run that is going on
    #[arg(short, long, value_name = "SECONDS", value_parser = duration)]
    wait: Option<Duration>,

    /// Answer with one JSON line: {"ok":{…}} or {"err":{…}}
    #[arg(long)]
    json: bool,

    /// Look, and leave it to be read
    #[arg(long)]
    peek: bool,
}

pub async fn run(args: ReadArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let read = interrupt.or(read(&args, host)).await;
    read.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn read(args: &ReadArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let reader = of_person(host);
    let reading = Reading { caller: &caller, pod: &args.name, reader: reader.as_ref(), peek: args.peek };
    if args.follow {
        // How its runs went was said as they ended.
        follow(reading, Until::PodEnds).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let deadline = args.wait.map(|wait| Instant::now() + wait);
    loop {
        let outcome = reading.call(deadline.map(|deadline| wait_of_one_call(&caller, deadline))).await;
        let waits_on = |told: &Told| {
            told.waited.as_deref() == Some("time-up") && deadline.is_some_and(|end| Instant::now() < end)
        };
        let told = outcome.as_ref().ok().map(Told::of).transpose()?;
        let goes_on = told.as_ref().is_some_and(waits_on);
        match &outcome {
            // Of several answers the last says all but the text.
            Ok(answer) if goes_on && answer.output().content.is_none() => continue,
            _ if args.json => print_json(AnswerLine::from(&outcome).to_line()?).await?,
            Ok(answer) => {
                if let Some(text) = &answer.output().content {
                    print(with_end(text.clone())).await?;
                }
                tell(format_args!("{}", answer.output().summary));
            }
            Err(error) => tell(format_args!("pod-tools: {}", failure(error))),
        }
        let Ok(answer) = outcome else { return Ok(ExitCode::FAILURE) };
        caller.deliver(answer.into_parts().1).await;
        if !goes_on {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// How many seconds one of the calls waits that wait until then together.
fn wait_of_one_call(caller: &Caller, deadline: Instant) -> u64 {
    let most = caller.authority().map_or(0, |authority| authority.limits().call_time.as_secs());
    let left = deadline.saturating_duration_since(Instant::now());
    left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0)).min(most)
}
