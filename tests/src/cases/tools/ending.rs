//! StopPod with pods that end in their own way, or do not end.

use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, event};
use crate::trial::Trial;

use super::broadcast::large_replay;
use super::send::obliging;

fn shutdown() -> Step {
    Step::line(event("shutdown", Value::Null))
}

fn stopped(name: &str) -> String {
    format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}")
}

/// A pod with an allocation.
fn allocated(t: &Trial, name: &str, script: Script) -> Result<crate::FakePod, Failure> {
    let pod = t.pod(name, script)?;
    t.place().write_table(&[t.place().stale_allocation(name)])?;
    Ok(pod)
}

/// What a stop that fails leaves as it was, to the byte.
fn state(t: &Trial) -> Result<[Vec<u8>; 2], Failure> {
    Ok([std::fs::read(t.place().registry())?, std::fs::read(t.place().scope_lock())?])
}

/// A pod that does this is still running when the time of an operation is up; nothing is given away, and
/// the next try, which it heeds, stops it.
fn still_running(t: &mut Trial, variants: Vec<Vec<Step>>) -> Verdict {
    t.option("--op-timeout", "300ms");
    for (n, steps) in variants.into_iter().enumerate() {
        let name = format!("pod-{n}");
        let _pod = allocated(t, &name, Script::new().on("shutdown", steps).stopping())?;
        let before = state(t)?;
        t.stop(&name)?
            .fails("execution-failed", "still-running")?
            .with_message(&format!("stop `{name}`: still running after 0.3 s; nothing was released"))?;
        same("registry and scope table", state(t)? == before, true)?;
        t.without_option("--op-timeout").restart()?;
        t.stop(&name)?.says(&stopped(&name))?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())?;
        t.restart()?;
        t.option("--op-timeout", "300ms");
    }
    Ok(())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/stop-after-replay", "a pod with much to replay learns that it is to stop", |t| {
        let pod = t.pod("worker", Script::new().greeting(large_replay()).stopping())?;
        t.stop("worker")?.says(&stopped("worker"))?.with_data("/confirmed", true)?;
        same("methods", pod.methods(), ["shutdown"])
    })
    .catches(&[Flaw::CallsTwice]),
    Case::new("tools/stop-whatever-it-says", "what a pod says before it shuts down is passed over", |t| {
        let before = [
            Step::line(event("error", json!({ "code": "internal", "message": "Cancelled" }))),
            Step::line(event("greeting", json!({ "banner": "x".repeat(1 << 20) }))),
            Step::text("not JSON\n"),
            Step::Send(b"\xff\xfe\n".to_vec()),
            Step::text("\n\r\n[]\n"),
        ];
        for (n, before) in before.into_iter().enumerate() {
            let name = format!("pod-{n}");
            let last = Step::Pieces(b"{\"event\":\"shutdown\"}".to_vec(), 1);
            let _pod =
                t.pod(&name, Script::new().on("shutdown", [before, Step::StopListening, last, Step::Close]))?;
            t.stop(&name)?.says(&stopped(&name))?.with_data("/confirmed", true)?;
        }
        Ok(())
    }),
    Case::new(
        "tools/stop-without-a-word",
        "a pod that ends amid nonsense is stopped, and did not confirm",
        |t| {
            for (n, last) in
                ["{\"event\":\"shut", "not JSON\n", "{\"event\":\"usage\"}\n"].into_iter().enumerate()
            {
                let name = format!("pod-{n}");
                let steps = [Step::StopListening, Step::text(last), Step::Close];
                let _pod = t.pod(&name, Script::new().on("shutdown", steps))?;
                t.stop(&name)?
                    .says(&format!("{}; the pod did not confirm", stopped(&name)))?
                    .with_data("/confirmed", false)?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "tools/stop-ignored",
        "a pod that does not react is still running, and can be stopped later",
        |t| {
            let unknown =
                event("error", json!({ "code": "internal", "message": "invalid method: shutdown" }));
            still_running(
                t,
                vec![
                    vec![Step::Hang],
                    vec![Step::text("{\"event\":\"shut"), Step::Hang],
                    vec![Step::line(unknown), Step::Hang],
                ],
            )
        },
    )
    .needs(&[Need::OpTimeout, Need::ScopeLock])
    .catches(&[Flaw::BelievesInStops, Flaw::WaitsForEver]),
    Case::new(
        "tools/stop-talking",
        "a pod that goes on talking, whatever it is asked, is still running, and can be stopped later",
        |t| {
            let chatter = event("text_delta", json!({ "text": "and so on" })).to_string() + "\n";
            still_running(t, vec![vec![Step::Repeat(chatter.into_bytes())]])
        },
    )
    .needs(&[Need::OpTimeout, Need::ScopeLock, Need::LongCalls])
    .catches(&[Flaw::BelievesInStops, Flaw::WaitsForEver]),
    Case::new(
        "tools/stop-pretended",
        "a pod that says that it ends and takes new connections is still running",
        |t| {
            still_running(
                t,
                vec![vec![shutdown(), Step::Hang], vec![shutdown(), Step::Close], vec![Step::Close]],
            )
        },
    )
    .needs(&[Need::OpTimeout, Need::ScopeLock])
    .catches(&[Flaw::BelievesInStops]),
    Case::new("tools/stop-backlog-full", "a pod whose backlog stays full is still running", |t| {
        t.option("--op-timeout", "300ms");
        let _pod = allocated(t, "worker", Script::new().never_accepting(0))?;
        let _first = UnixStream::connect(t.place().socket("worker"))?;
        let before = state(t)?;
        t.stop("worker")?.fails("execution-failed", "still-running")?;
        same("registry and scope table", state(t)? == before, true)
    })
    .needs(&[Need::OpTimeout, Need::ScopeLock])
    .catches(&[Flaw::BelievesInStops]),
    Case::new("tools/stop-namesake", "the scope of another living pod of that name is not given away", |t| {
        t.dead_pod("worker")?;
        let elsewhere = t.place().socket("elsewhere");
        let _pod = t.pod_at(&elsewhere, "worker", Script::new())?;
        let mut allocation = t.place().native_allocation("worker", std::process::id().into());
        allocation["socket"] = json!(elsewhere);
        t.place().write_table(&[allocation])?;
        let before = state(t)?;
        t.option("--op-timeout", "300ms");
        t.stop("worker")?.fails("execution-failed", "still-running")?;
        same("registry and scope table", state(t)? == before, true)
    })
    .needs(&[Need::OpTimeout, Need::ScopeLock])
    .catches(&[Flaw::BelievesInStops]),
    Case::new(
        "tools/stop-other-name",
        "a pod's own entry is its own, however its socket's path is spelled",
        |t| {
            let alias = t.place().root().join("alias");
            std::os::unix::fs::symlink(t.place().base(), &alias)?;
            let _pod = t.pod("worker", Script::new().stopping())?;
            // Of another pod it would be refused to ask at a socket there; of this one it is known that it ended, and
            // that its process did not.
            let mut allocation = t.place().native_allocation("worker", std::process::id().into());
            allocation["socket"] = json!(alias.join("worker/sock"));
            t.place().write_table(&[allocation])?;
            let before = state(t)?;
            t.option("--allow-sockets", t.place().base()).option("--op-timeout", "300ms");
            t.stop("worker")?.fails("execution-failed", "still-running")?;
            same("registry and scope table", state(t)? == before, true)
        },
    )
    .needs(&[Need::ScopeLock, Need::SocketPaths, Need::OpTimeout])
    .catches(&[Flaw::BelievesInStops]),
    Case::new("tools/stop-crashed", "a pod that died and left socket and scope behind is stopped", |t| {
        t.crashed_pod("worker")?;
        t.place().write_table(&[t.place().native_allocation("worker", 0)])?;
        t.stop("worker")?.says(&stopped("worker"))?.with_data("/confirmed", false)?;
        same("the scope table", t.place().allocated()?, Vec::<String>::new())?;
        same("the registry", std::fs::read_to_string(t.place().registry())?, "[]")
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope, Flaw::KeepsRecords]),
    Case::new(
        "tools/stop-unallocated",
        "a pod that holds no scope can be stopped, whatever table there is",
        |t| {
            for (n, table) in [None, Some(""), Some("{\"allocations\":[]}")].into_iter().enumerate() {
                let name = format!("pod-{n}");
                let _pod = t.pod(&name, Script::new().stopping())?;
                match table {
                    Some(table) => std::fs::write(t.place().scope_lock(), table)?,
                    None => same("whether there is a scope lock", t.place().scope_lock().exists(), false)?,
                }
                t.stop(&name)?.says(&stopped(&name))?;
                same("the scope table", t.place().allocated()?, Vec::<String>::new())?;
            }
            Ok(())
        },
    ),
    Case::new(
        "tools/stop-scope",
        "the scope that is free again is shown rule by rule, and none as `(none)`",
        |t| {
            let mut record = t.place().native_record("worker");
            record["scope_delegated"] = json!([
                { "target": "/a", "permission": "read", "recursive": true },
                { "target": "/b", "permission": "write", "recursive": false },
            ]);
            t.place().record(record.clone())?;
            t.stop("worker")?
                .says("stopped pod `worker`; reclaimed scope: read:/a, write:/b [non-recursive]")?;
            record["scope_delegated"] = json!([]);
            t.place().write_registry(&json!([record]).to_string())?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: (none)")?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording, Flaw::CallsTwice]),
    Case::new("tools/stop-twice", "a pod that was stopped is not there any more", |t| {
        let _other = t.pod("other", obliging())?;
        let _pod = t.pod("worker", Script::new().stopping())?;
        t.stop("worker")?.output()?;
        for answer in [t.stop("worker")?, t.read("worker")?, t.send("worker", "hello")?] {
            answer.fails("invalid-argument", "unknown-pod")?.with_message("no spawned pod named `worker`")?;
        }
        t.list()?.says("1 pod(s) known")?;
        t.send("other", "hello")?.says("sent message to `other`")?;
        Ok(())
    })
    .catches(&[Flaw::KeepsRecords]),
];
