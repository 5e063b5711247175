//! Each limit, tripped alone: the error names the limit, its value, and the option that sets it; the host
//! lives, nothing is lost, and without the limit the same call works.

use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::answer::Answer;
use crate::case::Case;
use crate::cases::tools::read::with_history;
use crate::cases::tools::send::obliging;
use crate::failure::{Failure, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::{Script, Step, assistant, event};
use crate::trial::Trial;

/// A pod that never stops talking, whatever it is asked.
fn chatty() -> Script {
    let chatter = event("text_delta", json!({ "text": "and so on" })).to_string() + "\n";
    Script::new().on("*", [Step::Repeat(chatter.into_bytes())])
}

/// With the limit the call fails, twice in the same process, and says why; without it, it works.
fn trips(
    t: &mut Trial,
    option: &str,
    value: &str,
    call: impl Fn(&mut Trial) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    t.option(option, value);
    for _ in 0..2 {
        call(t)?.fails("limit", None)?.naming(option)?.naming(value)?;
    }
    t.without_option(option).restart()?;
    call(t)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "limits/op-timeout",
        "a pod that says nothing is waited for as long as one operation may take",
        |t| {
            let _pod = t.pod("worker", Script::new())?;
            t.option("--op-timeout", "300ms");
            for answer in [t.read("worker")?, t.send("worker", "hello")?] {
                answer.fails("execution-failed", "socket-timeout")?.naming("--op-timeout")?.naming("300ms")?;
            }
            Ok(())
        },
    )
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::NoLimits, Flaw::WaitsForEver, Flaw::HidesFaults]),
    Case::new("limits/op-timeout-half-a-line", "half a line is waited for no longer than silence", |t| {
        let script = Script::new()
            .on("get_history", [Step::text("{\"event\":\"history\""), Step::Hang])
            .on("run", [Step::text("{\"event\":\"turn_start\""), Step::Hang]);
        let _pod = t.pod("worker", script)?;
        t.option("--op-timeout", "300ms");
        t.read("worker")?.fails("execution-failed", "socket-timeout")?;
        t.send("worker", "hello")?.fails("execution-failed", "socket-timeout")?;
        Ok(())
    })
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::HidesFaults]),
    Case::new("limits/op-timeout-connect", "room in a backlog is waited for as long as one operation may take", |t| {
        let _pod = t.pod("worker", Script::new().never_accepting(0))?;
        let _first = UnixStream::connect(t.place().socket("worker"))?;
        t.option("--op-timeout", "300ms");
        for answer in [t.read("worker")?, t.send("worker", "hello")?] {
            answer.fails("execution-failed", "socket-timeout")?.naming("--op-timeout")?.naming("300ms")?;
        }
        Ok(())
    })
    .needs(&[Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::HidesFaults, Flaw::NoLimits]),
    Case::new("limits/op-timeout-write", "a pod that takes no message off its socket is not waited for longer", |t| {
        let _pod = t.pod("worker", Script::new().greeting([Step::Hang]))?;
        t.option("--op-timeout", "300ms");
        t.send("worker", &"x".repeat(8 << 20))?
            .fails("execution-failed", "socket-timeout")?
            .naming("--op-timeout")?.naming("300ms")?;
        Ok(())
    })
    .needs(&[Need::OpTimeout, Need::LongInput])
    .catches(&[Flaw::WaitsForEver, Flaw::NoLimits]),
    Case::new(
        "limits/call-timeout",
        "a pod that never stops talking is listened to as long as a call may take",
        |t| {
            let pod = t.pod("worker", chatty())?;
            pod.set_status("running")?;
            t.option("--call-timeout", "500ms");
            for answer in [t.read("worker")?, t.send("worker", "hello")?] {
                answer.fails("timeout", None)?.naming("--call-timeout")?.naming("500ms")?;
            }
            t.list()?.says("1 pod(s) known")?;
            Ok(())
        },
    )
    .needs(&[Need::CallTimeout, Need::LongCalls])
    .catches(&[Flaw::WaitsForEver]),
    Case::new("limits/call-timeout-wait", "waits of one operation end with the time of the call", |t| {
        let _pod = t.pod("worker", Script::new())?;
        t.option("--call-timeout", "300ms").option("--op-timeout", "50s");
        t.read("worker")?.fails("timeout", None)?.naming("--call-timeout")?.naming("300ms")?;
        t.send("worker", "hello")?.fails("timeout", None)?.naming("--call-timeout")?;
        Ok(())
    })
    .needs(&[Need::CallTimeout, Need::OpTimeout])
    .catches(&[Flaw::WaitsForEver, Flaw::NoLimits]),
    Case::new("limits/max-line", "a line that is too long is not read to its end, and its text is not lost", |t| {
        let text = "x".repeat(100_000);
        let _pod = t.pod("worker", with_history(&[assistant(&text)]))?;
        trips(t, "--max-line", "10000", |t| t.read("worker"))?.with_content(&text)?;
        Ok(())
    })
    .needs(&[Need::MaxLine])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/max-line-endless", "an endless line is the limit's business for every tool", |t| {
        let _pod = t.pod("worker", Script::new().on("*", [Step::Repeat(vec![b'1'; 4096])]))?;
        t.option("--max-line", "1048576").option("--op-timeout", "2s");
        for answer in [t.read("worker")?, t.send("worker", "hello")?, t.stop("worker")?] {
            answer.fails("limit", None)?.naming("1048576")?.naming("--max-line")?;
        }
        same("the registry", t.place().recorded()?, ["worker"])
    })
    .needs(&[Need::MaxLine, Need::OpTimeout])
    .catches(&[Flaw::WrongKinds]),
    Case::new("limits/max-line-fits", "many lines of the longest length are read", |t| {
        let line = event("text_delta", json!({ "text": "x".repeat(900) })).to_string() + "\n";
        let script = with_history(&[assistant("text")]).greeting(vec![Step::text(line); 1000]);
        let _pod = t.pod("worker", script)?;
        t.option("--max-line", "1000");
        t.read("worker")?.with_content("text")?;
        Ok(())
    })
    .needs(&[Need::MaxLine]),
    Case::new(
        "limits/max-output",
        "an answer holds whole items up to the bound, and says what is left",
        |t| {
            let items = ["one", "two", "three"].map(assistant);
            let _pod = t.pod("worker", with_history(&items))?;
            t.option("--max-output", "8");
            t.read("worker")?
                .says("pod `worker`: 3 new line(s) of assistant text; now idle; 1 more item(s) to read")?
                .with_content("one\n\ntwo")?
                .with_data("/remaining_items", 1)?;
            t.read("worker")?
                .says("pod `worker`: 1 new line(s) of assistant text; now idle")?
                .with_content("three")?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            Ok(())
        },
    )
    .needs(&[Need::MaxOutput])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/max-output-large-item", "an item that is longer than an answer may be is given in parts", |t| {
        let items = ["ab", "longer than the bound", "cc"].map(assistant);
        let _pod = t.pod("worker", with_history(&items))?;
        t.option("--max-output", "8");
        t.read("worker")?.with_content("ab")?.with_data("/cut", false)?;
        for (text, continued) in [("longer t", false), ("han the ", true)] {
            t.read("worker")?
                .says(
                    "pod `worker`: 1 new line(s) of assistant text; now idle; 2 more item(s) to read; the text \
                     breaks off within an item, and the next read goes on from there",
                )?
                .with_content(text)?
                .with_data("/continued", continued)?
                .with_data("/cut", true)?
                .with_data("/new_items", 0)?;
            t.restart()?;
        }
        t.read("worker")?
            .says("pod `worker`: 1 new line(s) of assistant text; now idle; 1 more item(s) to read")?
            .with_content("bound")?
            .with_data("/continued", true)?
            .with_data("/cut", false)?;
        t.read("worker")?.with_content("cc")?.with_data("/continued", false)?;
        Ok(())
    })
    .needs(&[Need::MaxOutput, Need::CursorsOnDisk])
    .catches(&[Flaw::NoLimits, Flaw::LosesCursors, Flaw::LosesParts]),
    Case::new("limits/max-output-characters", "a part ends between two characters, and holds one at least", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("a\u{20ac}\u{1f600}e\u{301}")]))?;
        t.option("--max-output", "2");
        for (text, is_cut) in [("a", true), ("\u{20ac}", true), ("\u{1f600}", true), ("e", true), ("\u{301}", false)] {
            t.read("worker")?.with_content(text)?.with_data("/cut", is_cut)?;
        }
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        Ok(())
    })
    .needs(&[Need::MaxOutput])
    .catches(&[Flaw::NoLimits, Flaw::LosesParts]),
    Case::new("limits/max-output-undelivered", "a part whose answer could not be given is given again", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("longer than the bound")]))?;
        t.option("--max-output", "8");
        t.read("worker")?.with_content("longer t")?;
        t.restart()?;
        let ask = json!({ "tool": "ReadPodOutput", "input": { "name": "worker" } });
        t.start_unheard(&ask.to_string())?;
        t.read("worker")?.with_content("han the ")?;
        Ok(())
    })
    .needs(&[Need::MaxOutput, Need::CursorsOnDisk, Need::Delivery])
    .catches(&[Flaw::NoLimits, Flaw::LosesParts, Flaw::MovesCursorsEarly]),
    Case::new(
        "limits/max-output-memory",
        "an item that is longer than the plugin's memory can be given in parts",
        |t| {
            let _pod = t.pod("worker", with_history(&[assistant("a"), assistant(&"x".repeat(32 << 20))]))?;
            t.option("--max-output", "1048576").option("--memory", "16777216");
            t.read("worker")?.with_content("a")?;
            for continued in [false, true] {
                let answer = t.read("worker")?.with_data("/continued", continued)?;
                same("bytes of text", answer.output()?.content.map(|text| text.len()), Some(1 << 20))?;
            }
            Ok(())
        },
    )
    .needs(&[Need::MaxOutput, Need::Memory])
    .catches(&[Flaw::NoLimits]),
    Case::new(
        "limits/max-output-part-rewritten",
        "an item that was rewritten within the part that was given is given from the history's start",
        |t| {
            let rewritten = [assistant("LONGER than the bound"), assistant("cc")];
            let script = with_history(&[assistant("longer than the bound")])
                .on("get_history", [Step::line(crate::script::history(&rewritten))]);
            let _pod = t.pod("worker", script)?;
            t.option("--max-output", "8");
            t.read("worker")?.with_content("longer t")?;
            t.read("worker")?
                .says(
                    "pod `worker`: 1 new line(s) of assistant text; now idle; history was rewritten, given from its \
                     start; 2 more item(s) to read; the text breaks off within an item, and the next read goes on \
                     from there",
                )?
                .with_content("LONGER t")?
                .with_data("/continued", false)?;
            t.read("worker")?.with_content("han the ")?.with_data("/continued", true)?;
            Ok(())
        },
    )
    .needs(&[Need::MaxOutput])
    .catches(&[Flaw::NoLimits, Flaw::SkipsRewritten]),
    Case::new("limits/max-output-rewritten", "that a history was rewritten and that more is left are both told", |t| {
        let script = with_history(&[assistant("a")])
            .on("get_history", [Step::line(crate::script::history(&["b", "c"].map(assistant)))]);
        let _pod = t.pod("worker", script)?;
        t.option("--max-output", "1");
        t.read("worker")?.with_content("a")?;
        t.read("worker")?
            .says(
                "pod `worker`: 1 new line(s) of assistant text; now idle; history was rewritten, given from its \
                 start; 1 more item(s) to read",
            )?
            .with_content("b")?;
        t.read("worker")?.with_content("c")?;
        Ok(())
    })
    .needs(&[Need::MaxOutput])
    .catches(&[Flaw::NoLimits, Flaw::SkipsRewritten]),
    Case::new("limits/cpu-time", "a plugin that computes for too long is ended", |t| {
        let pod = t.pod("worker", obliging())?;
        // Escapes make work: a message of 6 MiB takes the plugin some tens of milliseconds.
        let message = "\n\u{1b}".repeat(3 << 20);
        t.option("--cpu-time", "10ms");
        t.send("worker", &message)?.fails("limit", None)?.naming("10ms")?.naming("--cpu-time")?;
        same("methods", pod.methods(), Vec::<String>::new())?;
        t.list()?.says("1 pod(s) known")?;
        t.without_option("--cpu-time").restart()?;
        t.send("worker", &message)?.says("sent message to `worker`")?;
        Ok(())
    })
    .needs(&[Need::CpuTime])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/memory", "a plugin that needs more memory is ended; one that needs less is not", |t| {
        let text = "x".repeat(16 << 20);
        let _pod = t.pod("worker", with_history(&[assistant(&text)]))?;
        let _small = t.pod("small", with_history(&[assistant("text")]))?;
        let answer = trips(t, "--memory", "8388608", |t| {
            t.list()?.says("2 pod(s) known")?;
            t.read("worker")
        });
        same("bytes of text", answer?.output()?.content.map(|text| text.len()), Some(text.len()))?;
        t.option("--memory", "8388608").restart()?;
        t.read("small")?.with_content("text")?;
        Ok(())
    })
    .needs(&[Need::Memory])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/memory-long-history", "a history that is longer than memory is read in pieces", |t| {
        let filler = json!({ "type": "tool_result", "call_id": "1", "summary": "s", "content": "x".repeat(1 << 20) });
        let mut items = vec![filler; 32];
        items.push(assistant("the end"));
        let _pod = t.pod("worker", with_history(&items))?;
        t.option("--memory", "16777216");
        t.read("worker")?.with_content("the end")?.with_data("/new_items", 33)?;
        t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
        Ok(())
    })
    .needs(&[Need::Memory]),
    Case::new("limits/table-elements", "a plugin that needs more table elements is not run", |t| {
        trips(t, "--table-elements", "1", Trial::list)?.says("no spawned pods")?;
        Ok(())
    })
    .needs(&[Need::TableElements])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/instances", "a plugin of more instances is not run", |t| {
        trips(t, "--instances", "1", Trial::list)?.says("no spawned pods")?;
        Ok(())
    })
    .needs(&[Need::Instances])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/host-calls", "a call that needs too many host calls is ended", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("text")]))?;
        trips(t, "--host-calls", "2", |t| t.read("worker"))?.with_content("text")?;
        Ok(())
    })
    .needs(&[Need::HostCalls])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/host-calls-of-each-call", "host calls are counted by call, not by process", |t| {
        let _pod = t.pod("worker", with_history(&[assistant("text")]))?;
        t.option("--host-calls", "100");
        t.read("worker")?.with_content("text")?;
        (0..50).try_for_each(|_| t.read("worker")?.says("pod `worker` idle; no new assistant text").map(drop))
    })
    .needs(&[Need::HostCalls]),
    Case::new("limits/handles", "a plugin that holds too many handles is ended", |t| {
        (0..5).try_for_each(|n| t.dead_pod(&format!("pod-{n}")))?;
        trips(t, "--handles", "3", Trial::list)?.says("5 pod(s) known")?;
        Ok(())
    })
    .needs(&[Need::Handles])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/handles-of-each-call", "handles are counted by call, not by process", |t| {
        (0..5).try_for_each(|n| t.dead_pod(&format!("pod-{n}")))?;
        t.option("--handles", "12");
        (0..20).try_for_each(|_| t.list()?.says("5 pod(s) known").map(drop))
    })
    .needs(&[Need::Handles]),
    Case::new("limits/exchanges", "a plugin that has too many connections open gets no more", |t| {
        let pod = t.pod("worker", with_history(&[assistant("text")]))?;
        t.option("--exchanges", "0");
        t.read("worker")?.fails("limit", None)?.naming("0 exchanges")?.naming("--exchanges")?;
        same("what the pod received", pod.received(), Vec::<String>::new())?;
        t.without_option("--exchanges").restart()?;
        t.option("--exchanges", "1");
        (0..20).try_for_each(|_| t.read("worker")?.output().map(drop))
    })
    .needs(&[Need::Exchanges])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/max-transfer", "an answer that is too large is not handed over, and its text is not lost", |t| {
        let text = "x".repeat(1 << 20);
        let _pod = t.pod("worker", with_history(&[assistant(&text)]))?;
        trips(t, "--max-transfer", "500000", |t| t.read("worker"))?.with_content(&text)?;
        Ok(())
    })
    .needs(&[Need::MaxTransfer])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/max-transfer-request", "a request that is too large is not sent in part", |t| {
        let pod = t.pod("worker", obliging())?;
        let message = "x".repeat(1 << 20);
        let call = |t: &mut Trial| t.send("worker", &message);
        trips(t, "--max-transfer", "500000", call)?.says("sent message to `worker`")?;
        same("methods", pod.methods(), ["run"])
    })
    .needs(&[Need::MaxTransfer, Need::LongInput])
    .catches(&[Flaw::NoLimits]),
    Case::new("limits/max-data", "data that is larger than allowed is not handed over", |t| {
        let _pod = t.pod("worker", obliging())?;
        trips(t, "--max-data", "10", |t| t.list())?.says("1 pod(s) known")?;
        Ok(())
    })
    .needs(&[Need::MaxData])
    .catches(&[Flaw::NoLimits]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_contract_has_a_case_of_its_own() {
        let is_limit = |need: &&Need| need.group() == Some(Need::Limits);
        for limit in Need::ALL.iter().filter(is_limit) {
            let trips = |case: &Case| case.needs.iter().filter(is_limit).eq([limit]);
            assert!(CASES.iter().any(trips), "no case trips {limit} alone");
        }
    }
}
