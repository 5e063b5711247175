//! The lock itself: held by nobody between calls, waited for, and the table changed beneath it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::native::{Holder, registrar};
use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::{Verdict, holds, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event};
use crate::trial::Trial;

/// A pod that can be stopped, with an allocation of a process that is gone.
fn with_allocation(t: &Trial) -> Result<crate::FakePod, crate::failure::Failure> {
    let pod = t.pod("worker", Script::new().stopping())?;
    t.place().write_table(&[t.place().stale_allocation("worker")])?;
    Ok(pod)
}

fn lock_is_free(t: &Trial) -> Verdict {
    let file = File::open(t.place().scope_lock())?;
    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    holds(locked.is_ok(), "the scope lock to be free while no call is running", locked)
}

fn turn_start() -> Step {
    Step::line(event("turn_start", json!({ "turn": 0 })))
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
    .catches(&[Flaw::IgnoresLock, Flaw::WaitsForEver, Flaw::WrongKinds, Flaw::KeepsScope]),
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
    Case::new("lock/holder-dies", "a lock whose holder is killed is free, and the call goes on", |t| {
        let pod = with_allocation(t)?;
        let holder = Holder::start(&t.place().scope_lock())?;
        t.host()?.ask(json!({ "tool": "StopPod", "input": { "name": "worker" } }).to_string());
        pod.await_lines(1);
        holder.kill();
        t.host()?.answer()?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock, Need::Flock])
    .catches(&[Flaw::KeepsScope]),
    Case::new(
        "lock/holder-stays",
        "a lock that another process never lets go is named, each time, and nothing is forgotten",
        |t| {
            let _pod = with_allocation(t)?;
            t.option("--op-timeout", "300ms");
            let holder = Holder::start(&t.place().scope_lock())?;
            for _ in 0..2 {
                t.stop("worker")?
                    .fails("execution-failed", "lock-busy")?
                    .naming("stop `worker`: ")?
                    .naming("scope.lock")?;
                same("the registry", t.place().recorded()?, ["worker"])?;
                same("the scope table", t.place().allocated()?, ["worker"])?;
            }
            holder.kill();
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout, Need::Flock])
    .catches(&[Flaw::IgnoresLock, Flaw::WaitsForEver, Flaw::WrongKinds, Flaw::KeepsScope]),
    Case::new(
        "lock/listed-while-held",
        "ListPods answers although the lock is held, and says what it left undone",
        |t| {
            t.dead_pod("worker")?;
            t.place().write_table(&[t.place().native_allocation("worker", 0)])?;
            let holder = Holder::start(&t.place().scope_lock())?;
            t.list()?
                .says("1 pod(s) known; scope lock busy, stale entries not reclaimed")?
                .with_content("worker [stopped] scope=write:/work/worker")?;
            same("the scope table", t.place().allocated()?, ["worker"])?;
            holder.kill();
            t.list()?.says("1 pod(s) known")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::Flock])
    .catches(&[Flaw::IgnoresLock, Flaw::WrongWording, Flaw::KeepsScope]),
    Case::new("lock/not-needed", "messages and reads have nothing to do with the lock", |t| {
        let script = with_history(&[assistant("text")]).on("run", [turn_start()]);
        let _pod = t.pod("worker", script)?;
        t.place().write_table(&[])?;
        let _holder = Holder::start(&t.place().scope_lock())?;
        t.option("--op-timeout", "20s");
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.read("worker")?.with_content("text")?;
        t.list()?.says("1 pod(s) known")?;
        Ok(())
    })
    .needs(&[Need::ScopeLock, Need::Flock]),
    Case::new(
        "lock/native-contention",
        "hosts and native processes that change the table at the same time lose nothing",
        |t| {
            const PODS: usize = 8;
            let own = std::process::id();
            let mut table = vec![t.place().native_allocation("keeper", own.into())];
            for host in 0..2 {
                for n in 0..PODS {
                    let name = format!("pod-{host}-{n}");
                    t.dead_pod(&name)?;
                    table.push(t.place().stale_allocation(&name));
                }
            }
            t.place().write_table(&table)?;
            let lock = t.place().scope_lock();
            let mut natives = [registrar(&lock, "a", own, 20)?, registrar(&lock, "b", own, 20)?];
            let mut hosts = [t.start()?, t.start()?];
            for n in 0..PODS {
                for (index, host) in hosts.iter_mut().enumerate() {
                    let name = format!("pod-{index}-{n}");
                    host.ask(json!({ "tool": "StopPod", "input": { "name": name } }).to_string());
                }
            }
            for host in &mut hosts {
                for _ in 0..PODS {
                    host.answer()?.output()?;
                }
            }
            for native in &mut natives {
                let ended = native.wait()?;
                holds(ended.success(), "a native process to end in good order", ended)?;
            }
            let mut left = t.place().allocated()?;
            left.sort();
            let added = ["a", "b"].into_iter().flat_map(|name| (1..=20).map(move |n| format!("{name}-{n}")));
            let mut expected: Vec<String> = added.chain(["keeper".to_owned()]).collect();
            expected.sort();
            same("the scope table, sorted", left, expected)?;
            same("the registry", t.place().recorded()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::Flock])
    .catches(&[Flaw::KeepsScope, Flaw::KeepsRecords]),
];
