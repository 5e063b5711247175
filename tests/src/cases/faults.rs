//! Pods that answer late, wrongly, in pieces, or not at all; and pods of other generations.

use serde_json::json;

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::flaw::Flaw;
use crate::script::{Script, Step, assistant, event, history};

fn answering(steps: impl IntoIterator<Item = Step>) -> Script {
    Script::new().on("get_history", steps)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("faults/drip-fed", "a history that comes a byte at a time is read", |t| {
        let line = format!("{}\n", history(&[assistant("drop by drop: ä€🦀")]));
        let _pod = t.pod("worker", answering([Step::Pieces(line.into_bytes(), 1)]))?;
        t.read("worker")?.with_content("drop by drop: ä€🦀")?;
        Ok(())
    }),
    Case::new("faults/last-line-unended", "a last line without a line break is a line", |t| {
        let _pod =
            t.pod("worker", answering([Step::text(history(&[assistant("text")]).to_string()), Step::Close]))?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new(
        "faults/half-a-line",
        "a pod that ends within its answer has not answered; its text is not lost",
        |t| {
            let whole = history(&[assistant("text")]).to_string();
            let script = answering([Step::text(&whole[..whole.len() / 2]), Step::Close])
                .on("get_history", [Step::text(whole + "\r\n\n")]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.fails("execution-failed", "closed")?;
            t.read("worker")?.with_content("text")?;
            Ok(())
        },
    )
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/not-json", "a pod that does not speak JSON is no stopped pod", |t| {
        let _pod = t.pod("worker", answering([Step::text("HTTP/1.1 400 Bad Request\r\n\r\n")]))?;
        t.read("worker")?.fails("execution-failed", "protocol")?;
        Ok(())
    })
    .catches(&[Flaw::HidesFaults]),
    Case::new("faults/invalid-method", "a pod that does not know a method says so, and is quoted", |t| {
        let error = event("error", json!({ "code": "internal", "message": "invalid method: get_history" }));
        let _pod = t.pod("worker", answering([Step::line(error)]))?;
        t.read("worker")?.fails("execution-failed", "pod-error")?.naming("invalid method: get_history")?;
        Ok(())
    }),
    Case::new(
        "faults/unknown-events",
        "events that nobody knows are passed over, whatever their size",
        |t| {
            let large = event("hologram", json!({ "pixels": "x".repeat(1 << 20), "of": [{}, [null]] }));
            let script = with_history(&[assistant("text")]).greeting([Step::line(large)]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.with_content("text")?;
            Ok(())
        },
    ),
];
