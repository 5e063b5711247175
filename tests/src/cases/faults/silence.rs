//! Pods that say nothing, or nothing more; and pods whose backlog is full.

use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::answering;
use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event, history};
use crate::trial::Trial;

/// A pod that takes no connection any more because nobody accepts those that wait.
fn with_full_backlog(t: &Trial) -> Result<(crate::FakePod, UnixStream), crate::failure::Failure> {
    let pod = t.pod("worker", Script::new().never_accepting(0))?;
    let waiting = UnixStream::connect(t.place().socket("worker"))?;
    Ok((pod, waiting))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "faults/half-a-line-then-silence",
        "a pod that says half of its answer has not answered; its text is not lost",
        |t| {
            let whole = history(&[assistant("text")]);
            let half = whole.to_string()[..60].to_owned();
            let script = answering([Step::text(half), Step::Hang])
                .on("get_history", [Step::line(whole)])
                .on("run", [Step::text("{\"event\":\"turn_st"), Step::Hang]);
            let _pod = t.pod("worker", script)?;
            t.option("--op-timeout", "300ms");
            t.read("worker")?.fails("execution-failed", "socket-timeout")?.naming("read `worker`: ")?;
            t.send("worker", "hello")?.fails("execution-failed", "socket-timeout")?;
            t.read("worker")?.with_content("text")?;
            Ok(())
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new(
        "faults/silence-to-message",
        "a message that the pod does not answer is not reported sent",
        |t| {
            let note = event("notification", json!({ "level": "warn", "message": "still here" }));
            let pod = t.pod("worker", Script::new().on("run", [Step::line(note)]))?;
            t.option("--op-timeout", "300ms");
            t.send("worker", "hello")?
                .fails("execution-failed", "socket-timeout")?
                .naming("send to `worker`: ")?;
            same("methods", pod.methods(), ["run"])
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::WrongKinds, Flaw::CallsTwice]),
    Case::new("faults/silence-to-stop", "a pod that does not answer and lives on is not stopped", |t| {
        let _pod = t.pod("worker", Script::new())?;
        t.option("--op-timeout", "300ms");
        t.stop("worker")?
            .fails("execution-failed", "still-running")?
            .with_message("stop `worker`: still running after 0.3 s; nothing was released")?;
        same("the registry", t.place().recorded()?, ["worker"])
    })
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::BelievesInStops, Flaw::WaitsForEver, Flaw::WrongKinds]),
    Case::new("faults/listed-without-a-word", "a pod that accepts nothing and says nothing is alive", |t| {
        let _accepting_nothing = t.pod("one", Script::new().never_accepting(8))?;
        let _silent = t.pod("two", Script::new())?;
        let lines = "one [alive] scope=write:/work/one\ntwo [alive] scope=write:/work/two";
        t.list()?.says("2 pod(s) known")?.with_content(lines)?;
        Ok(())
    })
    .catches(&[Flaw::CutsText]),
    Case::new("faults/full-backlog-listed", "a pod whose backlog is full is alive", |t| {
        let _full = with_full_backlog(t)?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        Ok(())
    }),
    Case::new(
        "faults/full-backlog",
        "a pod whose backlog stays full is an error to all but the listing, and not a stopped pod",
        |t| {
            let _full = with_full_backlog(t)?;
            t.option("--op-timeout", "300ms");
            t.read("worker")?.fails("execution-failed", "socket-timeout")?;
            t.send("worker", "hello")?.fails("execution-failed", "socket-timeout")?;
            t.stop("worker")?.fails("execution-failed", "still-running")?;
            same("the registry", t.place().recorded()?, ["worker"])
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::HidesFaults, Flaw::WaitsForEver, Flaw::BelievesInStops, Flaw::WrongKinds]),
    Case::new(
        "faults/chatter-while-stopping",
        "a pod that never stops talking has no longer to shut down than any other",
        |t| {
            let chatter = event("text_delta", json!({ "text": "and so on" })).to_string() + "\n";
            let _pod = t.pod("worker", Script::new().greeting([Step::Repeat(chatter.into_bytes())]))?;
            t.option("--op-timeout", "300ms");
            t.stop("worker")?.fails("execution-failed", "still-running")?;
            same("the registry", t.place().recorded()?, ["worker"])
        },
    )
    .needs(&[Need::OpTimeout, Need::LongCalls])
    .catches(&[Flaw::WaitsForEver, Flaw::BelievesInStops]),
    Case::new(
        "faults/stops-late",
        "a pod that takes its time to stop is waited for: the answer comes when it is gone",
        |t| {
            let shutdown = event("shutdown", Value::Null);
            let steps =
                [Step::line(shutdown), Step::Wait("done".to_owned()), Step::StopListening, Step::Close];
            let pod = t.pod("worker", Script::new().on("shutdown", steps))?;
            let ask = json!({ "tool": "StopPod", "input": { "name": "worker" } });
            t.host()?.ask(ask.to_string());
            pod.await_lines(1);
            same("the registry while the pod lives", t.place().recorded()?, ["worker"])?;
            pod.open_gate("done");
            t.host()?.answer()?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            same("the registry", t.place().recorded()?, Vec::<String>::new())
        },
    ),
];
