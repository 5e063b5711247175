//! The lock itself: held by nobody between calls, waited for, and the table changed beneath it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FlockOperation, flock};

use crate::case::Case;
use crate::failure::{Verdict, holds, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;
use crate::trial::Trial;

/// A pod that can be stopped, with an allocation of this process.
fn with_allocation(t: &Trial) -> Result<crate::FakePod, crate::failure::Failure> {
    let pod = t.pod("worker", Script::new().stopping())?;
    t.place().write_table(&[t.place().native_allocation("worker", std::process::id().into())])?;
    Ok(pod)
}

fn lock_is_free(t: &Trial) -> Verdict {
    let file = File::open(t.place().scope_lock())?;
    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    holds(locked.is_ok(), "the scope lock to be free while no call is running", locked)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("lock/free-after-calls", "no lock is held between two calls", |t| {
        let _pod = with_allocation(t)?;
        t.dead_pod("other")?;
        t.list()?.says("2 pod(s) known")?;
        lock_is_free(t)?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        lock_is_free(t)
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::LeaksLock]),
    Case::new("lock/busy", "a lock that is held is waited for, then named; a second try works", |t| {
        let _pod = with_allocation(t)?;
        t.option("--op-timeout", "500ms");
        let held = File::open(t.place().scope_lock())?;
        flock(&held, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
        t.stop("worker")?
            .fails("execution-failed", "lock-busy")?
            .naming("stop `worker`: ")?
            .naming("scope.lock")?;
        same("the registry", t.place().recorded()?, ["worker"])?;
        same("the scope table", t.place().allocated()?, ["worker"])?;
        drop(held);
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::WrongKinds, Flaw::KeepsScope]),
    Case::new(
        "lock/same-file",
        "the table is changed in place: who waits for the lock has the right file",
        |t| {
            let _pod = with_allocation(t)?;
            let before = std::fs::metadata(t.place().scope_lock())?.ino();
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the inode", std::fs::metadata(t.place().scope_lock())?.ino(), before)
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::ReplacesTable]),
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
];
