//! Waiting: `wait_seconds` of ReadPodOutput, WaitForPods, and `when_busy` of SendToPod.

use std::thread;

use serde_json::{Value, json};

use super::send::turn_start;
use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::pod::FakePod;
use crate::script::{Script, Step, assistant, event, history, user};

/// A pod that is in a run, which ends when the gate `end` is opened: its history has the text from then on.
fn at_work() -> Script {
    Script::new()
        .greeting([
            Step::Wait("end".into()),
            Step::Status("idle".into()),
            Step::line(event("run_end", json!({ "result": "finished" }))),
        ])
        .on("get_history", [Step::line(history(&[user("go"), assistant("done")]))])
}

/// Opens a gate of the pod once every one of these has been connected to, while `call` goes on.
fn opening<T>(gate: &str, of: &FakePod, connected: &[&FakePod], call: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        scope.spawn(|| {
            connected.iter().for_each(|pod| pod.await_connections(1));
            of.open_gate(gate);
        });
        call()
    })
}

fn waiting(name: &str, seconds: u32) -> Value {
    json!({ "name": name, "wait_seconds": seconds })
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/wait-until-ended",
        "a wait is over when the pod's run has ended, and the text is there",
        |t| {
            let pod = t.pod("worker", at_work())?;
            pod.set_status("running")?;
            opening("end", &pod, &[&pod], || {
                t.call("ReadPodOutput", waiting("worker", 20))?
                    .says("pod `worker`: 1 new line(s) of assistant text; now idle; no run goes on")?
                    .with_content("done")?
                    .with_data("/waited", "ended")
            })?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "tools/wait-no-longer",
        "a wait that may take minutes is over when the run has ended, of one pod and of several",
        |t| {
            t.option("--call-timeout", "600s");
            let pod = t.pod("worker", at_work())?;
            pod.set_status("running")?;
            opening("end", &pod, &[&pod], || {
                t.call("ReadPodOutput", waiting("worker", 500))?.with_data("/waited", "ended")
            })?;
            let other = t.pod("other", at_work())?;
            other.set_status("running")?;
            opening("end", &other, &[&other], || {
                let input = json!({ "names": ["other", "worker"], "for": "all", "wait_seconds": 500 });
                t.call("WaitForPods", input)?.says("2 of 2 pod(s) done")
            })?;
            Ok(())
        },
    )
    .needs(&[Need::CallTimeout])
    .catches(&[Flaw::AnswersLate]),
    Case::new("tools/wait-idle", "a pod that is idle is not waited for", |t| {
        let pod = t.pod("worker", Script::new().on("get_history", [Step::line(history(&[]))]))?;
        pod.set_status("idle")?;
        t.call("ReadPodOutput", waiting("worker", 20))?
            .says("pod `worker` idle; no new assistant text; no run goes on")?
            .with_data("/waited", "ended")?;
        Ok(())
    }),
    Case::new("tools/wait-time-up", "a wait ends with its time, and says that the run goes on", |t| {
        let pod = t.pod("worker", Script::new().on("get_history", [Step::line(history(&[]))]))?;
        pod.set_status("running")?;
        t.call("ReadPodOutput", waiting("worker", 1))?
            .says("pod `worker` running; no new assistant text; its run still goes on after the wait")?
            .with_data("/waited", "time-up")?;
        Ok(())
    })
    .catches(&[Flaw::AnswersEarly, Flaw::WrongWording]),
    Case::new("tools/wait-asked", "a wait is over when a person is asked", |t| {
        let pod = t.pod(
            "worker",
            Script::new()
                .greeting([
                    Step::Wait("ask".into()),
                    Step::Status("paused".into()),
                    Step::line(event("run_end", json!({ "result": "paused" }))),
                ])
                .on("get_history", [Step::line(history(&[]))]),
        )?;
        pod.set_status("running")?;
        opening("ask", &pod, &[&pod], || {
            t.call("ReadPodOutput", waiting("worker", 20))?.with_data("/waited", "asked")
        })?;
        Ok(())
    }),
    Case::new("tools/wait-stopped", "a wait is over when the pod stops", |t| {
        let ends = [
            Step::Wait("end".into()),
            Step::StopListening,
            Step::line(event("shutdown", Value::Null)),
            Step::Close,
        ];
        let pod = t.pod("worker", Script::new().greeting(ends))?;
        pod.set_status("running")?;
        opening("end", &pod, &[&pod], || {
            t.call("ReadPodOutput", waiting("worker", 20))?
                .says("pod `worker` is stopped (unreachable)")?
                .with_data("/waited", "stopped")
        })?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/wait-too-long", "a wait that no call can take is refused, and nothing is asked", |t| {
        let pod = t.pod("worker", at_work())?;
        for seconds in [json!(3600), json!(-1), json!("soon")] {
            let input = json!({ "name": "worker", "wait_seconds": seconds });
            t.call("ReadPodOutput", input)?.fails("invalid-argument", None)?;
        }
        let thousand: Vec<String> = (0..1000).map(|number| format!("pod-{number}")).collect();
        for names in [json!([]), json!(thousand)] {
            t.call("WaitForPods", json!({ "names": names }))?.fails("invalid-argument", None)?;
        }
        t.call("WaitForPods", json!({ "names": ["worker", "nobody"] }))?
            .fails("invalid-argument", "unknown-pod")?;
        same("connections to the pod", pod.connections(), 0)
    }),
    Case::new(
        "tools/wait-for-any",
        "of several pods the one whose run ends is told from those that go on",
        |t| {
            let other = t.pod("other", Script::new())?;
            let pod = t.pod("worker", at_work())?;
            other.set_status("running")?;
            pod.set_status("running")?;
            opening("end", &pod, &[&other, &pod], || {
                t.call("WaitForPods", json!({ "names": ["other", "worker"], "wait_seconds": 20 }))?
                    .says("1 of 2 pod(s) done")?
                    .with_content("other [running]\nworker [run ended]")?
                    .with_data("/outcome", "done")?
                    .with_data("/pods/0/outcome", "running")?
                    .with_data("/pods/1/outcome", "ended")
            })?;
            t.call("WaitForPods", json!({ "names": ["other", "worker"], "for": "all", "wait_seconds": 1 }))?
                .says("1 of 2 pod(s) done; the time is up")?
                .with_data("/outcome", "time-up")?;
            Ok(())
        },
    )
    .catches(&[Flaw::AnswersEarly, Flaw::WaitsForAnother, Flaw::WrongWording]),
    Case::new("tools/wait-to-send", "a message waits for a busy pod, and reaches it once", |t| {
        let error = json!({ "code": "already_running", "message": "Pod is already executing a turn" });
        let pod = t.pod(
            "worker",
            Script::new()
                .on(
                    "run",
                    [
                        Step::line(event("error", error)),
                        Step::Wait("end".into()),
                        Step::Status("idle".into()),
                        Step::line(event("run_end", json!({ "result": "finished" }))),
                    ],
                )
                .on("run", [turn_start()]),
        )?;
        pod.set_status("running")?;
        thread::scope(|scope| {
            scope.spawn(|| {
                pod.await_lines(1);
                pod.open_gate("end");
            });
            let input = json!({ "name": "worker", "message": "hello", "when_busy": "wait" });
            t.call("SendToPod", input)?.says("sent message to `worker`")
        })?;
        same("methods", pod.methods().len(), 2)
    }),
];
