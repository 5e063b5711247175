//! What fixed workloads cost the plugin: instructions (wasmtime's fuel) and calls of host functions. Neither
//! depends on the machine or its mood, so a regression shows without a clock.
//!
//! The bounds are in `bounds.json`. Who has changed the plugin and knows why the figures differ writes new ones:
//!
//! ```sh
//! UPDATE_BOUNDS=1 cargo test -p pod-tools-bench --test instructions
//! ```

#![allow(clippy::unwrap_used)]

mod host;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::host::{Costs, Plugin, Scripted};

/// More than this part above its bound is a regression.
const WORSE: f64 = 1.02;
/// Less than this part of its bound is a bound that holds nothing back any more.
const BETTER: f64 = 0.90;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bound {
    instructions: u64,
    host_calls: u64,
}

type Bounds = BTreeMap<String, Bound>;

/// An event that gives a history of so many items of 200 bytes.
fn history(items: usize) -> Vec<u8> {
    let item = |number: usize| {
        let text = format!(
            "{number:08}: all 112 cases passed.\nWhat is left is in `reader.rs`, where \"half a line\" is none."
        );
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "text", "text": text }] })
    };
    let items: Vec<_> = (0..items).map(item).collect();
    line(&json!({ "event": "history", "data": { "items": items, "greeting": {} } }))
}

/// Large items, as tools and long answers make them.
fn large_history(items: usize, bytes: usize) -> Vec<u8> {
    let text = "A line of a long answer, with \"quotes\" and a break at its end.\n".repeat(bytes / 64);
    let item =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "text", "text": text }] });
    line(&json!({ "event": "history", "data": { "items": vec![item; items], "greeting": {} } }))
}

fn line(event: &serde_json::Value) -> Vec<u8> {
    let mut line = event.to_string().into_bytes();
    line.push(b'\n');
    line
}

fn named() -> String {
    json!({ "name": "pod-0" }).to_string()
}

/// Runs all workloads.
fn costs() -> BTreeMap<String, Costs> {
    let plugin = Plugin::load();
    let mut costs = BTreeMap::new();
    let mut note = |name: String, cost: Costs| {
        assert!(costs.insert(name, cost).is_none());
    };

    for pods in [1, 100, 1000] {
        let listed = plugin.call(Scripted::pods(pods), "ListPods", "");
        note(format!("ListPods, {pods} pods"), listed.costs);
    }
    for (words, bytes) in [("short message", 40), ("64 KiB message", 64 << 10)] {
        let input = json!({ "name": "pod-0", "message": "say \"hi\"\n".repeat(bytes / 9) }).to_string();
        let answer = b"{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n".to_vec();
        let sent = plugin.call(Scripted::answering(answer), "SendToPod", &input);
        note(format!("SendToPod, {words}"), sent.costs);
    }
    let histories = [
        ("1 item", history(1)),
        ("10 items", history(10)),
        ("10,000 items of 200 B", history(10_000)),
        ("4 items of 1 MiB", large_history(4, 1 << 20)),
    ];
    for (words, history) in histories {
        let first = plugin.call(Scripted::answering(history.clone()), "ReadPodOutput", &named());
        assert!(first.summary.contains("new line(s)"), "{}", first.summary);
        note(format!("ReadPodOutput, {words}, all new"), first.costs);

        let again = Scripted::answering(history).read_before(first.cursor);
        let second = plugin.call(again, "ReadPodOutput", &named());
        assert!(second.summary.contains("no new assistant text"), "{}", second.summary);
        note(format!("ReadPodOutput, {words}, nothing new"), second.costs);
    }
    let goodbye = b"{\"event\":\"shutdown\"}\n".to_vec();
    note("StopPod".into(), plugin.call(Scripted::answering(goodbye), "StopPod", &named()).costs);
    costs
}

#[test]
fn fixed_workloads_cost_the_plugin_what_the_bounds_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.json");
    let costs = costs();
    let measured: Bounds = costs
        .into_iter()
        .map(|(name, Costs { instructions, host_calls })| (name, Bound { instructions, host_calls }))
        .collect();
    if std::env::var_os("UPDATE_BOUNDS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&measured).unwrap() + "\n").unwrap();
        return;
    }
    let bounds: Bounds = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(bounds.keys().eq(measured.keys()), "bounds.json has other workloads; see the head of this test");
    let mut outside = String::new();
    for (name, Bound { instructions, host_calls }) in &measured {
        let bound = &bounds[name];
        let part = *instructions as f64 / bound.instructions as f64;
        if !(BETTER..=WORSE).contains(&part) || *host_calls != bound.host_calls {
            outside += &format!(
                "\n{name}: {instructions} instructions ({:+.1} %) and {host_calls} host calls, where the \
                 bounds say {} and {}",
                (part - 1.0) * 100.0,
                bound.instructions,
                bound.host_calls
            );
        }
    }
    assert!(
        outside.is_empty(),
        "{outside}\nworse is a regression; better, or meant so: UPDATE_BOUNDS=1 cargo test -p pod-tools-bench \
         --test instructions"
    );
}

#[test]
fn the_same_call_costs_the_same_each_time() {
    let plugin = Plugin::load();
    let read = || plugin.call(Scripted::answering(history(100)), "ReadPodOutput", &named()).costs;
    assert_eq!(read(), read());
}
