//! How the bytes come: drop by drop, with the line breaks of others, cut off, or with a reset.

use serde_json::{Value, json};

use super::answering;
use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event, history};

/// A line a byte at a time.
fn dripping(value: Value, line_end: &str) -> Step {
    Step::Pieces(format!("{value}{line_end}").into_bytes(), 1)
}

fn turn_start() -> Value {
    event("turn_start", json!({ "turn": 0 }))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("faults/drip-fed", "a history that comes a byte at a time is read", |t| {
        let _pod =
            t.pod("worker", answering([dripping(history(&[assistant("drop by drop: ä€🦀")]), "\n")]))?;
        t.read("worker")?.with_content("drop by drop: ä€🦀")?;
        Ok(())
    }),
    Case::new("faults/drip-fed-events", "each event may come a byte at a time", |t| {
        let note = event("notification", json!({ "level": "warn", "message": "…" }));
        let script =
            Script::new().greeting([dripping(note, "\n")]).on("run", [dripping(turn_start(), "\r\n")]).on(
                "shutdown",
                [Step::StopListening, dripping(event("shutdown", Value::Null), "\n"), Step::Close],
            );
        let pod = t.pod("worker", script)?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        same("methods", pod.methods(), ["run", "shutdown"])
    }),
    Case::new("faults/line-breaks", "CRLF ends a line as well, and blank lines are none", |t| {
        let script = Script::new()
            .greeting([Step::text("\n\r\n \t\n")])
            .on("run", [Step::text(format!("\r\n{}\r\n\r\n", turn_start()))])
            .on("get_history", [Step::text(format!("\n\n{}\r\n\n", history(&[assistant("text")])))]);
        let _pod = t.pod("worker", script)?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new("faults/last-line-unended", "a last line without a line break is a line", |t| {
        let shutdown = event("shutdown", Value::Null).to_string();
        let script = answering([Step::text(history(&[assistant("text")]).to_string()), Step::Close])
            .on("run", [Step::text(turn_start().to_string()), Step::Close])
            .on("shutdown", [Step::StopListening, Step::text(shutdown), Step::Close]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("text")?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.stop("worker")?.with_data("/confirmed", true)?;
        Ok(())
    }),
    Case::new(
        "faults/half-a-line",
        "a pod that ends within its answer has not answered; its text is not lost",
        |t| {
            let whole = history(&[assistant("text")]).to_string();
            let script = answering([Step::text(&whole[..whole.len() / 2]), Step::Close])
                .on("get_history", [Step::text(whole + "\r\n\n")])
                .on("run", [Step::text("{\"event\":\"turn_st"), Step::Close]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.fails("execution-failed", "closed")?;
            t.send("worker", "hello")?.fails("execution-failed", "closed")?;
            t.read("worker")?.with_content("text")?;
            Ok(())
        },
    )
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/end-before-answer", "a pod that closes without an answer is no stopped pod", |t| {
        let script = answering([Step::Close]).on("run", [Step::Close]);
        let _pod = t.pod("worker", script)?;
        let _hasty = t.pod("hasty", Script::new().greeting([Step::Close]))?;
        t.read("worker")?.fails("execution-failed", "closed")?.naming("read `worker`: ")?;
        t.send("worker", "hello")?.fails("execution-failed", "closed")?.naming("send to `worker`: ")?;
        t.read("hasty")?.fails("execution-failed", "closed")?;
        Ok(())
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/reset", "a connection that is reset is no stopped pod, and loses no text", |t| {
        let _pod = t.pod("worker", Script::new().greeting([Step::Reset]))?;
        t.read("worker")?.fails("execution-failed", "closed")?;
        t.send("worker", "hello")?.fails("execution-failed", "closed")?;
        let whole = history(&[assistant("text")]).to_string();
        let half = Step::text(&whole[..whole.len() / 2]);
        let _pod = t.pod("other", Script::new().greeting([half, Step::Reset]))?;
        t.read("other")?.fails("execution-failed", "closed")?;
        same("the registry", t.place().recorded()?, ["worker", "other"])
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new(
        "faults/reset-by-stopping-pod",
        "a pod that resets the connection and is gone is stopped",
        |t| {
            let _pod = t.pod("worker", Script::new().greeting([Step::StopListening, Step::Reset]))?;
            t.stop("worker")?
                .says("stopped pod `worker`; reclaimed scope: write:/work/worker; the pod did not confirm")?;
            same("the registry", t.place().recorded()?, Vec::<String>::new())
        },
    )
    .catches(&[Flaw::KeepsRecords]),
    Case::new("faults/flood", "a line that never ends is not waited for", |t| {
        let flood = [Step::text("{\"event\":\""), Step::Repeat(vec![b'x'; 4096])];
        let _pod = t.pod("worker", Script::new().greeting(flood))?;
        t.option("--max-line", "200000");
        t.read("worker")?.fails("limit", None)?.naming("--max-line")?;
        t.send("worker", "hello")?.fails("limit", None)?.naming("--max-line")?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        Ok(())
    })
    .needs(&[Need::MaxLine]),
    Case::new("faults/flood-while-stopping", "a pod that floods and lives on keeps its record", |t| {
        let _pod = t.pod("worker", Script::new().greeting([Step::Repeat(vec![b'x'; 4096])]))?;
        t.option("--max-line", "200000").option("--op-timeout", "500ms");
        t.stop("worker")?.fails("limit", None)?.naming("stop `worker`: ")?.naming("--max-line")?;
        same("the registry", t.place().recorded()?, ["worker"])
    })
    .needs(&[Need::MaxLine, Need::OpTimeout]),
];
