//! StopPod.

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, event};

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/stop", "a pod that confirms is stopped, and its record forgotten", |t| {
        let pod = t.pod("worker", Script::new().stopping())?;
        let _other = t.pod("other", Script::new())?;
        t.stop("worker")?
            .says("stopped pod `worker`; reclaimed scope: write:/work/worker")?
            .without_content()?;
        same("methods", pod.methods(), ["shutdown"])?;
        same("the registry", t.place().recorded()?, ["other"])
    })
    .catches(&[Flaw::KeepsRecords, Flaw::WrongWording, Flaw::CallsTwice]),
    Case::new("tools/stop-releases-scope", "the scope of a stopped pod goes back to its parent", |t| {
        let _pod = t.pod("worker", Script::new().stopping())?;
        let own = i64::from(std::process::id());
        let mut child = t.place().native_allocation("child", own);
        child["delegated_from"] = json!("worker");
        let mut worker = t.place().stale_allocation("worker");
        worker["delegated_from"] = json!("spawner");
        t.place().write_table(&[t.place().native_allocation("spawner", own), worker, child])?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("the scope table", t.place().allocated()?, ["spawner", "child"])?;
        let table: Value = serde_json::from_str(&std::fs::read_to_string(t.place().scope_lock())?)?;
        same_json(
            "whom the child is delegated from",
            &table["allocations"][1]["delegated_from"],
            &json!("spawner"),
        )
    })
    .needs(&[Need::ScopeLock])
    .catches(&[Flaw::KeepsScope, Flaw::TearsTable]),
    Case::new("tools/stop-dead", "a pod that is gone already is stopped", |t| {
        t.dead_pod("worker")?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("the registry", t.place().recorded()?, Vec::<String>::new())
    }),
    Case::new(
        "tools/stop-unconfirmed",
        "a pod that ends without a word is stopped, and the answer says so",
        |t| {
            let _pod = t.pod("worker", Script::new().on("shutdown", [Step::StopListening, Step::Close]))?;
            t.stop("worker")?
                .says("stopped pod `worker`; reclaimed scope: write:/work/worker; the pod did not confirm")?
                .with_data("/confirmed", false)?;
            Ok(())
        },
    ),
    Case::new("tools/stop-lives-on", "a pod that lives on keeps its record and its scope", |t| {
        t.option("--op-timeout", "300ms");
        let shutdown = Step::line(event("shutdown", Value::Null));
        let _pod = t.pod("worker", Script::new().on("shutdown", [shutdown]))?;
        let table = [t.place().native_allocation("worker", std::process::id().into())];
        t.place().write_table(&table)?;
        t.stop("worker")?
            .fails("execution-failed", "still-running")?
            .with_message("stop `worker`: still running after 0.3 s; nothing was released")?;
        same("the scope table", t.place().allocated()?, ["worker"])?;
        same("the registry", t.place().recorded()?, ["worker"])
    })
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::BelievesInStops]),
];
