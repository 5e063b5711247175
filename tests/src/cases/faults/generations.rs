//! Pods of other generations of the protocol: they say more than is known here, or less.

use std::process::Command;

use serde_json::{Value, json};

use super::answering;
use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::{Failure, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event, history};

fn invalid_method(method: &str) -> Step {
    Step::line(event("error", json!({ "code": "internal", "message": format!("invalid method: {method}") })))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "faults/unknown-events",
        "events that nobody knows are passed over, whatever their size",
        |t| {
            let large = event("hologram", json!({ "pixels": "x".repeat(1 << 20), "of": [{}, [null]] }));
            let script = with_history(&[assistant("text")])
                .greeting([Step::line(large), Step::line(json!({ "event": "bare" }))])
                .on(
                    "run",
                    [
                        Step::line(json!({ "event": "hologram", "data": "turn_start" })),
                        Step::line(event("turn_start", json!({ "turn": 0 }))),
                    ],
                )
                .stopping();
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.with_content("text")?;
            t.send("worker", "hello")?.says("sent message to `worker`")?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            Ok(())
        },
    ),
    Case::new("faults/unknown-fields", "fields and values that nobody knows are passed over", |t| {
        let mut message = assistant("text");
        message["mood"] = json!({ "text": "not this", "type": ["message"] });
        message["content"][0]["language"] = json!("en");
        message["status"] = json!("completed");
        message["id"] = json!("m-1");
        let mut answer = history(&[message]);
        answer["version"] = json!(7);
        answer["data"]["more"] = json!({ "items": [assistant("nor this")] });
        let script = answering([
            Step::line(event(
                "error",
                json!({ "code": "quota_exceeded", "message": "try later", "retry": 7 }),
            )),
            Step::line(event("turn_end", json!({ "turn": "first", "result": "exploded" }))),
            Step::line(event("notification", json!(null))),
            Step::line(answer),
        ])
        .on(
            "run",
            [
                Step::line(event("error", json!({ "code": 7, "message": null }))),
                Step::line(
                    json!({ "event": "turn_start", "data": { "turn": -1, "of": "many" }, "at": 12.5 }),
                ),
            ],
        )
        .on(
            "shutdown",
            [
                Step::StopListening,
                Step::line(json!({ "event": "shutdown", "data": { "reason": "asked" } })),
                Step::Close,
            ],
        );
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("text")?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.stop("worker")?.with_data("/confirmed", true)?;
        Ok(())
    }),
    Case::new("faults/unknown-state", "a state that is not told, or in no known words, is `running`", |t| {
        let pod = t.pod("worker", with_history(&[]))?;
        let status = t.place().base().join("worker").join("status.json");
        for text in ["", "{}", "[]", "not JSON", "{\"state\":7}", "{\"state\":\"pondering\"}"] {
            std::fs::write(&status, text)?;
            t.read("worker")?.says("pod `worker` running; no new assistant text")?;
        }
        std::fs::write(&status, r#"{"mood":[1],"state":"paused","session_id":null}"#)?;
        t.read("worker")?
            .says("pod `worker` paused; no new assistant text")?
            .with_data("/state", "paused")?;
        std::fs::remove_file(&status)?;
        t.read("worker")?
            .says("pod `worker` running; no new assistant text")?
            .with_data("/state", "unknown")?;
        drop(pod);
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("faults/state-of-another-kind", "what is no file of state holds nobody up", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("text")]))?;
        let status = t.place().base().join("worker").join("status.json");
        std::fs::remove_file(&status)?;
        let made = Command::new("mkfifo").arg(&status).status()?;
        if !made.success() {
            return Err(Failure::new("a FIFO to be made", made.to_string()));
        }
        t.read("worker")?.says("pod `worker`: 1 new line(s) of assistant text")?;
        std::fs::remove_file(&status)?;
        std::fs::create_dir(&status)?;
        t.read("worker")?.says("pod `worker` running; no new assistant text")?;
        Ok(())
    })
    .catches(&[Flaw::LosesCursors]),
    Case::new("faults/invalid-method", "a pod that does not know a method says so, and is quoted", |t| {
        let script = answering([invalid_method("get_history")]).on("run", [invalid_method("run")]);
        let pod = t.pod("worker", script)?;
        t.read("worker")?.fails("execution-failed", "pod-error")?.naming("invalid method: get_history")?;
        t.send("worker", "hello")?.fails("execution-failed", "pod-error")?.naming("invalid method: run")?;
        same("methods", pod.methods(), ["get_history", "run"])
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds, Flaw::CallsTwice]),
    Case::new(
        "faults/cannot-shut-down",
        "a pod that does not know `shutdown` lives on, and so does its record",
        |t| {
            let _pod = t.pod("worker", Script::new().on("shutdown", [invalid_method("shutdown")]))?;
            t.option("--op-timeout", "300ms");
            t.stop("worker")?.fails("execution-failed", "still-running")?;
            same("the registry", t.place().recorded()?, ["worker"])
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::BelievesInStops, Flaw::WaitsForEver]),
    Case::new(
        "faults/talks-before-it-reads",
        "a pod that has much to say before it reads is sent a large message",
        |t| {
            let large = event("greeting", json!({ "history": "x".repeat(8 << 20) }));
            let script = Script::new()
                .greeting([Step::line(large)])
                .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
                .on("get_history", [Step::line(history(&[assistant("text")]))])
                .stopping();
            let pod = t.pod("worker", script)?;
            let message = "m".repeat(4 << 20);
            t.send("worker", &message)?.says("sent message to `worker`")?;
            let received: Value = serde_json::from_str(&pod.received()[0])?;
            same("the message, as it arrived, is the same", received["params"]["input"] == *message, true)?;
            t.read("worker")?.with_content("text")?;
            t.stop("worker")?.with_data("/confirmed", true)?;
            Ok(())
        },
    )
    .needs(&[Need::LongInput, Need::LongCalls]),
];
