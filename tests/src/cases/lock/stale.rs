//! Entries whose process is gone, and what becomes of those that they had delegated to.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;

/// A process that has ended and that nobody has waited for. Dropped, it is.
struct Zombie(Child);

impl Zombie {
    fn make() -> Result<Self, Failure> {
        let child = Command::new("true").stdin(Stdio::null()).spawn()?;
        let zombie = Self(child);
        let pid = Pid::from_child(&zombie.0);
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .map_err(std::io::Error::from)?;
        Ok(zombie)
    }

    fn pid(&self) -> i64 {
        self.0.id().into()
    }
}

impl Drop for Zombie {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

/// The id of a process that has been and is no more.
fn gone() -> Result<i64, Failure> {
    let zombie = Zombie::make()?;
    Ok(zombie.pid())
}

/// An allocation that was delegated.
fn delegated(mut allocation: Value, from: &str) -> Value {
    allocation["delegated_from"] = json!(from);
    allocation
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "lock/stale",
        "an entry whose process cannot be is released when a pod is found stopped",
        |t| {
            t.dead_pod("worker")?;
            let allocation = |name, pid| t.place().native_allocation(name, pid);
            let own = i64::from(std::process::id());
            t.place().write_table(&[
                allocation("worker", 4_294_967_295),
                allocation("zero", 0),
                allocation("own", own),
            ])?;
            t.list()?.says("1 pod(s) known")?;
            same("the scope table", t.place().allocated()?, ["own"])
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
    Case::new(
        "lock/stale-process-ids",
        "process ids that no process can have are stale; all others are asked for",
        |t| {
            t.dead_pod("worker")?;
            let zombie = Zombie::make()?;
            let own = i64::from(std::process::id());
            let pids = [
                ("first", 1),
                ("minus-one", -1),
                ("minus-own", -own),
                ("own", own),
                ("gone", gone()?),
                ("zombie", zombie.pid()),
                ("beyond", 1 << 31),
                ("own-and-2-to-the-32", own + (1 << 32)),
                ("parent", i64::from(std::os::unix::process::parent_id())),
            ];
            let table: Vec<Value> =
                pids.into_iter().map(|(name, pid)| t.place().native_allocation(name, pid)).collect();
            t.place().write_table(&table)?;
            t.list()?.says("1 pod(s) known")?.with_data("/stale_reclaimed", 6)?;
            same("the scope table", t.place().allocated()?, ["first", "own", "parent"])
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
    Case::new("lock/stale-parents", "children of the dead go to the next living one up, or to nobody", |t| {
        t.dead_pod("worker")?;
        let own = i64::from(std::process::id());
        let entry = |name, pid| t.place().native_allocation(name, pid);
        t.place().write_table(&[
            entry("root", own),
            delegated(entry("dead-1", 0), "root"),
            delegated(entry("dead-2", 0), "dead-1"),
            delegated(entry("child", own), "dead-2"),
            delegated(entry("grandchild", own), "child"),
            entry("dead-root", -1),
            delegated(entry("orphan", own), "dead-root"),
            delegated(entry("round-1", 0), "round-2"),
            delegated(entry("round-2", 0), "round-1"),
            delegated(entry("beside-round", own), "round-1"),
            delegated(entry("of-nobody", own), "never-was"),
        ])?;
        t.list()?.says("1 pod(s) known")?;
        let entries = t.place().table()?;
        let of = |entry: &Value| (entry["pod_name"].clone(), entry["delegated_from"].clone());
        let left: Vec<_> = entries["allocations"].as_array().into_iter().flatten().map(of).collect();
        let expected = [
            ("root", Value::Null),
            ("child", json!("root")),
            ("grandchild", json!("child")),
            ("orphan", Value::Null),
            ("beside-round", Value::Null),
            ("of-nobody", json!("never-was")),
        ];
        same("who is delegated from whom", left, expected.map(|(name, from)| (json!(name), from)))
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope, Flaw::TearsTable]),
    Case::new(
        "lock/nothing-stale-sought",
        "a listing in which every pod is alive leaves the table alone",
        |t| {
            let _pod = t.pod("worker", Script::new())?;
            t.place().write_table(&[t.place().native_allocation("other", 0)])?;
            t.list()?.says("1 pod(s) known")?.with_data("/stale_reclaimed", Value::Null)?;
            same("the scope table", t.place().allocated()?, ["other"])
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::TearsTable]),
];
