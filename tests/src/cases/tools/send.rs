//! SendToPod.

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::{same, same_json};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, event};

/// A turn begins.
pub(crate) fn turn_start() -> Step {
    Step::line(event("turn_start", json!({ "turn": 0 })))
}

/// A pod that takes every message.
pub(crate) fn obliging() -> Script {
    Script::new().on("run", [turn_start()])
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/send-once", "a message reaches the pod once, as it is, as one `run`", |t| {
        let pod = t.pod("worker", obliging())?;
        let message = "line\n{\"method\":\"shutdown\"}\n\"quoted\" \\ \u{0}\u{1b}";
        t.send("worker", message)?.says("sent message to `worker`")?.without_content()?;
        let received = pod.received();
        let lines: Vec<Value> =
            received.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
        let run = json!({ "method": "run", "params": { "input": message } });
        same_json("what the pod received", &lines.into(), &json!([run]))?;
        same("connections to the pod", pod.connections(), 1)
    })
    .catches(&[Flaw::CallsTwice, Flaw::WrongWording]),
    Case::new("tools/send-already-running", "a pod that is executing a turn is not sent a second one", |t| {
        let error = json!({ "code": "already_running", "message": "Pod is already executing a turn" });
        let pod = t.pod("worker", Script::new().on("run", [Step::line(event("error", error))]))?;
        pod.set_status("running")?;
        t.send("worker", "hello")?
            .fails("execution-failed", "already-running")?
            .with_message("pod `worker` is already running a turn; wait for it to finish and retry")?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-unknown-pod", "a pod without a record is not there", |t| {
        t.send("nobody", "hello")?
            .fails("invalid-argument", "unknown-pod")?
            .with_message("no spawned pod named `nobody`")?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/send-invalid-input", "what SendToPod does not take is refused, and says so", |t| {
        let pod = t.pod("worker", obliging())?;
        let inputs = [
            json!(null),
            json!({}),
            json!([]),
            json!(["worker", "hello"]),
            json!("worker"),
            json!({ "name": "worker" }),
            json!({ "name": "worker", "message": 7 }),
        ];
        for input in inputs {
            t.call("SendToPod", input)?
                .fails("invalid-argument", None)?
                .naming("invalid SendToPod input: ")?;
        }
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::AnyInput]),
    Case::new(
        "tools/send-past-notifications",
        "what a pod had buffered comes first, and is not the answer",
        |t| {
            let note = json!({ "level": "warn", "source": "pod", "message": "old", "timestamp_ms": 1 });
            let greeting = (0..50).map(|_| Step::line(event("notification", note.clone())));
            let _pod = t.pod("worker", obliging().greeting(greeting))?;
            t.send("worker", "hello")?.says("sent message to `worker`")?;
            Ok(())
        },
    ),
];
