//! ReadPodOutput.

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::script::{Script, Step, assistant, history, user};

/// A pod with this history.
pub(crate) fn with_history(items: &[Value]) -> Script {
    Script::new().on("get_history", [Step::line(history(items))])
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/read-new-text", "new assistant text is given, with its lines counted", |t| {
        let items = [user("hi"), assistant("first\nsecond"), user("more"), assistant("third")];
        let pod = t.pod("worker", with_history(&items))?;
        t.read("worker")?
            .says("pod `worker`: 4 new line(s) of assistant text; now idle")?
            .with_content("first\nsecond\n\nthird")?
            .with_data("/state", "idle")?;
        same("connections to the pod", pod.connections(), 1)
    })
    .catches(&[Flaw::CutsText, Flaw::CallsTwice]),
    Case::new("tools/read-only-what-is-new", "the second read gives what came after the first", |t| {
        let first = [assistant("one")];
        let second = [assistant("one"), assistant("two")];
        let script = with_history(&first).on("get_history", [Step::line(history(&second))]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("one")?;
        t.read("worker")?.with_content("two")?;
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?.without_content()?;
        Ok(())
    })
    .catches(&[Flaw::LosesCursors, Flaw::CallsTwice]),
    Case::new("tools/read-rewritten", "a history that was rewritten is given from its start", |t| {
        let compacted = [assistant("summary"), assistant("three")];
        let script = with_history(&[assistant("one"), assistant("two")])
            .on("get_history", [Step::line(history(&compacted))]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("one\n\ntwo")?;
        t.read("worker")?
            .says("pod `worker`: 3 new line(s) of assistant text; now idle; history was rewritten, given from its start")?
            .with_content("summary\n\nthree")?;
        Ok(())
    }),
    Case::new("tools/read-stopped", "a pod that takes no connection is stopped", |t| {
        t.dead_pod("worker")?;
        t.read("worker")?.says("pod `worker` is stopped (unreachable)")?.without_content()?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-unknown-state", "where no state is told, the summary says `running`", |t| {
        let pod = t.pod("worker", with_history(&[assistant("one")]))?;
        pod.set_status("dancing")?;
        t.read("worker")?.says("pod `worker`: 1 new line(s) of assistant text")?;
        t.read("worker")?.says("pod `worker` running; no new assistant text")?;
        Ok(())
    }),
    Case::new("tools/read-unknown-items", "items of kinds that nobody knows are passed over, alone", |t| {
        let part = json!([{ "type": "hologram" }]);
        let items = [
            assistant("one"),
            json!({ "type": "hologram", "data": [1, { "a": null }] }),
            json!({ "type": "message", "role": "assistant", "content": part }),
            json!(7),
            assistant("two"),
        ];
        let _pod = t.pod("worker", with_history(&items))?;
        t.read("worker")?.with_content("one\n\ntwo")?.with_data("/new_items", 5)?;
        Ok(())
    }),
];
