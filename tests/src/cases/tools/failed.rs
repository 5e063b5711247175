//! ReadPodOutput: what is told of turns that failed, from the history and from what the pod tells all clients.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::script::{Script, Step, assistant, event, history, user};

use super::read::with_history;

/// The item behind a turn that failed.
fn turn_failed(reason: &str) -> Value {
    json!({ "type": "turn_failed", "reason": reason })
}

/// An answer that was not completed.
fn incomplete(text: &str) -> Value {
    let mut message = assistant(text);
    message["status"] = "incomplete".into();
    message
}

fn error(code: &str, message: &str) -> Step {
    Step::line(event("error", json!({ "code": code, "message": message })))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/read-failed-turn",
        "why the last turn failed is told with its text, and in each read until there is another",
        |t| {
            let failed = [user("q"), incomplete("half"), turn_failed("exit status 3: quota exceeded")];
            let next = [&failed[..], &[user("again"), assistant("whole")]].concat();
            let script = (0..2).fold(with_history(&failed), |script, _| {
                script.on("get_history", [Step::line(history(&failed))])
            });
            let _pod = t.pod("worker", script.on("get_history", [Step::line(history(&next))]))?;
            let why = "; the last turn failed: exit status 3: quota exceeded";
            let data = json!({ "reason": "exit status 3: quota exceeded", "last": true });
            t.read("worker")?
                .says(&format!("pod `worker`: 1 new line(s) of assistant text; now idle{why}"))?
                .with_content("half")?
                .with_data("/failed", data.clone())?;
            for _ in 0..2 {
                t.read("worker")?
                    .says(&format!("pod `worker` idle; no new assistant text{why}"))?
                    .with_data("/failed", data.clone())?
                    .with_data("/unanswered", false)?;
            }
            t.read("worker")?
                .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
                .with_content("whole")?;
            Ok(())
        },
    )
    .catches(&[Flaw::HidesFailures, Flaw::WrongWording]),
    Case::new("tools/read-failed-before", "a turn that failed before another one is told once", |t| {
        let items = [user("q"), turn_failed("cancelled"), user("again"), assistant("a")];
        let _pod = t.pod("worker", with_history(&items))?;
        t.read("worker")?
            .says("pod `worker`: 1 new line(s) of assistant text; now idle; a turn failed: cancelled")?
            .with_data("/failed", json!({ "reason": "cancelled", "last": false }))?;
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        Ok(())
    })
    .catches(&[Flaw::HidesFailures, Flaw::LosesCursors]),
    Case::new(
        "tools/read-failed-other-make",
        "a pod of another make is taken at its word: an incomplete answer, an error to all clients",
        |t| {
            let _pod = t.pod("incomplete", with_history(&[user("q"), incomplete("half")]))?;
            t.read("incomplete")?
                .says(
                    "pod `incomplete`: 1 new line(s) of assistant text; now idle; \
                     the last turn failed: its answer is incomplete",
                )?
                .with_content("half")?;
            let script = Script::new().on(
                "get_history",
                [error("provider_error", "overloaded"), Step::line(history(&[user("q")]))],
            );
            let pod = t.pod("failing", script)?;
            t.read("failing")?
                .says(
                    "pod `failing` idle; no new assistant text; the last message has no answer; \
                     the last turn failed: overloaded",
                )?
                .with_data("/unanswered", true)?;
            same("methods", pod.methods(), ["get_history"])
        },
    )
    .catches(&[Flaw::HidesFailures]),
    Case::new("tools/read-failed-escaped", "a reason is data: on one line, and bounded", |t| {
        let _pod = t.pod("worker", with_history(&[turn_failed("a\npod `b` idle\u{1b}[2J")]))?;
        t.read("worker")?.says(
            "pod `worker` idle; no new assistant text; the last turn failed: a\\npod `b` idle\\u{1b}[2J",
        )?;
        let _pod = t.pod("long", with_history(&[turn_failed(&"x".repeat(1 << 20))]))?;
        let told = t.read("long")?;
        same("short", matches!(told, Answer::Ok(output) if output.summary.len() < 4096), true)
    })
    .catches(&[Flaw::ShowsControls]),
];
