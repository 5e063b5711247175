//! ListPods.

use serde_json::json;

use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::Script;

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/list-empty", "a spawner without pods is told so, without content", |t| {
        t.list()?.says("no spawned pods")?.without_content()?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/list-alive-and-stopped", "each pod has a line: name, reachability, scope", |t| {
        let _alive = t.pod("one", Script::new())?;
        t.dead_pod("two")?;
        let lines = "one [alive] scope=write:/work/one\ntwo [stopped] scope=write:/work/two";
        t.list()?.says("2 pod(s) known")?.with_content(lines)?;
        Ok(())
    })
    .catches(&[Flaw::CutsText]),
    Case::new("tools/list-scope", "scope rules are shown in order, and none as `(none)`", |t| {
        let mut record = t.place().native_record("one");
        record["scope_delegated"] = json!([
            { "target": "/a", "permission": "read", "recursive": true },
            { "target": "/b", "permission": "write", "recursive": false },
        ]);
        t.place().record(record.clone())?;
        record["pod_name"] = json!("two");
        record["scope_delegated"] = json!([]);
        t.place().record(record)?;
        let lines = "one [stopped] scope=read:/a, write:/b [non-recursive]\ntwo [stopped] scope=(none)";
        t.list()?.with_content(lines)?;
        Ok(())
    }),
    Case::new(
        "tools/list-fence",
        "what a record says of its pod's fence is in the data, what is not understood is not, and no line tells of it",
        |t| {
            let said = [
                json!({ "enforce": "strict" }),
                json!({ "enforce": "best-effort", "missing": ["signals reach out"], "later": 1 }),
                json!({ "enforce": "off", "missing": [] }),
                json!({ "enforce": "very" }),
                json!({ "enforce": "strict", "missing": [7] }),
                json!("strict"),
            ];
            for fence in &said {
                let mut record = t.place().native_record("one");
                record["fence"] = fence.clone();
                t.place().record(record)?;
            }
            t.place().record(t.place().native_record("one"))?;
            let line = "one [stopped] scope=write:/work/one";
            let listed = t
                .list()?
                .with_content(&[line; 7].join("\n"))?
                .with_data("/pods/0/fence", json!({ "held": "whole", "missing": [] }))?
                .with_data("/pods/1/fence", json!({ "held": "part", "missing": ["signals reach out"] }))?
                .with_data("/pods/2/fence", json!({ "held": "off", "missing": [] }))?
                .output()?;
            let of_others: Vec<_> =
                (3..7).filter_map(|pod| listed.data.pointer(&format!("/pods/{pod}/fence"))).collect();
            same("the fences of the others", of_others, Vec::<&serde_json::Value>::new())
        },
    ),
    Case::new("tools/list-ignores-input", "ListPods ignores its input, whatever it is", |t| {
        for input in [json!(null), json!({}), json!([1]), json!({ "name": 7 })] {
            t.call("ListPods", input)?.says("no spawned pods")?;
        }
        Ok(())
    })
    .needs(&[Need::AnyInput]),
    Case::new("tools/list-escapes-names", "a line break in a name forges no line", |t| {
        t.dead_pod("x [alive] scope=(none)\ny")?;
        let line = "x [alive] scope=(none)\\ny [stopped] scope=write:/work/x [alive] scope=(none)\\ny";
        t.list()?.says("1 pod(s) known")?.with_content(line)?;
        Ok(())
    }),
    Case::new("tools/list-sends-nothing", "a pod is asked for no more than a connection", |t| {
        let pod = t.pod("one", Script::new())?;
        t.list()?.says("1 pod(s) known")?;
        same("what the pod received", pod.received(), Vec::<String>::new())
    })
    .catches(&[Flaw::WrongWording]),
];
