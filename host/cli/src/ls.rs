//! `pod-tools ls`: the pods for a person, one a line.

use std::process::ExitCode;

use crate::caller::Caller;
use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::listing::{ListedFence, ListedPod, ListedRule, Listing};
use crate::options::HostOptions;
use crate::pod_files;
use crate::stdout::{failure, print, print_json};
use crate::streams::tell;

/// List the pods: name, state, fence, scope
///
/// State: `idle`, `running` or `paused`, by the pod's own word, where it takes connections (`alive`, where it has none);
/// `stopped`; or `denied`, where its socket fails a check. Fence, by the pod's own word: `fenced`, `in part`, `no`, or `?`
/// where it says nothing, as pods of other makes do.
#[derive(Debug, clap::Args)]
pub struct LsArgs {
    /// As JSON: the data of ListPods, with these states
    #[arg(long)]
    json: bool,
}

pub async fn run(args: LsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let listed = interrupt.or(list(&args, host)).await;
    listed.unwrap_or(Ok(ExitCode::from(INTERRUPTED)))
}

async fn list(args: &LsArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let caller = Caller::set_up(host)?;
    let (mut listing, summary) = match Listing::of(&caller).await {
        Ok(listed) => listed,
        Err(error) => {
            tell(format_args!("pod-tools: {}", failure(&error)));
            return Ok(ExitCode::FAILURE);
        }
    };
    // What may not be read is shown as far as it is listed.
    let authority = caller.authority().ok();
    for pod in listing.pods.iter_mut().filter(|pod| pod.state == "alive") {
        let directory =
            authority.as_ref().and_then(|authority| authority.pod_directory(&pod.name).ok()).flatten();
        if let Some(state) = directory.as_ref().and_then(pod_files::state) {
            pod.state = state.to_owned();
        }
    }
    if args.json {
        print_json(serde_json::to_string(&listing)? + "\n").await?;
        return Ok(ExitCode::SUCCESS);
    }
    if listing.pods.is_empty() {
        print(format!("{summary}\nstart one with `pod-tools spawn NAME -- COMMAND`\n")).await?;
        return Ok(ExitCode::SUCCESS);
    }
    print(table(&listing.pods)).await?;
    // What is behind the count: records that cannot be read, a lock that is held.
    if let Some((_, more)) = summary.split_once("; ") {
        tell(format_args!("{more}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(pods: &[ListedPod]) -> String {
    let head = ["NAME", "STATE", "FENCE", "SCOPE"].map(str::to_owned);
    let rows = pods.iter().map(|pod| {
        let scope: Vec<String> = pod.scope.iter().map(rule).collect();
        let scope = if scope.is_empty() { "(none)".to_owned() } else { scope.join(", ") };
        [escaped(&pod.name), pod.state.clone(), fence(pod.fence.as_ref()).to_owned(), scope]
    });
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut table = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            table.push_str(cell);
            table.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        table.push_str(&row[3]);
        table.push('\n');
    }
    for pod in pods {
        for missing in pod.fence.iter().flat_map(|fence| &fence.missing) {
            table.push_str(&format!("{}: not held: {}\n", escaped(&pod.name), escaped(missing)));
        }
    }
    table
}

fn fence(fence: Option<&ListedFence>) -> &'static str {
    match fence.map(|fence| &*fence.held) {
        Some("whole") => "fenced",
        Some("part") => "in part",
        Some("off") => "no",
        _ => "?",
    }
}

/// As ListPods shows it.
fn rule(rule: &ListedRule) -> String {
    let flat = if rule.recursive { "" } else { " [non-recursive]" };
    format!("{}:{}{flat}", escaped(&rule.permission), escaped(&rule.target))
}

fn escaped(text: &str) -> String {
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_beneath_each_other_and_what_is_missing_behind_them() {
        let fence = |held: &str, missing: &[&str]| {
            let missing = missing.iter().map(|one| (*one).to_owned()).collect();
            Some(ListedFence { held: held.to_owned(), missing })
        };
        let pod = |name: &str, fence: Option<ListedFence>, scope: Vec<ListedRule>| ListedPod {
            name: name.to_owned(),
            state: "idle".to_owned(),
            fence,
            scope,
        };
        let flat = ListedRule { permission: "write".into(), target: "/w".into(), recursive: false };
        let pods = [
            pod("ünï", fence("whole", &[]), vec![flat]),
            pod("a\nb", fence("part", &["signals"]), Vec::new()),
            pod("x", None, Vec::new()),
        ];
        assert_eq!(
            table(&pods),
            "NAME  STATE  FENCE    SCOPE\n\
             ünï   idle   fenced   write:/w [non-recursive]\n\
             a\\nb  idle   in part  (none)\n\
             x     idle   ?        (none)\n\
             a\\nb: not held: signals\n"
        );
    }
}
