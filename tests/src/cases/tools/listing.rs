//! ListPods where pods, records or the scope lock are not as they should be.

use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Failure, holds, same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;
use crate::trial::Trial;

/// A pod whose backlog is full.
fn stuck(t: &Trial, name: &str) -> Result<(crate::FakePod, UnixStream), Failure> {
    let pod = t.pod(name, Script::new().never_accepting(0))?;
    let first = UnixStream::connect(t.place().socket(name))?;
    Ok((pod, first))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/list-no-registry",
        "a registry that there is not is an empty one, and none is made",
        |t| {
            std::fs::remove_file(t.place().registry())?;
            t.list()?.says("no spawned pods")?.without_content()?;
            same("whether there is a registry", t.place().registry().exists(), false)?;
            same("whether there is a scope lock", t.place().scope_lock().exists(), false)
        },
    ),
    Case::new("tools/list-data", "programs get names, states and scopes", |t| {
        let _alive = t.pod("one", Script::new())?;
        t.dead_pod("two")?;
        let scope = |name: &str| json!([{ "target": format!("/work/{name}"), "permission": "write", "recursive": true }]);
        t.list()?
            .with_data("/pods/0/name", "one")?
            .with_data("/pods/0/state", "alive")?
            .with_data("/pods/0/scope", scope("one"))?
            .with_data("/pods/1/name", "two")?
            .with_data("/pods/1/state", "stopped")?
            .with_data("/pods/1/scope", scope("two"))?
            .with_data("/unreadable", 0)?;
        Ok(())
    }),
    Case::new("tools/list-crashed", "a socket at which nobody listens any more is a stopped pod's", |t| {
        t.crashed_pod("worker")?;
        t.list()?.with_content("worker [stopped] scope=write:/work/worker")?;
        Ok(())
    }),
    Case::new("tools/list-backlog-full", "a pod whose backlog is full is alive", |t| {
        let _pod = stuck(t, "worker")?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        Ok(())
    })
    .catches(&[Flaw::CallsStuckStopped]),
    Case::new("tools/list-all-at-once", "pods that would have to be waited for do not add up", |t| {
        // One after the other, five seconds each, they would take longer than a call may.
        let _pods = (0..30).map(|n| stuck(t, &format!("pod-{n}"))).collect::<Result<Vec<_>, _>>()?;
        let list = t.list()?.says("30 pod(s) known")?.output()?.content.unwrap_or_default();
        same("living pods", list.matches(" [alive] ").count(), 30)
    })
    .catches(&[Flaw::CallsStuckStopped]),
    Case::new("tools/list-many", "three hundred pods are listed, each in its place", |t| {
        let names: Vec<_> = (0..300).map(|n| format!("pod-{n}")).collect();
        let mut listeners = Vec::new();
        let mut records = Vec::new();
        for (n, name) in names.iter().enumerate() {
            records.push(t.place().native_record(name));
            if n % 3 > 0 {
                std::fs::create_dir(t.place().base().join(name))?;
                listeners.push(UnixListener::bind(t.place().socket(name))?);
            }
        }
        t.place().write_registry(&json!(records).to_string())?;
        let lines: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let state = if n % 3 > 0 { "alive" } else { "stopped" };
                format!("{name} [{state}] scope=write:/work/{name}")
            })
            .collect();
        t.list()?.says("300 pod(s) known")?.with_content(&lines.join("\n"))?;
        Ok(())
    }),
    Case::new(
        "tools/list-unreadable",
        "records that cannot be read are counted, and take no other with them",
        |t| {
            t.place().record(json!({ "pod_name": "bad", "socket_path": 7, "scope_delegated": [] }))?;
            t.list()?.says("no spawned pods; 1 record could not be read")?.without_content()?;
            t.place().record(json!(7))?;
            t.list()?.says("no spawned pods; 2 records could not be read")?.with_data("/unreadable", 2)?;
            t.dead_pod("good")?;
            t.list()?
                .says("1 pod(s) known; 2 records could not be read")?
                .with_content("good [stopped] scope=write:/work/good")?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/list-lock-busy", "a scope lock that is held is told, and the listing stands", |t| {
        t.dead_pod("worker")?;
        t.place().write_table(&[t.place().native_allocation("worker", 0)])?;
        let held = std::fs::File::open(t.place().scope_lock())?;
        flock(&held, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
        t.list()?
            .says("1 pod(s) known; scope lock busy, stale entries not reclaimed")?
            .with_content("worker [stopped] scope=write:/work/worker")?;
        same("the scope table", t.place().allocated()?, ["worker"])?;
        drop(held);
        t.list()?.says("1 pod(s) known")?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongWording, Flaw::KeepsScope]),
    Case::new("tools/list-lock-damaged", "a scope table that is none is told and left as it is", |t| {
        t.dead_pod("worker")?;
        for text in ["{\"allocations\":[", "[]", "{}", "x"] {
            std::fs::write(t.place().scope_lock(), text)?;
            t.list()?
                .naming("1 pod(s) known; ")?
                .naming("stale entries not reclaimed")?
                .with_content("worker [stopped] scope=write:/work/worker")?;
            same("the scope table", std::fs::read_to_string(t.place().scope_lock())?, text)?;
        }
        Ok(())
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::TearsTable]),
    Case::new("tools/list-reclaims", "what a dead process had handed on goes to its own parent", |t| {
        t.dead_pod("gone")?;
        let own = i64::from(std::process::id());
        let allocation = |t: &Trial, name: &str, pid: i64, parent: Value| {
            let mut allocation = t.place().native_allocation(name, pid);
            allocation["delegated_from"] = parent;
            allocation
        };
        t.place().write_table(&[
            allocation(t, "top", own, Value::Null),
            allocation(t, "gone", 0, json!("top")),
            allocation(t, "also gone", 0, json!("gone")),
            allocation(t, "grandchild", own, json!("also gone")),
        ])?;
        t.list()?.with_data("/stale_reclaimed", 2)?;
        let table: Value = serde_json::from_str(&std::fs::read_to_string(t.place().scope_lock())?)?;
        let expected =
            [allocation(t, "top", own, Value::Null), allocation(t, "grandchild", own, json!("top"))];
        same_json("the scope table", &table, &json!({ "allocations": expected }))
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope, Flaw::TearsTable]),
    Case::new("tools/list-zombie", "a process that has ended and was not waited for is gone", |t| {
        t.dead_pod("gone")?;
        let mut process = Command::new("true").spawn()?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let ended = pid.map(|pid| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
        holds(matches!(ended, Some(Ok(_))), "a process that ends", ended)?;
        t.place().write_table(&[t.place().native_allocation("zombie", process.id().into())])?;
        let listed = t.list();
        process.wait()?;
        listed?.with_data("/stale_reclaimed", 1)?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
    Case::new("tools/list-all-alive", "where every pod is alive, the scope table is not touched", |t| {
        let _pod = t.pod("worker", Script::new())?;
        t.place().write_table(&[t.place().native_allocation("stale", 0)])?;
        t.list()?.with_data("/stale_reclaimed", Value::Null)?;
        same("the scope table", t.place().allocated()?, ["stale"])
    })
    .needs(&[Need::ScopeLock]),
];
