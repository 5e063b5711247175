//! ReadPodOutput, from the outside: the seed's wording, and what it does better (rows 3, 4, 5, 7, 8, 9, 19
//! and 20 of the list of the native tools' faults). Cursors have a file of their own, `read_cursor.rs`.

use crate::support::{Spawner, data, dead_socket, failed, hasty, patient};
use pod_tools_conformance::{FakePod, Script, Step, assistant, event, history, user};
use pod_tools_host::{ErrorKind, Reason, ToolError};
use serde_json::{Value, json};

/// A pod with that history.
fn with_history(spawner: &Spawner, items: &[Value]) -> FakePod {
    answering(spawner, [Step::line(history(items))])
}

/// A pod that answers the request for its history with these steps.
fn answering(spawner: &Spawner, steps: impl IntoIterator<Item = Step>) -> FakePod {
    FakePod::start(&spawner.place, "child", Script::new().on("get_history", steps)).unwrap()
}

fn forget_status(spawner: &Spawner) {
    std::fs::remove_file(spawner.place.base().join("child/status.json")).unwrap();
}

#[tokio::test]
async fn new_text_is_given_in_the_seeds_words_where_the_pod_does_not_tell_its_state() {
    let spawner = Spawner::new();
    let pod = with_history(&spawner, &[user("hello"), assistant("one\ntwo"), assistant("three")]);
    forget_status(&spawner);
    let output = spawner.read("child").await;
    assert_eq!(output.summary, "pod `child`: 4 new line(s) of assistant text");
    assert_eq!(output.content.as_deref(), Some("one\ntwo\n\nthree"));
    assert_eq!(
        data(&output),
        json!({
            "pod": "child", "state": "unknown", "new_items": 3, "remaining_items": 0, "rewritten": false,
            "unanswered": false,
        })
    );
    assert_eq!(pod.received(), [r#"{"method":"get_history"}"#]);
    assert_eq!(pod.connections(), 1);

    let output = spawner.read("child").await;
    assert_eq!(output.summary, "pod `child` running; no new assistant text");
    assert_eq!(output.content, None);
    assert_eq!(data(&output)["new_items"], 0);
}

/// Row 7: the native tool calls an idle pod "running".
#[tokio::test]
async fn the_state_that_the_pod_tells_is_told() {
    for (status, word, state) in [
        ("idle", "idle", "idle"),
        ("running", "running", "running"),
        ("paused", "paused", "paused"),
        ("asleep", "running", "unknown"),
    ] {
        let spawner = Spawner::new();
        let pod = with_history(&spawner, &[assistant("a\nb\nc")]);
        pod.set_status(status).unwrap();
        let output = spawner.read("child").await;
        let now = if state == "unknown" { String::new() } else { format!("; now {word}") };
        assert_eq!(output.summary, format!("pod `child`: 3 new line(s) of assistant text{now}"));
        assert_eq!(data(&output)["state"], state);
        let output = spawner.read("child").await;
        assert_eq!(output.summary, format!("pod `child` {word}; no new assistant text"));
    }
}

#[tokio::test]
async fn a_status_that_cannot_be_read_is_unknown() {
    let spawner = Spawner::new();
    let _pod = with_history(&spawner, &[]);
    let status = spawner.place.base().join("child/status.json");
    let target = spawner.place.root().join("elsewhere.json");
    std::fs::rename(&status, &target).unwrap();
    std::os::unix::fs::symlink(&target, &status).unwrap();
    assert_eq!(data(&spawner.read("child").await)["state"], "unknown", "behind a link");
    for content in [b"".as_slice(), b"{", b"[]", b"{\"state\":7}", b"\xff", b"{\"state\":\"Idle\"}"] {
        std::fs::remove_file(&status).unwrap();
        std::fs::write(&status, content).unwrap();
        let output = spawner.read("child").await;
        assert_eq!(output.summary, "pod `child` running; no new assistant text");
        assert_eq!(data(&output)["state"], "unknown", "{content:?}");
    }
}

/// Row 7: an idle pod whose newest item is the user's.
#[tokio::test]
async fn a_message_that_an_idle_pod_has_not_answered_is_told() {
    for (items, summary) in [
        (
            vec![assistant("a"), user("b")],
            "pod `child`: 1 new line(s) of assistant text; now idle; the last message has no answer",
        ),
        (vec![user("b")], "pod `child` idle; no new assistant text; the last message has no answer"),
        (vec![user("b"), assistant("a")], "pod `child`: 1 new line(s) of assistant text; now idle"),
    ] {
        let spawner = Spawner::new();
        let pod = with_history(&spawner, &items);
        let output = spawner.read("child").await;
        assert_eq!(output.summary, summary);
        assert_eq!(data(&output)["unanswered"], summary.contains("no answer"));
        let again = spawner.read("child").await;
        assert_eq!(again.summary.contains("no answer"), summary.contains("no answer"), "read again");
        pod.set_status("running").unwrap();
        assert!(!spawner.read("child").await.summary.contains("no answer"), "it may be at it");
    }
}

#[tokio::test]
async fn only_text_of_the_assistant_is_given() {
    let spawner = Spawner::new();
    let items = [
        user("not this"),
        json!({ "type": "message", "role": "system", "content": [{ "type": "text", "text": "nor this" }] }),
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
        json!({ "type": "message", "role": "assistant", "content": [] }),
        assistant("ä\u{1f600}\t\"\\"),
    ];
    let _pod = with_history(&spawner, &items);
    let output = spawner.read("child").await;
    assert_eq!(output.content.as_deref(), Some("first\n\nsecond\n\nä\u{1f600}\t\"\\"));
    assert_eq!(output.summary, "pod `child`: 5 new line(s) of assistant text; now idle");
}

/// Row 3: items and events of other generations.
#[tokio::test]
async fn items_and_events_of_other_generations_are_passed_over() {
    let spawner = Spawner::new();
    let image = json!({ "type": "message", "role": "assistant", "content": [
        { "type": "text", "text": "left out with the image" }, { "type": "image", "data": "…" },
    ] });
    let items = [
        assistant("one"),
        json!({ "type": "compaction", "upto": 7 }),
        json!("a text"),
        json!(null),
        json!([[]]),
        image,
        json!({ "type": "message", "role": "critic", "content": [{ "type": "text", "text": "unknown role" }] }),
        json!({ "type": "message", "role": "assistant", "status": "draft", "content": [{ "type": "text", "text": "unknown status" }] }),
        json!({ "type": "message", "role": "assistant", "content": "no list" }),
        assistant("two"),
    ];
    let greeting = event("greeting", json!({ "pod_name": "child", "banner": "x".repeat(1 << 20) }));
    let answer =
        json!({ "event": "history", "revision": 4, "data": { "greeting": 1, "items": items, "more": {} } });
    let script = Script::new().greeting([Step::line(greeting)]).on(
        "get_history",
        [Step::line(event("user_message", json!({ "text": "hello" }))), Step::line(answer)],
    );
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let output = spawner.read("child").await;
    assert_eq!(output.content.as_deref(), Some("one\n\ntwo"));
    assert_eq!(data(&output)["new_items"], 10);
}

/// Row 3, the other way round: a pod that is older than the method.
#[tokio::test]
async fn a_pod_that_does_not_know_the_method_is_an_error_that_quotes_it() {
    let spawner = Spawner::new();
    let answer = event("error", json!({ "code": "internal", "message": "invalid method: unknown variant" }));
    let _pod = answering(&spawner, [Step::line(answer), Step::Hang]);
    let message = "read `child`: the pod does not give its history: invalid method: unknown variant";
    assert_eq!(spawner.read_fails("child").await, failed(Reason::PodError, message));
}

#[tokio::test]
async fn errors_that_are_meant_for_other_clients_are_passed_over() {
    let spawner = Spawner::new();
    let error = |code: &str| Step::line(event("error", json!({ "code": code, "message": "not for us" })));
    let steps = [error("already_running"), error("internal"), Step::line(history(&[assistant("a")]))];
    let _pod = answering(&spawner, steps);
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_history_may_come_in_any_pieces() {
    let text = "ä\u{1f600}\n\"\\\u{1}".repeat(20);
    let line = format!("{}\r\n", history(&[user("u"), assistant(&text), json!({ "type": "new" })]));
    for size in [1, 2, 3, 7, 100, line.len()] {
        let spawner = Spawner::new();
        let _pod = answering(&spawner, [Step::Pieces(line.clone().into_bytes(), size)]);
        assert_eq!(spawner.read("child").await.content.as_ref(), Some(&text), "pieces of {size}");
    }
}

#[tokio::test]
async fn the_last_line_needs_no_end() {
    let spawner = Spawner::new();
    let _pod = answering(&spawner, [Step::text(history(&[assistant("a")]).to_string()), Step::Close]);
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("a"));
}

/// Row 4: stopped is what cannot be connected to.
#[tokio::test]
async fn a_pod_that_cannot_be_connected_to_is_stopped() {
    let spawner = Spawner::new();
    for name in ["gone", "dead"] {
        spawner.place.record(spawner.place.native_record(name)).unwrap();
    }
    dead_socket(&spawner.place.socket("dead"));
    for name in ["gone", "dead"] {
        let output = spawner.read(name).await;
        assert_eq!(output.summary, format!("pod `{name}` is stopped (unreachable)"));
        assert_eq!(output.content, None);
        assert_eq!(data(&output)["state"], "stopped");
    }
}

/// Row 4: the native tool calls a pod stopped after any fault. And the cursor stays.
#[tokio::test]
async fn a_pod_that_answers_wrongly_or_not_at_all_is_an_error_and_its_cursor_stays() {
    let before = history(&[assistant("before")]);
    let whole = history(&[assistant("before"), assistant("after")]).to_string();
    let half = &whole[..whole.len() - 20];
    let timed_out = "read timed out after 300ms (set operation time)";
    let not = "the pod sent a line that is not";
    for (steps, reason, message) in [
        (vec![Step::Hang], Reason::SocketTimeout, timed_out),
        (vec![Step::text(half), Step::Hang], Reason::SocketTimeout, timed_out),
        (vec![Step::Close], Reason::Closed, "connection closed before response"),
        (
            vec![Step::text(half), Step::Close],
            Reason::Closed,
            "connection closed before response, within a line",
        ),
        (vec![Step::text("history\n"), Step::Hang], Reason::Protocol, not),
        (vec![Step::Send(b"{\"event\":\"\xff\"}\n".to_vec())], Reason::Protocol, not),
        (vec![Step::text(format!("{half}\n"))], Reason::Protocol, not),
        (vec![Step::text(whole.replace("after", "\u{1}"))], Reason::Protocol, not),
        (vec![Step::line(json!({ "event": "history" }))], Reason::Protocol, not),
        (vec![Step::line(event("history", json!({ "items": {} })))], Reason::Protocol, not),
        (vec![Step::line(event("history", json!({ "items": "none" })))], Reason::Protocol, not),
        (
            vec![Step::text("{\"event\":\"history\",\"data\":{\"items\":[],\"items\":[]}}\n")],
            Reason::Protocol,
            not,
        ),
    ] {
        let mut spawner = Spawner::new();
        let script = Script::new()
            .on("get_history", [Step::line(before.clone())])
            .on("get_history", steps.clone())
            .on("get_history", [Step::text(format!("{whole}\n"))]);
        let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
        assert_eq!(spawner.read("child").await.content.as_deref(), Some("before"));
        if reason == Reason::SocketTimeout {
            spawner.reopen(hasty());
        }
        let error = spawner.read_fails("child").await;
        spawner.reopen(patient());
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(reason)), "{steps:?}");
        assert!(error.message.starts_with(&format!("read `child`: {message}")), "{steps:?}: {error}");
        assert_eq!(spawner.read("child").await.content.as_deref(), Some("after"), "{steps:?}");
    }
}

#[tokio::test]
async fn a_full_backlog_is_no_stopped_pod() {
    let spawner = Spawner::limited(hasty());
    let _pod = FakePod::start(&spawner.place, "child", Script::new().never_accepting(0)).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(spawner.place.socket("child")).unwrap();
    let message = "read `child`: connect timed out after 300ms (set operation time)";
    assert_eq!(spawner.read_fails("child").await, failed(Reason::SocketTimeout, message));
}

/// Row 5: the native tool skips output when compaction has changed the history.
#[tokio::test]
async fn a_history_that_was_rewritten_is_given_from_its_start_and_that_is_told() {
    let read = [user("a"), assistant("b"), user("c"), assistant("d")];
    for (rewritten, content, lines) in [
        // Shorter, as long, and longer than what was read.
        (vec![assistant("sum")], "sum", 1),
        (vec![user("a"), assistant("B"), user("c"), assistant("d")], "B\n\nd", 3),
        (vec![assistant("sum"), user("c"), assistant("d"), user("e"), assistant("f")], "sum\n\nd\n\nf", 5),
    ] {
        let spawner = Spawner::new();
        let script = Script::new()
            .on("get_history", [Step::line(history(&read))])
            // It is asked again when the beginning turns out to be another one.
            .on("get_history", [Step::line(history(&rewritten))]);
        let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
        assert_eq!(spawner.read("child").await.content.as_deref(), Some("b\n\nd"));
        let output = spawner.read("child").await;
        assert_eq!(
            output.summary,
            format!(
                "pod `child`: {lines} new line(s) of assistant text; now idle; history was rewritten, given from \
                 its start"
            )
        );
        assert_eq!(output.content.as_deref(), Some(content));
        assert_eq!(data(&output)["rewritten"], true);
        assert_eq!(spawner.read("child").await.summary, "pod `child` idle; no new assistant text");
    }
}

#[tokio::test]
async fn a_history_that_was_emptied_is_a_rewritten_one_too() {
    let spawner = Spawner::new();
    let script = Script::new()
        .on("get_history", [Step::line(history(&[assistant("a")]))])
        .on("get_history", [Step::line(history(&[]))]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    spawner.read("child").await;
    let expected = "pod `child` idle; no new assistant text; history was rewritten, given from its start";
    assert_eq!(spawner.read("child").await.summary, expected);
    assert_eq!(spawner.read("child").await.summary, "pod `child` idle; no new assistant text");
}

/// Row 8: a chatty pod holds a call of the native tool for ever.
#[tokio::test]
async fn a_pod_that_goes_on_talking_runs_out_of_the_calls_time() {
    let mut limits = patient();
    limits.call_time = std::time::Duration::from_millis(500);
    let spawner = Spawner::limited(limits);
    let chatter = b"{\"event\":\"text_delta\",\"data\":{\"text\":\"x\"}}\n".repeat(64);
    let _pod = answering(&spawner, [Step::Repeat(chatter)]);
    let error = spawner.read_fails("child").await;
    assert_eq!((error.kind, error.reason), (ErrorKind::Timeout, None));
    assert!(error.message.contains("the call took longer than 500ms"), "{error}");
}

/// Row 9: an endless line fills the memory of the native tool.
#[tokio::test]
async fn a_line_without_an_end_reaches_the_limit() {
    for beginning in ["", "{\"event\":\"", "{\"event\":\"history\",\"data\":{\"items\":[\""] {
        let mut limits = patient();
        limits.line = 1 << 20;
        let spawner = Spawner::limited(limits);
        // Of digits, this is JSON from its beginning on.
        let _pod = answering(&spawner, [Step::text(beginning), Step::Repeat(vec![b'1'; 4096])]);
        let message = "read `child`: the pod sent a line of more than 1048576 bytes (set line)";
        assert_eq!(spawner.read_fails("child").await, ToolError::new(ErrorKind::Limit, None, message));
    }
}

#[tokio::test]
async fn a_long_history_is_read_within_little_memory() {
    let mut limits = patient();
    limits.memory = 24 << 20;
    let spawner = Spawner::limited(limits);
    let filler =
        json!({ "type": "tool_result", "call_id": "1", "summary": "s", "content": "x".repeat(1 << 20) });
    let mut items = vec![filler; 64];
    items.push(assistant("the end"));
    let _pod = with_history(&spawner, &items);
    let output = spawner.read("child").await;
    assert_eq!(output.content.as_deref(), Some("the end"));
    assert_eq!(data(&output)["new_items"], 65);
    assert_eq!(spawner.read("child").await.summary, "pod `child` idle; no new assistant text");
}

/// Row 19: a pod that has much to send before it reads.
#[tokio::test]
async fn a_large_replay_comes_before_the_history() {
    let spawner = Spawner::new();
    let notification = event(
        "notification",
        json!({ "level": "warn", "source": "pod", "message": "m".repeat(16 << 10), "timestamp_ms": 1 }),
    );
    let script = Script::new()
        .greeting(vec![Step::line(notification); 512])
        .on("get_history", [Step::line(history(&[assistant("a")]))]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("a"));
}

/// Row 20: the native tool gives the whole output at once, whatever its size.
#[tokio::test]
async fn a_bound_on_the_output_gives_whole_items_and_says_how_many_are_left() {
    let mut limits = patient();
    limits.output = Some(10);
    let spawner = Spawner::limited(limits);
    let items = [
        user("u"),
        assistant("1234"),
        assistant("5678"),
        assistant("longer than the bound"),
        user("v"),
        assistant("é"),
    ];
    let _pod = with_history(&spawner, &items);
    let mut given = Vec::new();
    for (summary, remaining) in [
        ("pod `child`: 3 new line(s) of assistant text; now idle; 3 more item(s) to read", 3),
        // One item at least, whatever its size; the user's message behind it comes along.
        ("pod `child`: 1 new line(s) of assistant text; now idle; 1 more item(s) to read", 1),
        ("pod `child`: 1 new line(s) of assistant text; now idle", 0),
    ] {
        let output = spawner.read("child").await;
        assert_eq!(output.summary, summary);
        assert_eq!(data(&output)["remaining_items"], remaining);
        given.extend(output.content);
    }
    assert_eq!(given, ["1234\n\n5678", "longer than the bound", "é"]);
    assert_eq!(spawner.read("child").await.summary, "pod `child` idle; no new assistant text");
}

#[tokio::test]
async fn a_rewritten_history_and_a_bound_are_both_told() {
    let mut limits = patient();
    limits.output = Some(1);
    let spawner = Spawner::limited(limits);
    let script = Script::new()
        .on("get_history", [Step::line(history(&[assistant("a")]))])
        .on("get_history", [Step::line(history(&[assistant("b"), assistant("c")]))]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    spawner.read("child").await;
    assert_eq!(
        spawner.read("child").await.summary,
        "pod `child`: 1 new line(s) of assistant text; now idle; history was rewritten, given from its start; \
         1 more item(s) to read"
    );
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("c"));
}

#[tokio::test]
async fn what_is_no_input_and_what_is_no_pod_is_an_invalid_argument() {
    let spawner = Spawner::new();
    let expected =
        ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, "no spawned pod named `nobody`");
    assert_eq!(spawner.read_fails("nobody").await, expected);
    for input in [json!({}), json!({ "name": null }), json!(["child"]), json!(null)] {
        let error = spawner.call("ReadPodOutput", input.clone()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{input}");
        assert!(error.message.starts_with("invalid ReadPodOutput input: "), "{input}: {error}");
    }
}
