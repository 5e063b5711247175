//! The list of pods: read anew at each call, changed with care, kept where it cannot be understood.

use std::process::Command;

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{holds, same, same_json};
use crate::flaw::Flaw;
use crate::script::{Script, Step, event};

fn turn_start() -> Step {
    Step::line(event("turn_start", json!({ "turn": 0 })))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("state/registry-is-read-anew", "a pod that was spawned since the last call is there", |t| {
        t.list()?.says("no spawned pods")?;
        t.dead_pod("late")?;
        t.list()?.says("1 pod(s) known")?;
        // A new file under the old name, as native spawners write it.
        let new = t.place().runtime_dir().join("new");
        std::fs::write(&new, "[]")?;
        std::fs::rename(new, t.place().registry())?;
        t.list()?.says("no spawned pods")?;
        Ok(())
    }),
    Case::new("state/bad-record", "a record that cannot be read takes no other with it, and is kept", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        t.dead_pod("other")?;
        t.place().record(json!({ "pod_name": 7, "note": "not ours" }))?;
        t.list()?.says("2 pod(s) known; 1 record could not be read")?;
        t.stop("worker")?.output()?;
        let records: Value = serde_json::from_str(&std::fs::read_to_string(t.place().registry())?)?;
        same_json("the bad record", &records[1], &json!({ "pod_name": 7, "note": "not ours" }))
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
            same_json("the registry", &records, &json!([other]))
        },
    )
    .catches(&[Flaw::DropsUnknown, Flaw::KeepsRecords]),
    Case::new(
        "state/callback-of-any-kind",
        "a record may lack the callback address, or hold anything in its place",
        |t| {
            for (name, callback) in [("none", None), ("null", Some(Value::Null)), ("number", Some(json!(7)))]
            {
                let mut record = t.place().native_record(name);
                record["of another generation"] = json!({ "pod_name": [1] });
                match callback {
                    Some(callback) => record["callback_address"] = callback,
                    None => drop(record.as_object_mut().and_then(|record| record.remove("callback_address"))),
                }
                t.place().record(record)?;
            }
            t.list()?.says("3 pod(s) known")?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new("state/damaged-registry", "a registry that is none is named, and left as it is", |t| {
        t.place().write_registry("[{\"pod_name\":")?;
        t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
        t.read("worker")?.fails("execution-failed", "registry-damaged")?;
        same("the registry", std::fs::read_to_string(t.place().registry())?, "[{\"pod_name\":")
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("state/missing-registry", "a registry that does not exist is one without pods", |t| {
        std::fs::remove_file(t.place().registry())?;
        t.list()?.says("no spawned pods")?.without_content()?;
        t.read("worker")?.fails("invalid-argument", "unknown-pod")?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording, Flaw::WrongKinds]),
    Case::new("state/garbled-registry", "whatever is no list of records is named, and left as it is", |t| {
        let texts: [&[u8]; 8] = [
            b"",
            b"garbage",
            b"{}",
            b"null",
            b"[] and more",
            b"[\xff]",
            b"[{\"pod_name\":\"worker\"},",
            b"\xef\xbb\xbf[]",
        ];
        for text in texts {
            std::fs::write(t.place().registry(), text)?;
            t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
            t.stop("worker")?.fails("execution-failed", "registry-damaged")?;
            same("the registry", std::fs::read(t.place().registry())?, text)?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("state/registry-of-another-kind", "a directory or a FIFO in its place waits for nobody", |t| {
        let path = t.place().registry();
        std::fs::remove_file(&path)?;
        std::fs::create_dir(&path)?;
        t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
        std::fs::remove_dir(&path)?;
        let made = Command::new("mkfifo").arg(&path).status()?;
        holds(made.success(), "a FIFO to be made", made)?;
        t.list()?.fails("execution-failed", "registry-damaged")?.naming("spawned_pods.json")?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("state/bad-records", "records of every bad kind are counted, and kept as they are", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        let bad = [
            json!(null),
            json!(7),
            json!("worker"),
            json!([]),
            json!({}),
            json!({ "pod_name": "half" }),
            json!({ "pod_name": "odd", "socket_path": 7, "scope_delegated": [], "callback_address": "/x" }),
            json!({
                "pod_name": "bad",
                "socket_path": t.place().socket("worker"),
                "scope_delegated": [{ "target": "/", "permission": "execute", "recursive": true }],
                "callback_address": "/x",
            }),
        ];
        for record in &bad {
            t.place().record(record.clone())?;
        }
        t.list()?.says("1 pod(s) known; 8 records could not be read")?.with_data("/unreadable", 8)?;
        for name in ["half", "odd", "bad"] {
            t.read(name)?.fails("invalid-argument", "unknown-pod")?;
        }
        t.stop("worker")?.output()?;
        let records: Value = serde_json::from_str(&std::fs::read_to_string(t.place().registry())?)?;
        same_json("the registry", &records, &json!(bad))
    })
    .catches(&[Flaw::DropsUnknown, Flaw::WrongWording]),
    Case::new(
        "state/repeated-names",
        "of records of one name the first counts; the other one is not lost",
        |t| {
            let first = t.pod("worker", Script::new().on("run", [turn_start()]).stopping())?;
            let mut record = t.place().native_record("worker");
            let elsewhere = t.place().socket("elsewhere");
            record["socket_path"] = json!(elsewhere);
            t.place().record(record.clone())?;
            let second = t.pod_at(&elsewhere, "worker", Script::new().on("run", [turn_start()]))?;
            let lines = "worker [alive] scope=write:/work/worker\nworker [alive] scope=write:/work/worker";
            t.list()?.says("2 pod(s) known")?.with_content(lines)?;
            t.send("worker", "hello")?.output()?;
            same("methods of the first", first.methods(), ["run"])?;
            t.stop("worker")?.output()?;
            let records: Value = serde_json::from_str(&std::fs::read_to_string(t.place().registry())?)?;
            same_json("the registry", &records, &json!([record]))?;
            t.send("worker", "hello")?.output()?;
            same("methods of the second", second.methods(), ["run"])
        },
    )
    .catches(&[Flaw::KeepsRecords, Flaw::CutsText]),
    Case::new("state/names-of-all-sorts", "names may be empty, or hold spaces, slashes and quotes", |t| {
        for name in ["", " ", "a/b", "../up", "quo\"te", "ünïcödé 🦀"] {
            let socket = t.place().socket("pod");
            let mut record = t.place().native_record(name);
            record["socket_path"] = json!(socket);
            t.place().record(record)?;
            let _pod = t.pod_at(&socket, "pod", Script::new().on("run", [turn_start()]).stopping())?;
            t.send(name, "hello")?.says(&format!("sent message to `{name}`"))?;
            t.stop(name)?.says(&format!("stopped pod `{name}`; reclaimed scope: write:/work/{name}"))?;
            let left = t.place().recorded()?.contains(&name.to_owned());
            holds(!left, "the record to be forgotten", name)?;
        }
        Ok(())
    })
    .catches(&[Flaw::KeepsRecords, Flaw::WrongWording]),
];
