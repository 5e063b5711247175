//! The batch protocol itself: a line in, a line out.

use serde_json::json;

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::flaw::Flaw;
use crate::need::Need;

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
    )
    .needs(&[Need::AnyInput]),
    Case::new("tools/unknown-tool", "a tool that there is not is an error of its own kind", |t| {
        t.call("listpods", json!({}))?.fails("unknown-tool", None)?;
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new("tools/batch-no-input", "a call without input, or with `null`, has no arguments", |t| {
        let host = t.host()?;
        for line in [r#"{"tool":"ListPods"}"#, r#"{"tool":"ListPods","input":null}"#] {
            host.ask(line);
            host.answer()?.says("no spawned pods")?;
        }
        for line in [r#"{"tool":"StopPod"}"#, r#"{"tool":"StopPod","input_json":null}"#] {
            host.ask(line);
            host.answer()?.fails("invalid-argument", None)?.naming("invalid StopPod input: ")?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "tools/batch-blank-lines",
        "lines of white space get no answer, and a line may end with a carriage return as well",
        |t| {
            let mut host = t.start()?;
            for line in ["", " \t", "\r", "{\"tool\":\"listpods\"}\r", " \r", "{\"tool\":\"ListPods\"}\r"] {
                host.ask(line);
            }
            host.answer()?.fails("unknown-tool", None)?;
            host.answer()?.says("no spawned pods")?;
            host.finish()
        },
    ),
    Case::new("tools/batch-last-line", "a last line without a line break is answered", |t| {
        let mut host = t.start()?;
        host.ask_last(r#"{"tool":"ListPods"}"#);
        host.answer()?.says("no spawned pods")?;
        host.finish()
    }),
    Case::new("tools/batch-long-line", "a line of 8 MiB is a call like any other", |t| {
        let pod = t.pod("worker", super::send::obliging())?;
        let message = "\n\\\"ä".repeat((8 << 20) / 5);
        t.send("worker", &message)?.says("sent message to `worker`")?;
        let received: serde_json::Value = serde_json::from_str(&pod.received()[0])?;
        same("whether the pod got it as it was", received["params"]["input"] == message, true)
    })
    .needs(&[Need::LongInput, Need::LongCalls]),
    Case::new(
        "tools/input-text-raw",
        "a text goes to the tool as it is: ListPods ignores it, others parse it",
        |t| {
            let host = t.host()?;
            for text in ["not JSON", "{", "[]", "7", "\u{0}"] {
                host.ask(json!({ "tool": "ListPods", "input_json": text }).to_string());
                host.answer()?.says("no spawned pods")?;
            }
            for (tool, text) in [
                ("ReadPodOutput", r#"{"name":"a","name":"b"}"#),
                ("ReadPodOutput", r#"{"name":"a"} {}"#),
                ("SendToPod", r#"{"name":"a","message":"b""#),
                ("StopPod", r#"{'name':'a'}"#),
            ] {
                host.ask(json!({ "tool": tool, "input_json": text }).to_string());
                host.answer()?.fails("invalid-argument", None)?.naming(&format!("invalid {tool} input: "))?;
            }
            host.ask(
                json!({ "tool": "ReadPodOutput", "input_json": " \r\n{\"name\":\"\\u0061\"}\t" }).to_string(),
            );
            host.answer()?.with_message("no spawned pod named `a`")?;
            Ok(())
        },
    )
    .needs(&[Need::AnyInput])
    .catches(&[Flaw::WrongKinds]),
    Case::new(
        "tools/input-more-fields",
        "fields of the input that the tool does not know are passed over",
        |t| {
            let pod = t.pod("worker", super::send::obliging())?;
            let input =
                json!({ "message": "hello", "priority": 7, "name": "worker", "of": { "name": "other" } });
            t.call("SendToPod", input)?.says("sent message to `worker`")?;
            same("methods", pod.methods(), ["run"])
        },
    )
    .catches(&[Flaw::CallsTwice]),
    Case::new("tools/input-wrong", "what a tool does not take is refused before any pod is asked", |t| {
        let pod = t.pod("worker", super::names::obliging("text"))?;
        for tool in ["ReadPodOutput", "StopPod"] {
            for input in [
                json!(null),
                json!({}),
                json!({ "name": null }),
                json!(["worker"]),
                json!("worker"),
                json!(true),
            ] {
                t.call(tool, input)?
                    .fails("invalid-argument", None)?
                    .naming(&format!("invalid {tool} input: "))?;
            }
        }
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::AnyInput])
    .catches(&[Flaw::WrongKinds]),
];
