//! The list of pods: read anew at each call, changed with care, kept where it cannot be understood.

use serde_json::{Value, json};

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, history};

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "state/cursor-outlives-process",
        "a new process goes on reading where the last one stopped",
        |t| {
            let more = [assistant("one"), assistant("two")];
            let script = with_history(&[assistant("one")]).on("get_history", [Step::line(history(&more))]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.with_content("one")?;
            t.restart()?;
            t.read("worker")?.with_content("two")?;
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
    Case::new("state/stopped-pod-is-read-anew", "a new pod of an old name is read from its start", |t| {
        let script = || with_history(&[assistant("one")]).stopping();
        let pod = t.pod("worker", script())?;
        t.read("worker")?.with_content("one")?;
        t.stop("worker")?.output()?;
        drop(pod);
        t.place().write_registry("[]")?;
        let _pod = t.pod("worker", script())?;
        t.read("worker")?.says("pod `worker`: 1 new line(s) of assistant text; now idle")?;
        Ok(())
    }),
    Case::new("state/registry-is-read-anew", "a pod that was spawned since the last call is there", |t| {
        t.list()?.says("no spawned pods")?;
        t.dead_pod("late")?;
        t.list()?.says("1 pod(s) known")?;
        Ok(())
    }),
    Case::new("state/bad-record", "a record that cannot be read takes no other with it, and is kept", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        t.dead_pod("other")?;
        t.place().record(json!({ "pod_name": 7, "note": "not ours" }))?;
        t.list()?.says("2 pod(s) known; 1 record could not be read")?;
        t.stop("worker")?.output()?;
        let records: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(t.place().registry())?)?;
        same("the registry", &records[1..], &[json!({ "pod_name": 7, "note": "not ours" })][..])
    })
    .catches(&[Flaw::DropsUnknown]),
    Case::new(
        "state/unknown-fields",
        "fields that nobody here knows are kept when the registry changes",
        |t| {
            let _pod = t.pod("worker", Script::new().stopping())?;
            let mut other = t.place().native_record("other");
            other["generation"] = json!({ "n": 12345678901234567890_u64 });
            t.place().record(other.clone())?;
            t.stop("worker")?.output()?;
            let records: Value = serde_json::from_str(&std::fs::read_to_string(t.place().registry())?)?;
            same("the registry", records, json!([other]))
        },
    )
    .catches(&[Flaw::DropsUnknown, Flaw::KeepsRecords]),
    Case::new("state/damaged-registry", "a registry that is none is named, and left as it is", |t| {
        t.place().write_registry("[{\"pod_name\":")?;
        t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
        t.read("worker")?.fails("execution-failed", "registry-damaged")?;
        same("the registry", std::fs::read_to_string(t.place().registry())?, "[{\"pod_name\":")
    })
    .catches(&[Flaw::WrongKinds]),
];
