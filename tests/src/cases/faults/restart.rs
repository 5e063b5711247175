//! Pods that are another one at the next call, process ids that are, and clocks that go wrong.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::{Failure, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, assistant};

/// A process that lives until this is dropped.
struct Process(Child);

impl Process {
    fn start() -> Result<Self, Failure> {
        Ok(Self(Command::new("sleep").arg("100000").stdin(Stdio::null()).spawn()?))
    }

    fn id(&self) -> i64 {
        self.0.id().into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "faults/another-pod-of-that-name",
        "a pod that was replaced between two calls is read from its start, and the answer says so",
        |t| {
            let socket = t.place().socket("worker");
            let pod = t.pod("worker", with_history(&[assistant("one"), assistant("two")]))?;
            t.read("worker")?.with_content("one\n\ntwo")?;
            drop(pod);
            let longer = [assistant("1"), assistant("2"), assistant("3")];
            let pod = t.pod_at(&socket, "worker", with_history(&longer))?;
            t.read("worker")?
                .says("pod `worker`: 5 new line(s) of assistant text; now idle; history was rewritten, given from its start")?
                .with_content("1\n\n2\n\n3")?
                .with_data("/rewritten", true)?;
            drop(pod);
            let as_long = [assistant("1"), assistant("2"), assistant("4")];
            let _pod = t.pod_at(&socket, "worker", with_history(&as_long))?;
            t.read("worker")?.with_content("1\n\n2\n\n4")?.with_data("/rewritten", true)?;
            Ok(())
        },
    ),
    Case::new("faults/gone-and-back", "a pod that was away for a while is read on where it was left", |t| {
        let socket = t.place().socket("worker");
        let pod = t.pod("worker", with_history(&[assistant("one")]))?;
        t.read("worker")?.with_content("one")?;
        drop(pod);
        t.read("worker")?.says("pod `worker` is stopped (unreachable)")?.without_content()?;
        t.send("worker", "hello")?.fails("execution-failed", "unreachable")?;
        t.list()?.with_content("worker [stopped] scope=write:/work/worker")?;
        let _pod = t.pod_at(&socket, "worker", with_history(&[assistant("one"), assistant("two")]))?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        t.read("worker")?.with_content("two")?;
        Ok(())
    })
    .catches(&[Flaw::LosesCursors, Flaw::WrongKinds]),
    Case::new(
        "faults/process-id-reused",
        "a pod whose process may live keeps name and scope though nobody answers; when the process ends, they go",
        |t| {
            t.dead_pod("worker")?;
            let process = Process::start()?;
            t.place().write_table(&[t.place().native_allocation("worker", process.id())])?;
            t.list()?.with_content("worker [stopped] scope=write:/work/worker")?;
            same("the scope table", t.place().allocated()?, ["worker"])?;
            t.option("--op-timeout", "300ms").restart()?;
            t.stop("worker")?
                .fails("execution-failed", "still-running")?
                .naming("stop `worker`: ")?
                .naming(&process.id().to_string())?;
            same("the scope table", t.place().allocated()?, ["worker"])?;
            same("the registry", t.place().recorded()?, ["worker"])?;
            drop(process);
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock, Need::OpTimeout])
    .catches(&[Flaw::KeepsScope, Flaw::BelievesInStops]),
    Case::new(
        "faults/process-ends-late",
        "the end of a pod's process is waited for, which comes behind the end of its connections",
        |t| {
            let pod = t.pod("worker", Script::new().stopping())?;
            let process = Process::start()?;
            t.place().write_table(&[t.place().native_allocation("worker", process.id())])?;
            t.host()?.ask(json!({ "tool": "StopPod", "input": { "name": "worker" } }).to_string());
            pod.await_lines(1);
            // Nothing tells that a host waits; one that does not has answered by then.
            std::thread::sleep(Duration::from_millis(500));
            // It waits without the table's lock: that is free most of the time.
            let table = File::open(t.place().scope_lock())?;
            let is_free = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                flock(&table, FlockOperation::NonBlockingLockExclusive).is_ok()
            });
            same("whether the table's lock is free meanwhile", is_free, true)?;
            drop(table);
            drop(process);
            t.host()?.answer()?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the scope table", t.place().allocated()?, Vec::<String>::new())
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope]),
    Case::new(
        "faults/name-reused",
        "a living pod of the same name at another socket does not lose its scope to a dead one's record",
        |t| {
            t.dead_pod("worker")?;
            let elsewhere = t.place().socket("elsewhere");
            let _other = t.pod_at(&elsewhere, "worker", Script::new())?;
            let mut allocation = t.place().native_allocation("worker", std::process::id().into());
            allocation["socket"] = elsewhere.to_string_lossy().into_owned().into();
            t.place().write_table(&[allocation])?;
            t.stop("worker")?.fails("execution-failed", "still-running")?;
            same("the scope table", t.place().allocated()?, ["worker"])
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::BelievesInStops, Flaw::WrongKinds]),
    Case::new("faults/clock-astray", "files from the future and from 1970 are as good as any", |t| {
        let more = [assistant("one"), assistant("two")];
        let script = with_history(&[assistant("one")]).stopping();
        let script = script.on("get_history", [crate::Step::line(crate::history(&more))]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("one")?;
        t.restart()?;
        let future = SystemTime::now() + Duration::from_secs(20 * 365 * 24 * 3600);
        for (directory, time) in
            [(t.place().runtime_dir(), future), (t.place().base().join("worker"), SystemTime::UNIX_EPOCH)]
        {
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    File::options().append(true).open(entry.path())?.set_modified(time)?;
                }
            }
        }
        t.read("worker")?
            .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
            .with_content("two")?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
];
