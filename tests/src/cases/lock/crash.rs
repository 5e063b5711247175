//! A host that is killed at each system call that touches the state of pods, while it stops one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::case::Case;
use crate::cases::killing::kill_everywhere;
use crate::failure::{Failure, Verdict, holds, same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// The tables before and after `worker` is stopped.
fn tables(t: &Trial) -> (Value, Value) {
    let own = i64::from(std::process::id());
    let entry = |name, from: Option<&str>| {
        let mut entry = match name {
            "worker" => t.place().stale_allocation(name),
            _ => t.place().native_allocation(name, own),
        };
        entry["delegated_from"] = json!(from);
        entry
    };
    let table = |entries: &[Value]| json!({ "allocations": entries });
    (
        table(&[entry("spawner", None), entry("worker", Some("spawner")), entry("child", Some("worker"))]),
        table(&[entry("spawner", None), entry("child", Some("spawner"))]),
    )
}

/// As it was before anything was done: a dead pod's record and allocation, and another one's record.
fn prepare(t: &Trial, old: &Value) -> Verdict {
    let records = [t.place().native_record("worker"), t.place().native_record("other")];
    t.place().write_registry(&json!(records).to_string())?;
    for entry in std::fs::read_dir(t.place().base())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(std::fs::write(t.place().scope_lock(), format!("{old:#}"))?)
}

/// What a killed host left must be the old state or the new one for the next host, which must work. Whether the
/// change of the table had begun.
fn check(t: &mut Trial, old: &Value, new: &Value) -> Result<bool, Failure> {
    let found = t.place().table().ok();
    let is_recorded = t.place().recorded()?.contains(&"worker".to_owned());
    t.list()?.says(if is_recorded { "2 pod(s) known" } else { "1 pod(s) known" })?;
    let table = t.place().table()?;
    holds(table == *old || table == *new, "the old table or the new one", &table)?;
    holds(
        is_recorded || table == *new,
        "a pod to be forgotten only when its scope is released",
        "no record, and the scope",
    )?;
    let again = t.stop("worker")?;
    if is_recorded {
        again.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
    } else {
        again.fails("invalid-argument", "unknown-pod")?;
    }
    same_json("the table in the end", &t.place().table()?, new)?;
    same("the registry in the end", t.place().recorded()?, ["other"])?;
    t.restart()?;
    Ok(found.as_ref() != Some(old))
}

/// The cases.
pub const CASES: &[Case] = &[Case::new(
    "lock/killed-anywhere",
    "a host killed at any system call of StopPod leaves the old table or the new one, and the next host works",
    |t| {
        let (old, new) = tables(t);
        let ask = json!({ "tool": "StopPod", "input": { "name": "worker" } }).to_string();
        let seen = RefCell::new(BTreeSet::new());
        kill_everywhere(
            t,
            &ask,
            |t| prepare(t, &old),
            |t, _| {
                seen.borrow_mut().insert(check(t, &old, &new)?);
                Ok(())
            },
        )?;
        // Else it was not killed where it matters.
        same("both tables to be seen, the old one and the new one", seen.into_inner().len(), 2)
    },
)
.needs(&[Need::ScopeLock, Need::ScopeRecovery, Need::Strace])
.catches(&[Flaw::KeepsScope, Flaw::KeepsRecords, Flaw::TearsTable])];
