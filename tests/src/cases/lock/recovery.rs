//! What a killed process left undone to the table, and said so in `scope.lock.next`: a checksum of the rest,
//! the digest of the table as it was, both 32 hexadecimal digits of XXH3 and a line break, and the new table.

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::case::Case;
use crate::failure::{Verdict, holds, same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// The journal of a change.
fn journal(old: &str, new: &str) -> String {
    let digest = |text: &str| format!("{:032x}\n", xxh3_128(text.as_bytes()));
    let body = digest(old) + new;
    digest(&body) + &body
}

/// A table of these names, all of them of living processes, but for the pod `worker`.
fn table(t: &Trial, names: &[&str]) -> String {
    let own = i64::from(std::process::id());
    let entries: Vec<Value> = names
        .iter()
        .map(|name| match *name {
            "worker" => t.place().stale_allocation(name),
            name => t.place().native_allocation(name, own),
        })
        .collect();
    format!("{:#}", json!({ "allocations": entries }))
}

/// Leaves a table and a journal, has a host take the lock, and expects that there is no journal any more.
fn visit(t: &mut Trial, left: &str, journal: &str) -> Verdict {
    std::fs::write(t.place().scope_lock(), left)?;
    std::fs::write(t.place().scope_journal(), journal)?;
    t.list()?.says("1 pod(s) known")?;
    let is_there = t.place().scope_journal().try_exists()?;
    holds(!is_there, "the journal to be removed", "it is there")
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("lock/journal-not-begun", "a change that was not begun is dropped", |t| {
        t.dead_pod("worker")?;
        let (old, new) = (table(t, &["one", "two"]), table(t, &["two"]));
        visit(t, &old, &journal(&old, &new))?;
        same("the table", std::fs::read_to_string(t.place().scope_lock())?, old)
    })
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
    Case::new("lock/journal-complete", "a change that was complete is not made again", |t| {
        t.dead_pod("worker")?;
        let (old, new) = (table(t, &["one", "two"]), table(t, &["two"]));
        visit(t, &new, &journal(&old, &new))?;
        same("the table", std::fs::read_to_string(t.place().scope_lock())?, new)
    })
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
    Case::new("lock/journal-torn-table", "a table that the crash tore, or emptied, is finished", |t| {
        t.dead_pod("worker")?;
        let (old, new) = (table(t, &["one", "two"]), table(t, &["two"]));
        for length in [0, 1, new.len() / 2, new.len() - 1] {
            visit(t, &new[..length], &journal(&old, &new))?;
            same("the table", std::fs::read_to_string(t.place().scope_lock())?, new.clone())?;
        }
        Ok(())
    })
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
    Case::new("lock/journal-torn", "a journal that is not whole is dropped", |t| {
        t.dead_pod("worker")?;
        let (old, new) = (table(t, &["one", "two"]), table(t, &["two"]));
        let whole = journal(&old, &new);
        let forged = whole.replace("\"two\"", "\"six\"");
        for torn in ["", "garbage", &whole[..40], &whole[..whole.len() - 1], &forged] {
            visit(t, &old, torn)?;
            same("the table", std::fs::read_to_string(t.place().scope_lock())?, old.clone())?;
        }
        Ok(())
    })
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
    Case::new(
        "lock/journal-native-since",
        "what a native process has written since stands; the living that it lost are added",
        |t| {
            t.dead_pod("worker")?;
            let mut lost: Value = serde_json::from_str(&table(t, &["two", "native", "three"]))?;
            lost["allocations"][2]["delegated_from"] = json!("two");
            let dead = t.place().native_allocation("dead", 0);
            if let Some(entries) = lost["allocations"].as_array_mut() {
                entries.push(dead);
            }
            let mut native: Value = serde_json::from_str(&table(t, &["native"]))?;
            native["allocations"][0]["note"] = json!("the native one's own");
            visit(t, &native.to_string(), &journal("old", &format!("{lost:#}")))?;
            let entries = [&native["allocations"][0], &lost["allocations"][0], &lost["allocations"][2]]
                .map(Value::clone);
            same_json("the table", &t.place().table()?["allocations"], &json!(entries))
        },
    )
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
    Case::new("lock/journal-before-stop", "a change is finished before the next one is made", |t| {
        t.dead_pod("worker")?;
        let (old, new) = (table(t, &["one", "worker", "two"]), table(t, &["worker", "two"]));
        std::fs::write(t.place().scope_lock(), "")?;
        std::fs::write(t.place().scope_journal(), journal(&old, &new))?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("the scope table", t.place().allocated()?, ["two"])
    })
    .needs(&[Need::ScopeLock, Need::ScopeRecovery])
    .catches(&[Flaw::IgnoresJournal, Flaw::TearsTable]),
];
