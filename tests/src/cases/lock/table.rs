//! What the table's file may be: empty, missing, damaged, of another kind, or richer than is known here.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Failure, Verdict, holds, same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;
use crate::trial::Trial;

const STOPPED: &str = "stopped pod `worker`; reclaimed scope: write:/work/worker";

/// StopPod fails because of the table, and the pod's record stays.
fn is_damaged(t: &mut Trial) -> Verdict {
    t.stop("worker")?
        .fails("execution-failed", "lock-damaged")?
        .naming("stop `worker`: ")?
        .naming("scope.lock")?;
    same("the registry", t.place().recorded()?, ["worker"])
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("lock/damaged", "a table that is none is named, and left as it is", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        std::fs::write(t.place().scope_lock(), "{\"allocations\":")?;
        t.stop("worker")?.fails("execution-failed", "lock-damaged")?.naming("scope.lock")?;
        same("the table", std::fs::read_to_string(t.place().scope_lock())?, "{\"allocations\":")?;
        same("the registry", t.place().recorded()?, ["worker"])
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::TearsTable, Flaw::WrongKinds]),
    Case::new(
        "lock/garbled",
        "whatever is no table is named and left as it is, and holds no listing up",
        |t| {
            t.dead_pod("worker")?;
            let texts: [&[u8]; 8] = [
                b"garbage",
                b"[]",
                b"{}",
                b"null",
                b"{\"allocations\":{}}",
                b"{\"allocations\":[]} and more",
                b"\0\0\0\0",
                b"{\"allocations\":[\xff]}",
            ];
            for text in texts {
                std::fs::write(t.place().scope_lock(), text)?;
                is_damaged(t)?;
                let listed = t.list()?.with_content("worker [stopped] scope=write:/work/worker")?.output()?;
                let told = listed.summary.starts_with("1 pod(s) known; ");
                holds(told, "a listing that tells that stale entries were not reclaimed", listed.summary)?;
                same("the table", std::fs::read(t.place().scope_lock())?, text)?;
            }
            Ok(())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongKinds, Flaw::TearsTable]),
    Case::new("lock/empty", "an empty file is an empty table, and needs no change", |t| {
        t.dead_pod("worker")?;
        std::fs::write(t.place().scope_lock(), "")?;
        t.list()?.says("1 pod(s) known")?;
        t.stop("worker")?.says(STOPPED)?;
        same("the names in the table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongWording]),
    Case::new("lock/missing", "a missing file is made, empty and for its owner only", |t| {
        t.dead_pod("worker")?;
        t.stop("worker")?.says(STOPPED)?;
        let made = std::fs::metadata(t.place().scope_lock())?;
        same("the size of the file", made.len(), 0)?;
        same("the mode of the file", format!("{:o}", made.permissions().mode() & 0o777), "600")
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongWording]),
    Case::new("lock/not-in-table", "a pod that the table does not hold can be stopped", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        t.place().write_table(&[t.place().native_allocation("other", std::process::id().into())])?;
        let before = std::fs::read(t.place().scope_lock())?;
        t.stop("worker")?.says(STOPPED)?;
        same("the table", std::fs::read(t.place().scope_lock())?, before)
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::TearsTable]),
    Case::new(
        "lock/of-another-kind",
        "a directory or a FIFO in the table's place is named, and waits for nobody",
        |t| {
            t.dead_pod("worker")?;
            let path = t.place().scope_lock();
            std::fs::create_dir(&path)?;
            is_damaged(t)?;
            t.list()?.with_content("worker [stopped] scope=write:/work/worker")?;
            std::fs::remove_dir(&path)?;
            let made = Command::new("mkfifo").arg(&path).status()?;
            if !made.success() {
                return Err(Failure::new("a FIFO to be made", made.to_string()));
            }
            is_damaged(t)?;
            t.list()?.with_content("worker [stopped] scope=write:/work/worker")?;
            std::fs::remove_file(&path)?;
            t.stop("worker")?.says(STOPPED)?;
            Ok(())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongKinds]),
    Case::new("lock/unknown-fields", "what nobody here knows is kept when the table changes", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        let own = i64::from(std::process::id());
        let mut child = t.place().native_allocation("child", own);
        child["delegated_from"] = json!("worker");
        child["generation"] = json!({ "n": 12345678901234567890_u64, "of": [null, 0.5] });
        child["scope_allow"][0]["note"] = json!("of the rule");
        let unreadable =
            [json!({ "pod_name": 7 }), json!("text"), json!(null), json!({ "pod_name": "worker" })];
        let table =
            |entries: &[Value]| json!({ "version": 7, "allocations": entries, "lease": { "until": 1 } });
        let mut entries = vec![t.place().stale_allocation("worker"), child.clone()];
        entries.extend(unreadable.clone());
        std::fs::write(t.place().scope_lock(), table(&entries).to_string())?;
        t.stop("worker")?.says(STOPPED)?;
        child["delegated_from"] = Value::Null;
        same_json("the table", &t.place().table()?, &table(&[&[child], &unreadable[..]].concat()))
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::DropsUnknown, Flaw::KeepsScope, Flaw::TearsTable]),
    Case::new("lock/format", "the table is written as native processes write it", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        let own = i64::from(std::process::id());
        t.place().write_table(&[
            t.place().stale_allocation("worker"),
            t.place().native_allocation("other", own),
        ])?;
        t.stop("worker")?.says(STOPPED)?;
        let text = std::fs::read_to_string(t.place().scope_lock())?;
        let begins = text.starts_with("{\n  \"allocations\": [\n    {\n      \"");
        holds(begins && text.ends_with("\n  ]\n}"), "two spaces a level, and no line break at the end", text)
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::TearsTable]),
];
