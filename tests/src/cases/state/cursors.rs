//! Read cursors: kept when the answer has been given, and not a moment earlier.

use serde_json::json;

use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::failure::{holds, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, history};

/// A history that is one item longer each time it is asked for, up to that many.
fn growing(items: usize) -> Script {
    let all: Vec<_> = (1..=items).map(|n| assistant(&format!("item {n}"))).collect();
    (1..=items).fold(Script::new(), |script, n| script.on("get_history", [Step::line(history(&all[..n]))]))
}

fn ask() -> String {
    json!({ "tool": "ReadPodOutput", "input": { "name": "worker" } }).to_string()
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "state/cursor-outlives-process",
        "a new process goes on reading where the last one stopped",
        |t| {
            let more = [assistant("one"), assistant("two")];
            let script = with_history(&[assistant("one")]).on("get_history", [Step::line(history(&more))]);
            let _pod = t.pod("worker", script)?;
            t.read("worker")?.with_content("one")?;
            t.restart()?;
            t.read("worker")?.with_content("two")?;
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
    Case::new("state/stopped-pod-is-read-anew", "a new pod of an old name is read from its start", |t| {
        let script = || with_history(&[assistant("one")]).stopping();
        let pod = t.pod("worker", script())?;
        t.read("worker")?.with_content("one")?;
        t.stop("worker")?.output()?;
        drop(pod);
        t.place().write_registry("[]")?;
        let _pod = t.pod("worker", script())?;
        t.read("worker")?.says("pod `worker`: 1 new line(s) of assistant text; now idle")?;
        Ok(())
    }),
    Case::new("state/cursors-of-many-processes", "each process goes on where the last one stopped", |t| {
        let _pod = t.pod("worker", growing(5))?;
        for n in 1..=5 {
            t.read("worker")?
                .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
                .with_content(&format!("item {n}"))?;
            t.restart()?;
        }
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors, Flaw::CallsTwice, Flaw::WrongWording]),
    Case::new("state/cursors-deleted", "without cursors everything is new, and nothing is called rewritten", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("one")]))?;
        t.read("worker")?.with_content("one")?;
        t.restart()?;
        std::fs::remove_file(t.place().runtime_dir().join("read_cursors.json"))?;
        t.read("worker")?
            .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
            .with_content("one")?
            .with_data("/rewritten", false)?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::WrongWording]),
    Case::new(
        "state/cursors-damaged",
        "cursors that are none are named and left as they are, and touch nothing but reads",
        |t| {
            let pod = t.pod("worker", with_history(&[assistant("one")]).stopping())?;
            t.read("worker")?.with_content("one")?;
            t.restart()?;
            let path = t.place().runtime_dir().join("read_cursors.json");
            let whole = std::fs::read(&path)?;
            for text in [&b""[..], b"garbage", b"[]", &whole[1..]] {
                std::fs::write(&path, text)?;
                let before = pod.connections();
                t.read("worker")?.fails("execution-failed", "registry-damaged")?.naming("read_cursors.json")?;
                same("connections by the read", pod.connections() - before, 0)?;
                t.list()?.says("1 pod(s) known")?;
                same("the cursors", std::fs::read(&path)?, text)?;
            }
            std::fs::write(&path, whole)?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            std::fs::write(&path, "garbage")?;
            t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::WrongKinds, Flaw::WrongWording]),
    Case::new("state/cursors-of-odd-names", "each pod has a cursor of its own, whatever its name", |t| {
        let names = ["", "a b", "a\nb", "../spawner", "__proto__", "ä😀", "\""];
        let text = |n: usize| format!("text of {n}");
        let pods = names.iter().enumerate().map(|(n, name)| {
            t.pod_in(&format!("pod-{n}"), name, with_history(&[assistant(&text(n))]))
        });
        let _pods = pods.collect::<Result<Vec<_>, _>>()?;
        let read = || names.iter().enumerate().skip(1);
        for (n, name) in read() {
            t.read(name)?.with_content(&text(n))?;
        }
        for (_, name) in read() {
            t.read(name)?.without_content()?;
        }
        t.restart()?;
        for (_, name) in read() {
            t.read(name)?.without_content()?;
        }
        t.read(names[0])?.with_content(&text(0))?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors]),
    Case::new("state/answer-unheard", "text whose answer could not be given is given again", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("one")]))?;
        t.start_unheard(&ask())?;
        t.read("worker")?.with_content("one")?;
        t.restart()?;
        t.start_unheard(&ask())?;
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk, Need::Delivery])
    .catches(&[Flaw::MovesCursorsEarly]),
    Case::new("state/killed-while-reading", "a host killed before its answer has read nothing", |t| {
        let whole = history(&[assistant("one")]).to_string() + "\n";
        let (start, end) = whole.split_at(60);
        let steps = [Step::text(start), Step::Wait("never".to_owned()), Step::text(end)];
        let script = Script::new().on("get_history", steps).on("get_history", [Step::text(whole.clone())]);
        let pod = t.pod("worker", script)?;
        t.host()?.ask(ask());
        pod.await_lines(1);
        t.kill();
        t.read("worker")?.with_content("one")?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk]),
    Case::new(
        "state/killed-after-answer",
        "a host killed right after its answer may give the text again; it loses none",
        |t| {
            const READS: usize = 12;
            let _pod = t.pod("worker", growing(READS))?;
            let mut given = 0;
            for n in 1..=READS {
                let read = t.read("worker")?.output()?;
                t.kill();
                let came = read.content.unwrap_or_default();
                // From `first` on, which is new or was given before; up to the newest.
                let expected = |first: usize| {
                    (first..=n).map(|item| format!("item {item}")).collect::<Vec<_>>().join("\n\n")
                };
                let right = (1..=given + 1).any(|first| came == expected(first));
                holds(right, &format!("all items after {given}, up to {n}"), &came)?;
                given = n;
            }
            Ok(())
        },
    )
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::CallsTwice]),
    Case::new("state/failed-call", "a call that fails has read nothing, also for the next process", |t| {
        let whole = history(&[assistant("one")]).to_string();
        let half = [Step::text(&whole[..whole.len() / 2]), Step::Close];
        let _pod = t.pod("worker", Script::new().on("get_history", half).on("get_history", [Step::text(whole + "\n")]))?;
        t.read("worker")?.fails("execution-failed", "closed")?;
        t.restart()?;
        t.read("worker")?.with_content("one")?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("state/rewritten-between-processes", "a history that was rewritten meanwhile is noticed", |t| {
        let compacted = [assistant("summary")];
        let script = with_history(&[assistant("one"), assistant("two")]);
        let _pod = t.pod("worker", script.on("get_history", [Step::line(history(&compacted))]))?;
        t.read("worker")?.with_content("one\n\ntwo")?;
        t.restart()?;
        t.read("worker")?
            .says("pod `worker`: 1 new line(s) of assistant text; now idle; history was rewritten, given from its start")?
            .with_content("summary")?;
        t.restart()?;
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        Ok(())
    })
    .needs(&[Need::CursorsOnDisk])
    .catches(&[Flaw::LosesCursors, Flaw::WrongWording]),
];
