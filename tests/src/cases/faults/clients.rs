//! Events of other clients: everyone sees everyone's turns and errors, and what a pod had buffered.

use serde_json::{Value, json};

use super::answering;
use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::script::{Script, Step, assistant, event, history};

fn turn_start() -> Value {
    event("turn_start", json!({ "turn": 0 }))
}

fn error(code: &str, message: &str) -> Value {
    event("error", json!({ "code": code, "message": message }))
}

fn already_running() -> Value {
    error("already_running", "Pod is already executing a turn")
}

/// All of them at once: nothing comes between.
fn at_once(events: &[Value]) -> Step {
    Step::text(events.iter().map(|event| format!("{event}\n")).collect::<String>())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "faults/turn-of-another-client",
        "a busy pod's `turn_start` may be another client's: the refusal behind it wins",
        |t| {
            let script = Script::new().on("run", [at_once(&[turn_start(), already_running()])]);
            let pod = t.pod("worker", script)?;
            for state in ["running", "pondering"] {
                pod.set_status(state)?;
                t.send("worker", "hello")?.fails("execution-failed", "already-running")?.with_message(
                    "pod `worker` is already running a turn; wait for it to finish and retry",
                )?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "faults/refusal-of-another-client",
        "an idle pod's first `turn_start` is ours: the refusal behind it is another client's",
        |t| {
            let _pod =
                t.pod("worker", Script::new().on("run", [at_once(&[turn_start(), already_running()])]))?;
            t.send("worker", "hello")?.says("sent message to `worker`")?;
            Ok(())
        },
    ),
    Case::new("faults/turn-that-goes-on", "a running pod that takes the message has taken it", |t| {
        let delta = event("text_delta", json!({ "text": "and so on" }));
        let pod =
            t.pod("worker", Script::new().on("run", [at_once(&[turn_start(), delta.clone(), delta])]))?;
        pod.set_status("running")?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        same("methods", pod.methods(), ["run"])
    })
    .catches(&[Flaw::CallsTwice]),
    Case::new("faults/errors-of-others", "errors that answer other clients are passed over", |t| {
        let errors = [
            error("provider_error", "the model is overloaded"),
            error("not_paused", "Pod is not paused"),
            error("internal", "Cancelled"),
        ];
        let mut sent = errors.to_vec();
        sent.push(turn_start());
        let mut read = errors.to_vec();
        read.extend([already_running(), history(&[assistant("text")])]);
        let _pod = t.pod("worker", answering([at_once(&read)]).on("run", [at_once(&sent)]))?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new("faults/turns-of-others", "what a busy pod tells its other clients is not the answer", |t| {
        let chatter = |n: usize| {
            [
                event("text_delta", json!({ "text": format!("{n}: {{\"event\":\"history\"}}\n") })),
                event("tool_call_done", json!({ "id": "1", "name": "shutdown", "arguments": "{}" })),
                event("usage", json!({ "input_tokens": null, "output_tokens": null })),
                event("run_end", json!({ "result": "finished" })),
            ]
        };
        let mut events: Vec<Value> = (0..1000).flat_map(chatter).collect();
        events.push(history(&[assistant("text")]));
        let _pod = t.pod("worker", answering([at_once(&events)]))?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new(
        "faults/stopped-while-asked",
        "a pod that shuts down instead of answering has not answered",
        |t| {
            let script = Script::new().on("*", [Step::line(event("shutdown", Value::Null)), Step::Close]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.fails("execution-failed", "closed")?;
            t.send("worker", "hello")?.fails("execution-failed", "closed")?;
            Ok(())
        },
    )
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new(
        "faults/stopped-while-running",
        "a pod that cancels its turn to shut down has confirmed",
        |t| {
            let events = at_once(&[error("internal", "Cancelled"), event("shutdown", Value::Null)]);
            let pod =
                t.pod("worker", Script::new().on("shutdown", [Step::StopListening, events, Step::Close]))?;
            pod.set_status("running")?;
            t.stop("worker")?
                .says("stopped pod `worker`; reclaimed scope: write:/work/worker")?
                .with_data("/confirmed", true)?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "faults/stop-past-notifications",
        "a pod that replays what it had buffered before it reads is asked to stop all the same",
        |t| {
            let note =
                json!({ "level": "warn", "source": "pod", "message": "m".repeat(2048), "timestamp_ms": 1 });
            let greeting = (0..512).map(|_| Step::line(event("notification", note.clone())));
            let pod = t.pod("worker", Script::new().greeting(greeting).stopping())?;
            t.stop("worker")?
                .says("stopped pod `worker`; reclaimed scope: write:/work/worker")?
                .with_data("/confirmed", true)?;
            same("methods", pod.methods(), ["shutdown"])
        },
    )
    .catches(&[Flaw::HangsUp, Flaw::WrongWording]),
];
