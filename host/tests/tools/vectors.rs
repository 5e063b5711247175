//! The component scans strings with vector instructions; natively, where the guest's own tests run, other code
//! does the same. Here the instructions themselves: what means something to a scanner, at each place of a vector.

use crate::support::Spawner;
use pod_tools_conformance::{FakePod, Script, Step, assistant, history, user};
use pod_tools_host::Reason;
use serde_json::{Value, json};

/// How many bytes the scanner takes at once.
const BLOCK: usize = 64;

/// Texts and other items with everything that a scanner looks at, at each place of a block.
fn items() -> Vec<Value> {
    let specials =
        ["\"", "\\", "\\\"", "\"}]}", "\n", "\t\u{1}\u{1f}", "{[", "é", "😀\u{2028}", "\u{7f} !#[]^"];
    (0..BLOCK)
        .flat_map(|at| {
            let before = "x".repeat(at);
            let texts =
                specials.map(|special| assistant(&format!("{before}{special}and what follows {special}")));
            let call = json!({
                "type": "tool_call", "call_id": before, "name": "Edit", "arguments": "{\"a\":[\"}\\\\\"]}",
            });
            texts.into_iter().chain([user(&before), call])
        })
        .collect()
}

/// A pod that sends these lines, one for each connection.
fn pod(spawner: &Spawner, lines: impl IntoIterator<Item = String>) -> FakePod {
    let script = lines
        .into_iter()
        .fold(Script::new(), |script, line| script.on("get_history", [Step::text(line + "\n")]));
    FakePod::start(&spawner.place, "child", script).unwrap()
}

#[tokio::test]
async fn what_means_something_to_a_scanner_is_found_wherever_it_stands() {
    let items = items();
    let text = |items: &[Value]| {
        let texts = items.iter().filter(|item| item["role"] == "assistant");
        let texts: Vec<&str> = texts.map(|item| item["content"][0]["text"].as_str().unwrap()).collect();
        texts.join("\n\n")
    };
    for read in [0, 1, items.len() / 2, items.len()] {
        let spawner = Spawner::new();
        let histories = [&items[..read], &items];
        let _pod = pod(&spawner, histories.map(|items| history(items).to_string()));
        assert_eq!(spawner.read("child").await.content.unwrap_or_default(), text(&items[..read]));
        let output = spawner.read("child").await;
        assert!(!output.summary.contains("rewritten"), "{}", output.summary);
        assert_eq!(output.content.unwrap_or_default(), text(&items[read..]));
    }
}

#[tokio::test]
async fn a_control_character_is_refused_wherever_it_stands_and_whether_the_item_is_new() {
    let good = history(&[assistant(&"x".repeat(2 * BLOCK)), user("y")]).to_string();
    let first = good.find("xx").unwrap();
    let bad = |at| format!("{}\u{1}{}", &good[..first + at], &good[first + at + 1..]);
    let spawner = Spawner::new();
    let all = || (0..BLOCK).map(bad);
    // What was read before is told by its digest first, and then the history is read again.
    let twice = all().flat_map(|bad| [bad.clone(), bad]);
    let _pod = pod(&spawner, all().chain([good.clone()]).chain(twice));
    for is_new in [true, false] {
        for at in 0..BLOCK {
            let error = spawner.read_fails("child").await;
            assert_eq!(error.reason, Some(Reason::Protocol), "{error}");
            let place = format!("a control character within a string (byte {}", first + at);
            assert!(error.message.contains(&place), "{error}");
        }
        if is_new {
            assert!(spawner.read("child").await.content.is_some());
        }
    }
}
