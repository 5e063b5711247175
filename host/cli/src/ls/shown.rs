//! What is shown of each pod, beside what ListPods says: its state by its own word, since when it is idle, and how much
//! of its text is unread. Nothing of it changes anything, and no pod can hold it up for long.

use std::time::Duration;

use pod_tools_host::registry::Reader;
use pod_tools_host::{PodDirectory, ToolError};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::caller::{Caller, ToolCall, admitted};
use crate::listing::{ListedFence, ListedPod, ListedRule, Listing};
use crate::options::HostOptions;
use crate::painted::{Painted, Style};
use crate::pod_files;
use crate::reader::of_person;
use crate::screen::Screen;
use crate::table::{Cell, table};

/// All pods together have so long to say what is unread.
const PATIENCE: Duration = Duration::from_secs(1);
/// One has so long.
const PATIENCE_WITH_ONE: Duration = Duration::from_millis(250);
/// A longer history is not read for the sake of a number, in bytes.
const MAX_HISTORY: u64 = 16 << 20;

#[derive(Debug, Serialize, PartialEq)]
pub struct Shown {
    pub pods: Vec<ShownPod>,
    unreadable: u64,
    stale_reclaimed: Option<u64>,
}

#[derive(Debug, Serialize, PartialEq)]
pub struct ShownPod {
    #[serde(flatten)]
    listed: ListedPod,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_lines: Option<usize>,
}

impl ShownPod {
    pub fn name(&self) -> &str {
        &self.listed.name
    }
}

impl Shown {
    /// Without what changes by itself as time passes.
    pub fn at_rest(mut self) -> Shown {
        self.pods.iter_mut().for_each(|pod| pod.idle_seconds = None);
        self
    }
}

/// The pods as they are now, with the summary of ListPods.
pub async fn look(caller: &Caller, host: &HostOptions) -> Result<(Shown, String), ToolError> {
    let (listing, summary) = Listing::of(caller).await?;
    Ok((shown(listing, caller, of_person(host).as_ref()).await, summary))
}

pub fn as_json(pods: &Shown) -> serde_json::Result<String> {
    serde_json::to_string(pods)
}

pub fn as_table(pods: &Shown, screen: Screen) -> Painted {
    table_of(&pods.pods, screen)
}

/// What stands in the place of an empty table.
pub fn nothing(summary: &str) -> String {
    format!("{summary}\nstart one with `pod-tools spawn NAME -- COMMAND`\n")
}

/// What is to be shown of a listing, to that reader.
async fn shown(listing: Listing, caller: &Caller, reader: Option<&Reader>) -> Shown {
    let Listing { pods: listed, unreadable, stale_reclaimed } = listing;
    let deadline = Instant::now() + PATIENCE;
    // What may not be read is shown as far as it is listed.
    let authority = caller.authority().ok();
    let mut pods = Vec::with_capacity(listed.len());
    for mut pod in listed {
        let (mut idle_seconds, mut unread_lines) = (None, None);
        if pod.state == "alive"
            && let Some(directory) =
                authority.as_ref().and_then(|authority| authority.pod_directory(&pod.name).ok()).flatten()
        {
            if let Some(state) = pod_files::state(&directory) {
                pod.state = state.to_owned();
            }
            if pod.state == "idle" {
                idle_seconds = pod_files::age(&directory, "status.json").map(|age| age.as_secs());
            }
            let until = deadline.min(Instant::now() + PATIENCE_WITH_ONE);
            if !is_long(&directory) {
                unread_lines = timeout_at(until, unread(caller, &pod.name, reader)).await.ok().flatten();
            }
        }
        pods.push(ShownPod { listed: pod, idle_seconds, unread_lines });
    }
    Shown { pods, unreadable, stale_reclaimed }
}

fn is_long(directory: &PodDirectory) -> bool {
    let history = pod_files::open(directory, "history.json").ok().flatten();
    history.and_then(|history| history.metadata().ok()).is_some_and(|found| found.len() > MAX_HISTORY)
}

/// How many lines that reader would be given; no cursor moves.
async fn unread(caller: &Caller, name: &str, reader: Option<&Reader>) -> Option<usize> {
    let input = json!({"name": name}).to_string();
    let call = ToolCall { name: "ReadPodOutput", input: &input, reader, peek: true };
    let answer = caller.call(&call, admitted()).await.ok()?;
    Some(answer.output().content.as_deref().map_or(0, |text| text.lines().count()))
}

/// For people.
fn table_of(pods: &[ShownPod], screen: Screen) -> Painted {
    let rows: Vec<[Cell; 6]> = pods.iter().map(row).collect();
    let mut shown = table(["NAME", "STATE", "FENCE", "IDLE", "UNREAD", "SCOPE"], &rows, screen);
    for ShownPod { listed, .. } in pods {
        for missing in listed.fence.iter().flat_map(|fence| &fence.missing) {
            shown.push(Style::Waiting, &format!("{}: not held: {missing}", listed.name));
            shown.end_line();
        }
    }
    shown
}

fn row(pod: &ShownPod) -> [Cell; 6] {
    let ListedPod { name, state, fence, scope } = &pod.listed;
    let style = match &**state {
        "running" => Style::Good,
        "paused" => Style::Waiting,
        "stopped" | "denied" => Style::Bad,
        _ => Style::Plain,
    };
    let rules: Vec<String> = scope.iter().map(rule).collect();
    let unread = pod.unread_lines.map_or("-".to_owned(), |lines| lines.to_string());
    [
        Cell::plain(name),
        Cell { text: state.clone(), style },
        Cell::plain(held(fence.as_ref())),
        Cell::plain(pod.idle_seconds.map_or("-".to_owned(), span)),
        Cell { text: unread, style: if pod.unread_lines > Some(0) { Style::Head } else { Style::Plain } },
        Cell::plain(if rules.is_empty() { "(none)".to_owned() } else { rules.join(", ") }),
    ]
}

fn held(fence: Option<&ListedFence>) -> &'static str {
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
    format!("{}:{}{flat}", rule.permission, rule.target)
}

/// A span of time in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_has_a_row_and_what_is_missing_stands_behind_them() {
        let fence = |held: &str, missing: &[&str]| {
            let missing = missing.iter().map(|one| (*one).to_owned()).collect();
            Some(ListedFence { held: held.to_owned(), missing })
        };
        let pod = |name: &str, fence, scope, idle_seconds, unread_lines| ShownPod {
            listed: ListedPod { name: name.to_owned(), state: "idle".to_owned(), fence, scope },
            idle_seconds,
            unread_lines,
        };
        let flat = ListedRule { permission: "write".into(), target: "/w".into(), recursive: false };
        let pods = [
            pod("x", fence("whole", &[]), vec![flat], Some(125), Some(3)),
            pod("a\nb", fence("part", &["signals"]), Vec::new(), None, None),
            pod("y", None, Vec::new(), Some(90_000), Some(0)),
        ];
        assert_eq!(
            table_of(&pods, Screen { size: None, colours: false }).into_text(),
            "NAME  STATE  FENCE    IDLE  UNREAD  SCOPE\n\
             x     idle   fenced   2m    3       write:/w [non-recursive]\n\
             a\\nb  idle   in part  -     -       (none)\n\
             y     idle   ?        1d    0       (none)\n\
             a\\nb: not held: signals\n"
        );
    }
}
