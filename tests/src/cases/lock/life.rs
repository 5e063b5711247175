//! Entries whose number leads to no process here, and that live all the same; and entries of which nobody can tell.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;
use crate::trial::Trial;

/// Has the host look for stale entries. `dead` is there to be one, and goes.
pub(in crate::cases) fn reclaim(t: &mut Trial, entry: &Value) -> Verdict {
    t.place().write_table(&[entry.clone(), t.place().stale_allocation("dead")])?;
    t.list()?.with_data("/stale_reclaimed", 1)?;
    Ok(())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "lock/no-process-but-a-socket",
        "a pod whose socket takes connections lives, though its number is no process here: of another pid namespace",
        |t| {
            t.dead_pod("dead")?;
            let _pod = t.pod("worker", Script::new())?;
            let entry = t.place().stale_allocation("worker");
            reclaim(t, &entry)?;
            same("the scope table", t.place().allocated()?, ["worker"])
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::BelievesNumbers]),
    Case::new(
        "lock/no-process-but-a-directory",
        "a pod whose directory is locked lives, though its socket was removed and its number is no process here",
        |t| {
            t.dead_pod("dead")?;
            t.crashed_pod("worker")?;
            std::fs::remove_file(t.place().socket("worker"))?;
            let directory = File::open(t.place().base().join("worker"))?;
            flock(&directory, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
            let entry = t.place().stale_allocation("worker");
            reclaim(t, &entry)?;
            same("the scope table", t.place().allocated()?, ["worker"])?;
            t.option("--op-timeout", "300ms").restart()?;
            t.stop("worker")?.fails("execution-failed", "still-running")?.naming("stop `worker`: ")?;
            same("the registry", t.place().recorded()?, ["dead", "worker"])?;
            drop(directory);
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::BelievesNumbers, Flaw::BelievesInStops]),
    Case::new(
        "lock/holder-of-another-namespace",
        "of a pod of another pid namespace whose lock is not to be found nobody can tell: it keeps everything",
        |t| {
            t.dead_pod("dead")?;
            t.dead_pod("worker")?;
            let mut entry = t.place().stale_allocation("worker");
            entry["holder"] = json!({
                "pid": entry["pid"], "boot_id": boot_id()?, "pid_namespace": 1,
                "lock": { "device": 1, "inode": 1, "byte": 1 },
            });
            reclaim(t, &entry)?;
            same("the scope table", t.place().allocated()?, ["worker"])?;
            t.option("--op-timeout", "300ms").restart()?;
            t.stop("worker")?.fails("execution-failed", "still-running")?.naming("stop `worker`: ")?;
            same("the registry", t.place().recorded()?, ["dead", "worker"])?;
            same("the scope table", t.place().allocated()?, ["worker"])
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::BelievesNumbers, Flaw::BelievesInStops]),
    Case::new(
        "lock/own-entry-unreadable",
        "a pod whose own entry cannot be understood keeps it and its record, and the answer names the file",
        |t| {
            t.dead_pod("worker")?;
            let right = t.place().stale_allocation("worker");
            let mut wrong = vec![right.clone(); 4];
            if let Some(entry) = wrong[0].as_object_mut() {
                entry.remove("pid");
            }
            wrong[1]["pid"] = json!("soon");
            wrong[2]["scope_allow"][0]["permission"] = json!("execute");
            wrong[3]["scope_allow"] = json!({});
            for entry in wrong {
                t.place().write_table(&[entry])?;
                let before = std::fs::read(t.place().scope_lock())?;
                t.stop("worker")?
                    .fails("execution-failed", "lock-damaged")?
                    .naming("stop `worker`: ")?
                    .naming("scope.lock")?;
                same("the scope table", std::fs::read(t.place().scope_lock())?, before)?;
                same("the registry", t.place().recorded()?, ["worker"])?;
            }
            t.place().write_table(&[right])?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            Ok(())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::WrongKinds]),
];

pub(super) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
