//! The read cursor, as the library moves it: when an answer has been delivered, in whatever order that is,
//! and so that neither of two readers misses anything.

use std::fs::File;

use crate::support::{Spawner, data, delivered, over, patient, tools};
use pod_tools_conformance::{FakePod, Script, Step, assistant, history};
use pod_tools_host::registry::{MemoryRegistry, Record};
use pod_tools_host::scope::{Permission, ScopeRule};
use pod_tools_host::{Authority, Reason};
use serde_json::{Value, json};

/// A pod whose history has one item more each time it is asked for it; the last one then stays.
fn growing(spawner: &Spawner, items: &[&str]) -> FakePod {
    let items: Vec<Value> = items.iter().map(|text| assistant(text)).collect();
    let script = (1..=items.len()).fold(Script::new(), |script, count| {
        script.on("get_history", [Step::line(history(&items[..count]))])
    });
    FakePod::start(&spawner.place, "child", script).unwrap()
}

fn name() -> Value {
    json!({ "name": "child" })
}

fn cursors(spawner: &Spawner) -> Option<String> {
    std::fs::read_to_string(spawner.place.runtime_dir().join("read_cursors.json")).ok()
}

/// A cursor that moved before the text is delivered would lose it.
#[tokio::test]
async fn text_that_was_not_delivered_is_given_again() {
    let spawner = Spawner::new();
    let _pod = growing(&spawner, &["a", "b"]);
    let answer = spawner.call("ReadPodOutput", name()).await.unwrap();
    assert_eq!(answer.output().content.as_deref(), Some("a"));
    drop(answer);
    assert_eq!(cursors(&spawner), None, "nothing was stored");
    let answer = spawner.call("ReadPodOutput", name()).await.unwrap();
    assert_eq!(answer.output().content.as_deref(), Some("a\n\nb"));
    answer.delivered().await.unwrap();
    assert_eq!(spawner.read("child").await.content, None);
}

/// Readers that race may repeat text, and lose none.
#[tokio::test]
async fn of_two_readers_at_once_both_get_the_text_and_neither_makes_the_other_miss_any() {
    for first_delivers_first in [true, false] {
        let spawner = Spawner::new();
        let _pod = growing(&spawner, &["a", "b", "c"]);
        let first = spawner.call("ReadPodOutput", name()).await.unwrap();
        let second = spawner.call("ReadPodOutput", name()).await.unwrap();
        assert_eq!(first.output().content.as_deref(), Some("a"));
        assert_eq!(second.output().content.as_deref(), Some("a\n\nb"));
        let order = if first_delivers_first { [first, second] } else { [second, first] };
        for answer in order {
            answer.delivered().await.unwrap();
        }
        // The reader who got less does not set back the one who got more.
        assert_eq!(spawner.read("child").await.content.as_deref(), Some("c"), "{first_delivers_first}");
    }
}

#[tokio::test]
async fn calls_at_the_same_time_lose_nothing() {
    let spawner = Spawner::new();
    let _pod = growing(&spawner, &["a", "b", "c", "d"]);
    let (first, second) =
        tokio::join!(spawner.call("ReadPodOutput", name()), spawner.call("ReadPodOutput", name()));
    let (first, second) = (delivered(first.unwrap()).await, delivered(second.unwrap()).await);
    let (first, second) = (first.content.unwrap(), second.content.unwrap());
    // Which pod's answer came first is the kernel's to say; both begin at the start.
    assert!(first.starts_with('a') && second.starts_with('a'), "{first:?} {second:?}");
    let (third, read) = (spawner.read("child").await.content, first.len().max(second.len()));
    let whole = "a\n\nb\n\nc";
    assert_eq!(third.as_deref(), Some(&whole[read + 2..]), "nothing twice, nothing missed");
}

/// Where the history was rewritten meanwhile, an answer that is delivered late does not hide the new one.
#[tokio::test]
async fn an_answer_that_is_delivered_late_does_not_hide_a_rewritten_history() {
    let spawner = Spawner::new();
    let script = Script::new()
        .on("get_history", [Step::line(history(&[assistant("a"), assistant("b"), assistant("c")]))])
        .on("get_history", [Step::line(history(&[assistant("sum")]))]);
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let late = spawner.call("ReadPodOutput", name()).await.unwrap();
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("sum"));
    late.delivered().await.unwrap();
    // Repeated, and said so; not lost.
    let output = spawner.read("child").await;
    assert_eq!(output.content.as_deref(), Some("sum"));
    assert_eq!(data(&output)["rewritten"], true);
}

#[tokio::test]
async fn an_answer_that_is_delivered_after_the_pod_was_stopped_leaves_no_cursor_behind() {
    let spawner = Spawner::new();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("a")]))]).stopping();
    let _pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let late = spawner.call("ReadPodOutput", name()).await.unwrap();
    spawner.stop("child").await;
    late.delivered().await.unwrap();
    assert!(cursors(&spawner).is_none_or(|text| !text.contains("child")));
}

#[tokio::test]
async fn an_answer_that_is_delivered_late_gives_no_cursor_to_the_next_pod_of_the_name() {
    let spawner = Spawner::new();
    let script = || {
        Script::new()
            .on("get_history", [Step::line(history(&[assistant("a")]))])
            .on("get_history", [Step::line(history(&[assistant("a"), assistant("b")]))])
            .stopping()
    };
    let pod = FakePod::start(&spawner.place, "child", script()).unwrap();
    spawner.read("child").await;
    let late = spawner.call("ReadPodOutput", name()).await.unwrap();
    spawner.stop("child").await;
    drop(pod);
    let _next = FakePod::start(&spawner.place, "child", script()).unwrap();
    late.delivered().await.unwrap();
    let output = spawner.read("child").await;
    assert_eq!(output.content.as_deref(), Some("a"));
    assert_eq!(data(&output)["rewritten"], false);
}

/// A process that holds the registry's lock does not hold up a reader for ever.
#[tokio::test]
async fn a_cursor_that_cannot_be_stored_is_told_and_the_text_is_given_again() {
    let mut limits = patient();
    limits.operation_time = std::time::Duration::from_secs(2);
    let spawner = Spawner::limited(limits);
    let _pod = growing(&spawner, &["a"]);
    let lock = File::create(spawner.place.runtime_dir().join("spawned_pods.lock")).unwrap();
    lock.lock().unwrap();
    let answer = spawner.call("ReadPodOutput", name()).await.unwrap();
    let error = answer.delivered().await.unwrap_err();
    assert_eq!(error.reason, Some(Reason::LockBusy));
    let beginning = "the read cursor of pod `child` was not stored, its text will be given again: ";
    assert!(error.message.starts_with(beginning), "{error}");
    lock.unlock().unwrap();
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("a"));
    assert_eq!(spawner.read("child").await.content, None);
}

#[tokio::test]
async fn a_registry_in_memory_keeps_cursors_by_the_same_rules() {
    let spawner = Spawner::new();
    let _pod = growing(&spawner, &["a", "b"]);
    let record = Record {
        pod_name: "in memory".into(),
        socket_path: spawner.place.socket("child"),
        scope_delegated: vec![ScopeRule {
            target: "/work".into(),
            permission: Permission::Read,
            recursive: false,
        }],
        callback_address: None,
        fence: None,
    };
    let authority: Authority = over(&spawner.place, &["list,read"])
        .registry([record].into_iter().collect::<MemoryRegistry>())
        .limits(patient())
        .build()
        .unwrap();
    let read = async || {
        let input = json!({ "name": "in memory" }).to_string();
        tools().call(&authority, "ReadPodOutput", &input).await.unwrap()
    };
    drop(read().await);
    assert_eq!(delivered(read().await).await.content.as_deref(), Some("a\n\nb"));
    assert_eq!(delivered(read().await).await.content, None);
    let list = tools().call(&authority, "ListPods", "").await.unwrap();
    assert_eq!(list.output().content.as_deref(), Some("in memory [alive] scope=read:/work [non-recursive]"));
}
