//! The batch protocol itself: a line in, a line out.

use serde_json::json;

use crate::case::Case;
use crate::failure::Failure;
use crate::flaw::Flaw;

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "tools/batch-bad-line",
        "a line that is not a call gets an error line, and the next one its answer",
        |t| {
            let host = t.host()?;
            let bad: [&[u8]; 6] = [
                b"not JSON",
                b"[]",
                b"{}",
                br#"{"tool":"ListPods","input":{},"input_json":"{}"}"#,
                br#"{"tool":"ListPods","unknown":1}"#,
                b"{\"tool\":\"List\xff\"}",
            ];
            for line in bad {
                host.ask(line);
                host.answer()?.fails("invalid-argument", None)?;
            }
            host.call("ListPods", json!({}))?.says("no spawned pods")?;
            Ok(())
        },
    )
    .catches(&[Flaw::DiesOfBadLines, Flaw::WrongKinds]),
    Case::new("tools/batch-in-order", "calls that are written at once are answered in order", |t| {
        let host = t.host()?;
        for n in 0..50 {
            host.ask(json!({ "tool": "ReadPodOutput", "input": { "name": format!("pod-{n}") } }).to_string());
        }
        (0..50).try_for_each(|n| {
            host.answer()?.with_message(&format!("no spawned pod named `pod-{n}`"))?;
            Ok::<(), Failure>(())
        })
    }),
    Case::new(
        "tools/batch-input-text",
        "input may be a text; empty, `null` and `{}` mean no arguments",
        |t| {
            let host = t.host()?;
            for text in ["", "null", "{}", " "] {
                host.ask(json!({ "tool": "ListPods", "input_json": text }).to_string());
                host.answer()?.says("no spawned pods")?;
                host.ask(json!({ "tool": "StopPod", "input_json": text }).to_string());
                host.answer()?.fails("invalid-argument", None)?.naming("invalid StopPod input: ")?;
            }
            host.ask(json!({ "tool": "StopPod", "input_json": "{" }).to_string());
            host.answer()?.fails("invalid-argument", None)?.naming("invalid StopPod input: ")?;
            Ok(())
        },
    ),
    Case::new("tools/unknown-tool", "a tool that there is not is an error of its own kind", |t| {
        t.call("listpods", json!({}))?.fails("unknown-tool", None)?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
];
