//! A registry that is large, in one record or in many: every call works, and so does every call after it.

use serde_json::{Value, json};

use crate::case::Case;
use crate::cases::tools::names::obliging;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "state/large-record",
        "a record of hundreds of kilobytes is a record, however often it is looked up",
        |t| {
            let rule = |n: usize| json!({ "target": format!("/work/{n:0>60}"), "permission": "read", "recursive": true });
            let mut record = t.place().native_record("worker");
            record["scope_delegated"] = (0..1600).map(rule).collect();
            t.place().record(record)?;
            let pod = t.pod_at(&t.place().socket("worker"), "worker", obliging("text"))?;
            t.read("worker")?.with_content("text")?;
            for _ in 0..50 {
                t.send("worker", "hello")?.says("sent message to `worker`")?;
            }
            same("messages to the pod", pod.methods().len(), 51)?;
            t.stop("worker")?.naming("stopped pod `worker`; reclaimed scope: read:/work/000")?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording, Flaw::CallsTwice]),
    Case::new(
        "state/many-records",
        "of 20,000 records the last is found, listed and forgotten like the first",
        |t| {
            let mut records: Vec<Value> =
                (0..20_000).map(|n| t.place().native_record(&format!("other-{n}"))).collect();
            records.push(t.place().native_record("worker"));
            t.place().write_registry(&serde_json::to_string_pretty(&records)?)?;
            let _pod = t.pod_at(&t.place().socket("worker"), "worker", obliging("text"))?;
            t.grant("list,send,read,stop:worker");
            t.list()?.says("1 pod(s) known")?.with_content("worker [alive] scope=write:/work/worker")?;
            t.send("worker", "hello")?.says("sent message to `worker`")?;
            t.read("worker")?.with_content("text")?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("records that are left", t.place().recorded()?.len(), 20_000)
        },
    )
    .needs(&[Need::Grants])
    .catches(&[Flaw::IgnoresGrants, Flaw::KeepsRecords]),
];
