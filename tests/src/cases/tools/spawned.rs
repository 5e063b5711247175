//! StopPod with `descendants`: what a pod has spawned, by its own word, as far as nothing says otherwise.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::case::Case;
use crate::failure::{Failure, Verdict, same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::pod::FakePod;
use crate::script::{Script, Step};
use crate::trial::Trial;

/// Writes the list of what a pod has spawned, beside its socket.
fn spawned(t: &Trial, pod: &str, records: &[Value]) -> Verdict {
    let file = t.place().base().join(pod).join("spawned_pods.json");
    Ok(std::fs::write(file, json!(records).to_string())?)
}

/// What was written for it.
fn spawned_by(t: &Trial, pod: &str) -> Result<Value, Failure> {
    let file = t.place().base().join(pod).join("spawned_pods.json");
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}

/// A pod that the spawner knows nothing of.
fn unrecorded(t: &Trial, name: &str, script: Script) -> Result<FakePod, Failure> {
    Ok(FakePod::start_at(t.place(), &t.place().socket(name), name, script)?)
}

/// An allocation that `parent` has delegated, whose process is gone.
fn delegated(t: &Trial, name: &str, parent: &str) -> Value {
    let mut allocation = t.place().stale_allocation(name);
    allocation["delegated_from"] = json!(parent);
    allocation
}

fn stop_all(t: &mut Trial, name: &str) -> Result<Answer, Failure> {
    t.call("StopPod", json!({ "name": name, "descendants": true }))
}

/// An error that does not tell of a pod.
fn unnamed(answer: Answer, pod: &str) -> Verdict {
    let is_named = matches!(answer, Answer::Err(error) if error.message.contains(pod));
    same("whether the pod is named", is_named, false)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/stop-descendants", "what a pod has spawned is stopped before it, the deepest first", |t| {
        let worker = t.pod("worker", Script::new().stopping())?;
        let child = unrecorded(t, "child", Script::new().stopping())?;
        let grandchild = unrecorded(t, "grandchild", Script::new().stopping())?;
        let record = |name| t.place().native_record(name);
        spawned(t, "worker", &[record("child")])?;
        spawned(t, "child", &[record("grandchild")])?;
        t.place().write_table(&[
            t.place().stale_allocation("worker"),
            delegated(t, "child", "worker"),
            delegated(t, "grandchild", "child"),
        ])?;
        let stopped = stop_all(t, "worker")?;
        stopped
            .says("stopped pod `worker`; reclaimed scope: write:/work/worker; and before it `grandchild`, `child`")?
            .with_data("/descendants/0/pod", "grandchild")?
            .with_data("/descendants/0/confirmed", true)?
            .with_data("/descendants/0/scope/0/target", "/work/grandchild")?
            .with_data("/descendants/1/pod", "child")?;
        for pod in [&worker, &child, &grandchild] {
            same("methods", pod.methods(), ["shutdown"])?;
        }
        same("the scope table", t.place().allocated()?, Vec::<String>::new())?;
        same("the registry", t.place().recorded()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope, Flaw::KeepsRecords, Flaw::WrongWording]),
    Case::new(
        "tools/stop-descendants-foreign",
        "a pod that somebody else has spawned is not stopped, whoever claims it under whatever name",
        |t| {
            let worker = t.pod("worker", Script::new().stopping())?;
            let foreign = unrecorded(t, "foreign", Script::new().stopping())?;
            let top = unrecorded(t, "top", Script::new().stopping())?;
            let record = |name, of: &str| {
                let mut record = t.place().native_record(name);
                record["socket_path"] = json!(t.place().socket(of));
                record
            };
            t.place().write_table(&[
                t.place().stale_allocation("worker"),
                delegated(t, "foreign", "somebody"),
                t.place().stale_allocation("top"),
            ])?;
            for claimed in [
                record("foreign", "foreign"),
                record("child", "foreign"),
                record("child", "foreign/../foreign"),
                record("foreign", "nowhere"),
                record("top", "top"),
                record("child", "worker"),
            ] {
                spawned(t, "worker", &[claimed])?;
                stop_all(t, "worker")?
                    .fails("denied", "not-granted")?
                    .naming("stop `worker`: it spawned 1 more pod(s)")?;
            }
            for pod in [&worker, &foreign, &top] {
                same("connections", pod.connections(), 0)?;
            }
            same("the scope table", t.place().allocated()?, ["worker", "foreign", "top"])?;
            // It can still be stopped by itself.
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("connections", foreign.connections() + top.connections(), 0)
        },
    )
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::BelievesInSpawns]),
    Case::new(
        "tools/stop-descendants-cycle",
        "pods that claim to have spawned each other are stopped once, and it ends",
        |t| {
            let worker = t.pod("worker", Script::new().stopping())?;
            let child = unrecorded(t, "child", Script::new().stopping())?;
            let record = |name| t.place().native_record(name);
            spawned(t, "worker", &[record("child")])?;
            spawned(t, "child", &[record("worker")])?;
            stop_all(t, "worker")?.says(
                "stopped pod `worker`; reclaimed scope: write:/work/worker; and before it `child`",
            )?;
            same("methods of the worker", worker.methods(), ["shutdown"])?;
            same("methods of the child", child.methods(), ["shutdown"])
        },
    ),
    Case::new("tools/stop-descendants-deep", "pods below pods without an end are an error, and none is stopped", |t| {
        let _worker = t.pod("pod-0", Script::new().stopping())?;
        let pods = (1..20)
            .map(|n| unrecorded(t, &format!("pod-{n}"), Script::new().stopping()))
            .collect::<Result<Vec<_>, _>>()?;
        for n in 0..19 {
            spawned(t, &format!("pod-{n}"), &[t.place().native_record(&format!("pod-{}", n + 1))])?;
        }
        stop_all(t, "pod-0")?.fails("limit", None)?.naming("deeper than")?;
        for pod in &pods {
            same("connections", pod.connections(), 0)?;
        }
        same("the registry", t.place().recorded()?, ["pod-0"])
    }),
    Case::new("tools/stop-descendants-hundred", "a hundred children are stopped before their parent", |t| {
        let worker = t.pod("worker", Script::new().stopping())?;
        let names: Vec<_> = (0..100).map(|n| format!("child-{n}")).collect();
        let children = names
            .iter()
            .map(|name| unrecorded(t, name, Script::new().stopping()))
            .collect::<Result<Vec<_>, _>>()?;
        let records: Vec<_> = names.iter().map(|name| t.place().native_record(name)).collect();
        spawned(t, "worker", &records)?;
        let mut table: Vec<_> = names.iter().map(|name| delegated(t, name, "worker")).collect();
        table.push(t.place().stale_allocation("worker"));
        t.place().write_table(&table)?;
        stop_all(t, "worker")?.naming("stopped pod `worker`")?.with_data("/descendants/99/pod", "child-99")?;
        for pod in children.iter().chain([&worker]) {
            same("methods", pod.methods(), ["shutdown"])?;
        }
        same("the scope table", t.place().allocated()?, Vec::<String>::new())
    })
    .needs(&[Need::ScopeLock, Need::LongCalls])
    .catches(&[Flaw::KeepsScope]),
    Case::new(
        "tools/stop-descendants-one-stays",
        "a descendant that cannot be stopped leaves those above it running, and what was stopped is told",
        |t| {
            t.option("--op-timeout", "300ms");
            let worker = t.pod("worker", Script::new().stopping())?;
            let _fine = unrecorded(t, "fine", Script::new().stopping())?;
            let child = unrecorded(t, "child", Script::new().stopping())?;
            let _stuck = unrecorded(t, "stuck", Script::new().on("shutdown", [Step::Hang]))?;
            let record = |name| t.place().native_record(name);
            spawned(t, "worker", &[record("child"), record("fine")])?;
            spawned(t, "child", &[record("stuck")])?;
            let records = spawned_by(t, "child")?;
            stop_all(t, "worker")?.fails("execution-failed", "still-running")?.with_message(
                "stop `worker`: `child`, which it spawned, is not stopped: `stuck`, which it spawned, is not stopped: \
                 still running after 0.3 s; nothing was released; stopped before that: `fine`",
            )?;
            same("connections to the worker", worker.connections(), 0)?;
            same("connections to the child", child.connections(), 0)?;
            same_json("what the child has spawned", &spawned_by(t, "child")?, &records)?;
            same("the registry", t.place().recorded()?, ["worker"])
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::BelievesInStops, Flaw::WaitsForEver, Flaw::WrongKinds]),
    Case::new(
        "tools/stop-descendants-damaged",
        "where what a pod has spawned cannot be read, it is not stopped",
        |t| {
            let worker = t.pod("worker", Script::new().stopping())?;
            for damaged in ["[", "{}", "null", "\u{0}"] {
                std::fs::write(t.place().base().join("worker/spawned_pods.json"), damaged)?;
                stop_all(t, "worker")?.fails("execution-failed", "registry-damaged")?;
            }
            same("connections", worker.connections(), 0)?;
            std::fs::write(t.place().base().join("worker/spawned_pods.json"), "\n")?;
            stop_all(t, "worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "tools/stop-descendants-denied",
        "what a pod has spawned is told only as far as `stop` is granted for it",
        |t| {
            let worker = t.pod("worker", Script::new().stopping())?;
            let child = unrecorded(t, "child", Script::new().stopping())?;
            spawned(t, "worker", &[t.place().native_record("child")])?;
            t.grant("list,read,send:*");
            unnamed(stop_all(t, "worker")?.fails("denied", "not-granted")?, "child")?;
            t.restart()?;
            t.grant("stop:worker");
            let refused = stop_all(t, "worker")?.fails("denied", "not-granted")?;
            unnamed(refused.naming("it spawned 1 more pod(s) that no `stop` grant covers")?, "child")?;
            same("connections", worker.connections() + child.connections(), 0)
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants]),
];
