//! ReadPodOutput: what of a history is given, and how the pod is said to be.

use serde_json::{Value, json};

use crate::case::Case;
use crate::failure::same;
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event, history, user};

use super::broadcast::large_replay;
use super::read::with_history;

const REWRITTEN: &str = "; history was rewritten, given from its start";

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("tools/read-states", "the state that the pod tells is told", |t| {
        for state in ["idle", "running", "paused"] {
            let pod = t.pod(state, with_history(&[assistant("a\nb\nc")]))?;
            pod.set_status(state)?;
            t.read(state)?
                .says(&format!("pod `{state}`: 3 new line(s) of assistant text; now {state}"))?
                .with_data("/state", state)?;
            t.read(state)?
                .says(&format!("pod `{state}` {state}; no new assistant text"))?
                .without_content()?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-streamed", "how much a run has said so far is told where the pod says it", |t| {
        let saying = |streamed: &Value| event("history", json!({ "items": [], "streamed": streamed }));
        for (name, said, told) in [
            ("some", json!(1_048_576), Some(1_048_576)),
            ("nothing", json!(0), Some(0)),
            ("nonsense", json!("4"), None),
            ("negative", json!(-4), None),
        ] {
            let pod = t.pod(name, Script::new().on("get_history", [Step::line(saying(&said))]))?;
            pod.set_status("running")?;
            let answer = t.read(name)?.says(&format!("pod `{name}` running; no new assistant text"))?;
            match told {
                Some(told) => answer.with_data("/streamed", told)?,
                None => answer.without_data("/streamed")?,
            };
        }
        Ok(())
    }),
    Case::new("tools/read-bad-status", "a status that cannot be read is unknown, whatever it holds", |t| {
        let _pod = t.pod("worker", with_history(&[]))?;
        let status = t.place().base().join("worker/status.json");
        let contents: [&[u8]; 6] = [b"", b"{", b"[]", b"{\"state\":7}", b"\xff", b"{\"state\":\"Idle\"}"];
        for content in contents {
            std::fs::write(&status, content)?;
            t.read("worker")?
                .says("pod `worker` running; no new assistant text")?
                .with_data("/state", "unknown")?;
        }
        std::fs::remove_file(&status)?;
        t.read("worker")?.says("pod `worker` running; no new assistant text")?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-status-link", "a status that is a symbolic link is not followed", |t| {
        let _pod = t.pod("worker", with_history(&[]))?;
        let status = t.place().base().join("worker/status.json");
        let elsewhere = t.place().root().join("status.json");
        std::fs::rename(&status, &elsewhere)?;
        std::os::unix::fs::symlink(&elsewhere, &status)?;
        t.read("worker")?
            .says("pod `worker` running; no new assistant text")?
            .with_data("/state", "unknown")?;
        Ok(())
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-unanswered", "a message that an idle pod has not answered is told", |t| {
        let items = [
            (vec![user("b")], " idle; no new assistant text; the last message has no answer"),
            (
                vec![assistant("a"), user("b")],
                ": 1 new line(s) of assistant text; now idle; the last message has no answer",
            ),
            (vec![user("b"), assistant("a")], ": 1 new line(s) of assistant text; now idle"),
        ];
        for (n, (items, summary)) in items.into_iter().enumerate() {
            let name = format!("pod-{n}");
            let pod = t.pod(&name, with_history(&items))?;
            let unanswered = summary.contains("no answer");
            t.read(&name)?.says(&format!("pod `{name}`{summary}"))?.with_data("/unanswered", unanswered)?;
            t.read(&name)?.with_data("/unanswered", unanswered)?;
            pod.set_status("running")?;
            t.read(&name)?.says(&format!("pod `{name}` running; no new assistant text"))?;
        }
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-only-the-assistant", "only text of the assistant is given", |t| {
        let message =
            |role: &str, content: Value| json!({ "type": "message", "role": role, "content": content });
        let items = [
            user("not this"),
            message("system", json!([{ "type": "text", "text": "nor this" }])),
            json!({ "type": "reasoning", "text": "nor this" }),
            json!({ "type": "tool_call", "call_id": "1", "name": "t", "arguments": "nor this" }),
            json!({ "type": "tool_result", "call_id": "1", "summary": "nor this", "content": "nor this" }),
            json!({
                "status": "incomplete", "id": "m1",
                "content": [
                    { "type": "text", "text": "first" },
                    { "refusal": "nor this", "type": "refusal" },
                    { "text": "second", "type": "text" },
                ],
                "role": "assistant", "type": "message",
            }),
            message("assistant", json!([])),
            assistant("ä\u{1f600}\t\"\\"),
        ];
        let _pod = t.pod("worker", with_history(&items))?;
        t.read("worker")?
            .says("pod `worker`: 5 new line(s) of assistant text; now idle")?
            .with_content("first\n\nsecond\n\nä\u{1f600}\t\"\\")?
            .with_data("/new_items", 8)?;
        Ok(())
    })
    .catches(&[Flaw::CutsText]),
    Case::new(
        "tools/read-lines",
        "lines are counted as text editors do, and texts stand a blank line apart",
        |t| {
            let texts: [(&[&str], &str, usize); 7] = [
                (&["a\n"], "a\n", 1),
                (&["a\r\nb"], "a\r\nb", 2),
                (&["\n"], "\n", 1),
                (&["\n\n"], "\n\n", 2),
                (&["", "a"], "a", 1),
                (&["a", ""], "a\n\n", 2),
                (&["a\n", "b"], "a\n\n\nb", 4),
            ];
            for (n, (texts, content, lines)) in texts.into_iter().enumerate() {
                let name = format!("pod-{n}");
                let items: Vec<_> = texts.iter().map(|text| assistant(text)).collect();
                let _pod = t.pod(&name, with_history(&items))?;
                t.read(&name)?
                    .says(&format!("pod `{name}`: {lines} new line(s) of assistant text; now idle"))?
                    .with_content(content)?;
            }
            let _pod = t.pod("silent", with_history(&[assistant("")]))?;
            t.read("silent")?.says("pod `silent` idle; no new assistant text")?.without_content()?;
            Ok(())
        },
    )
    .catches(&[Flaw::WrongWording]),
    Case::new("tools/read-newer-pod", "events and items that nobody knows yet are passed over", |t| {
        let message = |more: Value| {
            let mut item = assistant("of another generation");
            item.as_object_mut()
                .into_iter()
                .zip(more.as_object())
                .for_each(|(item, more)| item.extend(more.clone()));
            item
        };
        let items = [
            assistant("one"),
            json!({ "type": "compaction", "upto": 7 }),
            json!("a text"),
            json!(null),
            json!([[]]),
            message(
                json!({ "content": [{ "type": "text", "text": "with" }, { "type": "image", "data": "…" }] }),
            ),
            message(json!({ "role": "critic" })),
            message(json!({ "status": "draft" })),
            message(json!({ "content": "no list" })),
            assistant("two"),
        ];
        let greeting = event("greeting", json!({ "banner": "x".repeat(1 << 20) }));
        let answer =
            json!({ "event": "history", "v": 4, "data": { "greeting": 1, "items": items, "more": {} } });
        let script = Script::new().greeting([Step::line(greeting)]).on("get_history", [Step::line(answer)]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("one\n\ntwo")?.with_data("/new_items", 10)?;
        Ok(())
    }),
    Case::new("tools/read-events-of-others", "events and errors for other clients are passed over", |t| {
        let error = |code: &str| Step::line(event("error", json!({ "code": code, "message": "not for us" })));
        let turn = Step::line(event("turn_start", json!({ "turn": 1 })));
        let answer = Step::line(history(&[assistant("text")]));
        let script = Script::new()
            .greeting(large_replay())
            .on("get_history", [error("already_running"), turn, error("internal"), answer]);
        let _pod = t.pod("worker", script)?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new(
        "tools/read-rewritten-any",
        "a history that no longer begins with what was read is given anew, whatever its length",
        |t| {
            let read = [user("a"), assistant("b"), user("c"), assistant("d")];
            let variants = [
                (vec![assistant("sum")], Some("sum"), ": 1 new line(s) of assistant text; now idle"),
                (
                    vec![user("a"), assistant("B"), user("c"), assistant("d")],
                    Some("B\n\nd"),
                    ": 3 new line(s) of assistant text; now idle",
                ),
                (
                    vec![user("A"), assistant("b"), user("c"), assistant("d"), assistant("e")],
                    Some("b\n\nd\n\ne"),
                    ": 5 new line(s) of assistant text; now idle",
                ),
                (vec![], None, " idle; no new assistant text"),
            ];
            for (n, (items, content, summary)) in variants.into_iter().enumerate() {
                let name = format!("pod-{n}");
                // It may be asked again when its beginning turns out to be another one; the last answer stays.
                let script = with_history(&read).on("get_history", [Step::line(history(&items))]);
                let _pod = t.pod(&name, script)?;
                t.read(&name)?.with_content("b\n\nd")?;
                let again = t.read(&name)?.says(&format!("pod `{name}`{summary}{REWRITTEN}"))?;
                same(
                    "the content",
                    again.with_data("/rewritten", true)?.output()?.content.as_deref(),
                    content,
                )?;
                t.read(&name)?.says(&format!("pod `{name}` idle; no new assistant text"))?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::SkipsRewritten]),
    Case::new("tools/read-crashed", "a socket at which nobody listens any more is a stopped pod's", |t| {
        t.crashed_pod("worker")?;
        t.read("worker")?
            .says("pod `worker` is stopped (unreachable)")?
            .without_content()?
            .with_data("/state", "stopped")?;
        Ok(())
    })
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "tools/read-fault-keeps-cursor",
        "a pod that answers wrongly is an error that says so, and no text is lost",
        |t| {
            let whole = history(&[assistant("before"), assistant("after")]).to_string();
            let half = &whole[..whole.len() - 20];
            let variants = [
                ("closed", vec![Step::Close]),
                ("closed", vec![Step::text(half), Step::Close]),
                ("protocol", vec![Step::text("history\n"), Step::Hang]),
                ("protocol", vec![Step::Send(b"{\"event\":\"\xff\"}\n".to_vec()), Step::Hang]),
                ("protocol", vec![Step::text(format!("{half}\n")), Step::Hang]),
                ("protocol", vec![Step::line(json!({ "event": "history" })), Step::Hang]),
                ("protocol", vec![Step::line(event("history", json!({ "items": {} }))), Step::Hang]),
                ("protocol", vec![Step::line(event("history", json!({ "items": "none" }))), Step::Hang]),
            ];
            for (n, (reason, steps)) in variants.into_iter().enumerate() {
                let name = format!("pod-{n}");
                let script = with_history(&[assistant("before")])
                    .on("get_history", steps)
                    .on("get_history", [Step::text(format!("{whole}\n"))]);
                let _pod = t.pod(&name, script)?;
                t.read(&name)?.with_content("before")?;
                t.read(&name)?.fails("execution-failed", reason)?.naming(&format!("read `{name}`: "))?;
                t.read(&name)?.with_content("after")?;
            }
            Ok(())
        },
    )
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds, Flaw::LosesCursors]),
    Case::new(
        "tools/read-two-readers",
        "of two readers at once, each may get the text, and none misses any",
        |t| {
            let gated = |items: &[Value]| [Step::Wait("both".to_owned()), Step::line(history(items))];
            let script = Script::new().on("get_history", gated(&[assistant("one")]));
            let pod = t.pod("worker", script.clone())?;
            let call = json!({ "tool": "ReadPodOutput", "input": { "name": "worker" } }).to_string();
            let mut hosts = [t.start()?, t.start()?];
            hosts.iter_mut().for_each(|host| host.ask(call.clone()));
            pod.await_lines(2);
            pod.open_gate("both");
            let mut given = 0;
            for mut host in hosts {
                let content = host.answer()?.output()?.content;
                host.finish()?;
                given += usize::from(content.as_deref() == Some("one"));
            }
            same("whether the text was given", given > 0, true)?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
];
