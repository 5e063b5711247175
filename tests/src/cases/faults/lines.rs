//! What lines hold: JSON in all its forms, what is none, and histories that are none.

use serde_json::{Value, json};

use super::answering;
use crate::case::Case;
use crate::failure::Verdict;
use crate::flaw::Flaw;
use crate::script::{Script, Step, assistant, event, history};
use crate::trial::Trial;

/// Each of these lines is no answer to `get_history`, nor to `run`, and the pod that sends it no stopped one.
fn are_faults(t: &mut Trial, lines: &[Vec<u8>]) -> Verdict {
    for (n, line) in lines.iter().enumerate() {
        let name = format!("pod-{n}");
        let line = Step::Send([line, b"\n".as_slice()].concat());
        // Nobody may wait for more: behind it comes what would be an answer.
        let script = Script::new()
            .on("get_history", [line.clone(), Step::line(history(&[assistant("text")]))])
            .on("run", [line, Step::line(event("turn_start", json!({ "turn": 0 })))]);
        let _pod = t.pod(&name, script)?;
        t.read(&name)?.fails("execution-failed", "protocol")?.naming(&format!("read `{name}`: "))?;
        t.send(&name, "hello")?.fails("execution-failed", "protocol")?;
    }
    Ok(())
}

/// Each of these texts is an answer to `get_history`, with the text `text`.
fn are_histories(t: &mut Trial, texts: &[String]) -> Verdict {
    for (n, text) in texts.iter().enumerate() {
        let name = format!("pod-{n}");
        let _pod = t.pod(&name, answering([Step::text(format!("{text}\n"))]))?;
        t.read(&name)?.with_content("text")?;
    }
    Ok(())
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("faults/not-json", "a pod that does not speak JSON is no stopped pod", |t| {
        let lines = [
            "HTTP/1.1 400 Bad Request\r",
            "{\"event\":\"history\",\"data\":{\"items\":[}}",
            "{\"event\":\"history\" \"data\":{}}",
            "{\"event\":\"history\",\"data\":{\"items\":[]}} trailing",
            "{'event':'history'}",
            "{\"event\":\"tab\there\"}",
            "{\"event\":\"\\q\"}",
            "{\"event\":\"history\",\"data\":{\"items\":[01]}}",
        ];
        are_faults(t, &lines.map(|line| line.as_bytes().to_vec()))
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/bad-utf8", "a line that is not UTF-8 is no JSON, wherever the fault is", |t| {
        let lines: [&[u8]; 3] = [
            b"\xff\xfe",
            b"{\"event\":\"notification\",\"data\":{\"message\":\"caf\xe9\"}}",
            b"{\"event\":\"history\",\"data\":{\"items\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"\xc0\xaf\"}]}]}}",
        ];
        are_faults(t, &lines.map(<[u8]>::to_vec))
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/no-event", "JSON that is no event is not the protocol", |t| {
        let lines = ["7", "null", "\"history\"", "[]", "{}", "{\"data\":{\"items\":[]}}", "{\"event\":7}", "{\"event\":null}"];
        are_faults(t, &lines.map(|line| line.as_bytes().to_vec()))
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/no-history", "a history without a list of items is none", |t| {
        let answers = [
            event("history", Value::Null),
            json!({ "event": "history", "data": null }),
            event("history", json!([])),
            event("history", json!({})),
            event("history", json!({ "items": null })),
            event("history", json!({ "items": {} })),
            event("history", json!({ "items": 7 })),
        ];
        for (n, answer) in answers.into_iter().enumerate() {
            let name = format!("pod-{n}");
            let _pod = t.pod(&name, answering([Step::line(answer), Step::Close]))?;
            t.read(&name)?.fails("execution-failed", "protocol")?;
        }
        Ok(())
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/deep-nesting", "JSON that nests without end brings nobody down", |t| {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let unknown = format!("{{\"event\":\"hologram\",\"data\":{}}}\n", deep(1 << 20));
        let within = format!("{{\"event\":\"history\",\"data\":{{\"items\":[{}]}}}}\n", deep(1 << 20));
        let _unknown = t.pod("unknown", answering([Step::text(unknown)]))?;
        let _within = t.pod("within", answering([Step::text(within)]))?;
        let _open = t.pod("open", answering([Step::text("[".repeat(1 << 20) + "\n")]))?;
        for name in ["unknown", "within", "open"] {
            t.read(name)?.fails("execution-failed", "protocol")?;
        }
        let _sane = t.pod("sane", answering([Step::line(history(&[assistant(&deep(1000))]))]))?;
        t.read("sane")?.with_content(&deep(1000))?;
        Ok(())
    })
    .catches(&[Flaw::HidesFaults, Flaw::WrongKinds]),
    Case::new("faults/json-of-all-forms", "the order of keys, spaces and escapes make no difference", |t| {
        let item = r#"{"content":[{"text":"text","type":"text"}],"role":"assistant","type":"message"}"#;
        let escaped = r#"{"\u0074ype":"mess\u0061ge","role":"\u0061ssistant","content":[{"type":"text","text":"\u0074ex\u0074"}]}"#;
        are_histories(
            t,
            &[
                format!(r#"{{"data":{{"greeting":null,"items":[{item}]}},"event":"history"}}"#),
                format!("\t {{ \"event\" :\t\"history\" , \"data\" : {{ \"items\" : [ {item} ] }} }} "),
                format!(r#"{{"\u0065vent":"h\u0069story","d\u0061ta":{{"it\u0065ms":[{escaped}]}}}}"#),
            ],
        )
    }),
    Case::new("faults/large-history", "a history of many items, and a long item, are given whole", |t| {
        let items: Vec<Value> = (0..5000).map(|n| assistant(&format!("item {n}"))).collect();
        let long = "x".repeat(4 << 20);
        let script = answering([Step::line(history(&items))])
            .on("get_history", [Step::line(history(&[items.as_slice(), &[assistant(&long)]].concat()))]);
        let _pod = t.pod("worker", script)?;
        let text: Vec<String> = (0..5000).map(|n| format!("item {n}")).collect();
        t.read("worker")?.with_content(&text.join("\n\n"))?;
        t.read("worker")?.with_content(&long)?;
        Ok(())
    })
    .catches(&[Flaw::CutsText, Flaw::LosesCursors]),
];
