//! Each limit, tripped alone: the error names the limit, its value, and the option that sets it.

use serde_json::json;

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event};

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "limits/op-timeout",
        "a pod that says nothing is waited for as long as one operation may take",
        |t| {
            let _pod = t.pod("worker", Script::new())?;
            t.option("--op-timeout", "300ms");
            t.read("worker")?
                .fails("execution-failed", "socket-timeout")?
                .naming("--op-timeout")?
                .naming("300ms")?;
            Ok(())
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::NoLimits, Flaw::WaitsForEver, Flaw::HidesFaults]),
    Case::new(
        "limits/call-timeout",
        "a pod that never stops talking is listened to as long as a call may take",
        |t| {
            let chatter = event("text_delta", json!({ "text": "and so on" })).to_string() + "\n";
            let _pod =
                t.pod("worker", Script::new().on("get_history", [Step::Repeat(chatter.into_bytes())]))?;
            t.option("--call-timeout", "500ms");
            t.read("worker")?.fails("timeout", None)?.naming("--call-timeout")?.naming("500ms")?;
            Ok(())
        },
    )
    .needs(&[Need::CallTimeout])
    .catches(&[Flaw::WaitsForEver]),
    Case::new("limits/max-line", "a line that is too long is not read to its end", |t| {
        let _pod = t.pod("worker", with_history(&[assistant(&"x".repeat(100_000))]))?;
        t.option("--max-line", "10000");
        t.read("worker")?.fails("limit", None)?.naming("10000")?.naming("--max-line")?;
        Ok(())
    })
    .needs(&[Need::MaxLine])
    .catches(&[Flaw::NoLimits]),
    Case::new(
        "limits/max-output",
        "an answer holds whole items up to the bound, and says what is left",
        |t| {
            let items = ["one", "two", "three"].map(assistant);
            let _pod = t.pod("worker", with_history(&items))?;
            t.option("--max-output", "8");
            t.read("worker")?
                .says("pod `worker`: 3 new line(s) of assistant text; now idle; 1 more item(s) to read")?
                .with_content("one\n\ntwo")?;
            t.read("worker")?
                .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
                .with_content("three")?;
            Ok(())
        },
    )
    .needs(&[Need::MaxOutput])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/host-calls", "a call that needs too many host calls is ended", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("text")]))?;
        t.option("--host-calls", "2");
        t.read("worker")?.fails("limit", None)?.naming("2 host calls")?.naming("--host-calls")?;
        Ok(())
    })
    .needs(&[Need::HostCalls])
    .catches(&[Flaw::NoLimits]),
];
