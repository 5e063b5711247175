//! A host that is killed at each system call that touches the registry, while it reads a pod.

use serde_json::json;

use crate::case::Case;
use crate::cases::killing::kill_everywhere;
use crate::cases::tools::read::with_history;
use crate::failure::holds;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::assistant;

/// The cases.
pub const CASES: &[Case] = &[Case::new(
    "state/killed-anywhere",
    "a host killed at any system call of ReadPodOutput may give text again; it loses none",
    |t| {
        let _pod = t.pod("worker", with_history(&[assistant("one")]))?;
        let ask = json!({ "tool": "ReadPodOutput", "input": { "name": "worker" } }).to_string();
        let cursors = t.place().runtime_dir().join("read_cursors.json");
        kill_everywhere(
            t,
            &ask,
            |_| match std::fs::remove_file(&cursors) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
            |t, answer| {
                let was_given = answer.map(|answer| answer.with_content("one")).transpose()?.is_some();
                let next = t.read("worker")?.output()?;
                let is_given = next.content.as_deref() == Some("one");
                holds(is_given || (was_given && next.content.is_none()), "the text", next)?;
                t.restart()?;
                t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
                t.restart()
            },
        )
    },
)
.needs(&[Need::CursorsOnDisk, Need::Delivery, Need::Strace])
.catches(&[Flaw::LosesCursors])];
