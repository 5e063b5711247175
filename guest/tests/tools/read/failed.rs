//! What ReadPodOutput tells of turns that failed: from the history, and from what the pod says to all clients.

use pod_tools_guest::host::State;
use serde_json::{Value, json};

use crate::read::reader::{assistant, gives, giving, read, then, user};
use crate::scripted::{Pod, data, history, host, pod, says};

/// The item behind a turn that failed.
fn failure(reason: &str) -> String {
    json!({"type": "turn_failed", "reason": reason}).to_string()
}

/// An answer that was not completed.
fn incomplete(text: &str) -> String {
    let content = json!([{"type": "text", "text": text}]);
    json!({"status": "incomplete", "type": "message", "role": "assistant", "content": content}).to_string()
}

/// An idle pod that gives these items, once.
fn idle(items: &[&str]) -> Pod {
    giving(items).in_state(State::Idle)
}

fn error(code: &str, message: &str) -> String {
    format!("{}\n", json!({"event": "error", "data": {"code": code, "message": message}}))
}

#[test]
fn why_the_last_turn_failed_is_told_behind_its_text_and_in_each_read_until_there_is_another() {
    let (q, half, failed) = (user("q"), incomplete("half"), failure("exit status 3: quota exceeded"));
    let items = [q.as_str(), &half, &failed];
    let host = host([idle(&items)]);
    let suffix = "; the last turn failed: exit status 3: quota exceeded";
    let output = read(&host).unwrap();
    gives(&output, &format!("pod `x`: 1 new line(s) of assistant text; now idle{suffix}"), Some("half"));
    assert_eq!(data(&output)["failed"], json!({"reason": "exit status 3: quota exceeded", "last": true}));

    for _ in 0..2 {
        then(&host, &items);
        let output = read(&host).unwrap();
        gives(&output, &format!("pod `x` idle; no new assistant text{suffix}"), None);
        assert_eq!(data(&output)["failed"]["last"], true);
    }
    let answer = assistant("whole");
    then(&host, &[items[0], items[1], items[2], &q, &answer]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x`: 1 new line(s) of assistant text; now idle", Some("whole"));
    assert_eq!(data(&output).get("failed"), None);
}

#[test]
fn a_turn_that_failed_without_text_is_told_however_the_item_is_written_and_cut() {
    let question = user("q");
    for item in [
        r#"{"type":"turn_failed","reason":"why"}"#,
        r#"{"reason":"why","type":"turn_failed","new":{"reason":"no"}}"#,
        r#"{ "reason" : "no", "type" : "x", "reason" : "w\u0068y", "type" : "turn_failed" }"#,
    ] {
        for size in [1, 7, 10_000] {
            let line = history(&[&question, item]);
            let host =
                host([pod("x").in_state(State::Idle).answering(line.as_bytes().chunks(size).map(says))]);
            gives(
                &read(&host).unwrap(),
                "pod `x` idle; no new assistant text; the last turn failed: why",
                None,
            );
        }
    }
    for (item, reason) in [
        (r#"{"type":"turn_failed"}"#, "no reason is given"),
        (r#"{"type":"turn_failed","reason":["why"]}"#, "no reason is given"),
    ] {
        let suffix = format!("; the last turn failed: {reason}");
        let output = read(&host([idle(&[&question, item])])).unwrap();
        gives(&output, &format!("pod `x` idle; no new assistant text{suffix}"), None);
    }
}

#[test]
fn an_incomplete_answer_of_a_pod_of_another_make_is_a_turn_that_failed() {
    let (q, half, whole) = (user("q"), incomplete("half"), assistant("whole"));
    let suffix = "; the last turn failed: its answer is incomplete";
    let output = read(&host([idle(&[&q, &half])])).unwrap();
    gives(&output, &format!("pod `x`: 1 new line(s) of assistant text; now idle{suffix}"), Some("half"));
    // A part of an answer that went on.
    let output = read(&host([idle(&[&q, &half, &whole])])).unwrap();
    gives(&output, "pod `x`: 3 new line(s) of assistant text; now idle", Some("half\n\nwhole"));
    // Somebody else's incomplete message is no answer.
    let system = half.replace("assistant", "system");
    gives(&read(&host([idle(&[&system])])).unwrap(), "pod `x` idle; no new assistant text", None);
}

#[test]
fn a_turn_that_failed_before_others_is_told_once() {
    let (q, failed, answer) = (user("q"), failure("exit status 1"), assistant("a"));
    let items = [q.as_str(), &failed, &q, &answer];
    let host = host([idle(&items)]);
    let output = read(&host).unwrap();
    gives(
        &output,
        "pod `x`: 1 new line(s) of assistant text; now idle; a turn failed: exit status 1",
        Some("a"),
    );
    assert_eq!(data(&output)["failed"], json!({"reason": "exit status 1", "last": false}));
    then(&host, &items);
    gives(&read(&host).unwrap(), "pod `x` idle; no new assistant text", None);
}

#[test]
fn a_running_pod_is_told_of_what_is_new_only() {
    let (q, failed) = (user("q"), failure("cancelled"));
    let host = host([giving(&[&q, &failed]).in_state(State::Running)]);
    let output = read(&host).unwrap();
    gives(&output, "pod `x` running; no new assistant text; the last turn failed: cancelled", None);
    then(&host, &[&q, &failed]);
    gives(&read(&host).unwrap(), "pod `x` running; no new assistant text", None);
}

#[test]
fn a_failure_behind_an_answer_that_was_given_in_parts_is_told_with_the_last_part() {
    let (half, failed) = (incomplete("bbbbb"), failure("killed by signal 9"));
    let mut host = host([idle(&[&half, &failed])]);
    host.bounds.max_output = Some(4);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; now idle; 2 more item(s) to read; the text breaks off within an \
         item, and the next read goes on from there",
        Some("bbbb"),
    );
    then(&host, &[&half, &failed]);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; now idle; the last turn failed: killed by signal 9",
        Some("b"),
    );
}

#[test]
fn a_failure_behind_what_fits_waits_for_the_next_read() {
    let (a, half, failed) = (assistant("aaaa"), incomplete("bbbb"), failure("killed by signal 9"));
    let items = [a.as_str(), &half, &failed];
    let mut host = host([idle(&items)]);
    host.bounds.max_output = Some(4);
    let output = read(&host).unwrap();
    gives(
        &output,
        "pod `x`: 1 new line(s) of assistant text; now idle; 2 more item(s) to read",
        Some("aaaa"),
    );
    then(&host, &items);
    gives(
        &read(&host).unwrap(),
        "pod `x`: 1 new line(s) of assistant text; now idle; the last turn failed: killed by signal 9",
        Some("bbbb"),
    );
}

#[test]
fn what_the_pod_says_to_all_clients_of_a_turn_that_failed_is_told() {
    let question = user("q");
    let summary = |steps: &[String]| {
        let pod = pod("x").in_state(State::Idle).answering(steps.iter().map(String::as_str).map(says));
        let output = read(&host([pod])).unwrap();
        (output.summary.clone(), data(&output).get("failed").cloned().unwrap_or(Value::Null))
    };
    let given = history(&[&question]);
    let unanswered = "pod `x` idle; no new assistant text; the last message has no answer";
    let turn = "{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n".to_owned();
    let provider = error("provider_error", "overloaded\n");
    assert_eq!(
        summary(&[provider.clone(), given.clone()]),
        (
            format!("{unanswered}; the last turn failed: overloaded\\n"),
            json!({"reason": "overloaded\n", "last": true})
        )
    );
    assert_eq!(
        summary(&[error("internal", "Cancelled"), given.clone()]).0,
        format!("{unanswered}; the last turn failed: cancelled")
    );
    let end = |result: &str| format!("{}\n", json!({"event": "run_end", "data": {"result": result}}));
    assert_eq!(
        summary(&[end("limit_reached"), given.clone()]).0,
        format!("{unanswered}; the last turn failed: too long: it reached its limit")
    );
    // Another turn has begun since, or what was said is an answer to somebody else.
    for steps in [
        vec![provider.clone(), turn, given.clone()],
        vec![error("already_running", "no"), given.clone()],
        vec![error("tool_error", "no"), error("internal", "Cancelled?"), given.clone()],
        vec![end("finished"), end("paused"), given.clone()],
    ] {
        assert_eq!(summary(&steps), (unanswered.to_owned(), Value::Null), "{steps:?}");
    }
    // What the history says of the last turn counts for more.
    let with_reason = history(&[&question, &failure("exit status 3")]);
    assert!(summary(&[provider, with_reason]).0.ends_with("text; the last turn failed: exit status 3"));
}

#[test]
fn a_reason_is_shown_on_one_line_and_bounded() {
    let reason = format!("\u{1b}[31mone\ntwo\u{202e}{}", "é".repeat(5000));
    let output = read(&host([idle(&[&failure(&reason)])])).unwrap();
    let told = output.summary.split_once("the last turn failed: ").unwrap().1;
    assert!(told.starts_with("\\u{1b}[31mone\\ntwo\\u{202e}éé"), "{told}");
    assert!(told.len() < 3000 && output.data.len() < 6000, "{} and {} bytes", told.len(), output.data.len());
}
