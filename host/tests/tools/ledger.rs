//! The ledger of a call: what it asked for, what it was told, and the bytes on the wire, however it ended.

use crate::support::{Spawner, patient, tools};
use pod_tools_conformance::{FakePod, Script, Step, assistant, history};
use pod_tools_host::{Decision, Ledger, Operation};
use serde_json::json;

/// What was asked for, as verb, pod, decision and how often, whatever it was in words.
fn asked(ledger: &Ledger) -> Vec<(&'static str, Option<String>, Decision)> {
    let mut asked: Vec<_> =
        ledger.requests().into_iter().map(|r| (r.verb.as_str(), r.pod, r.decision)).collect();
    asked.dedup();
    asked
}

#[tokio::test]
async fn a_call_that_went_well_has_its_verbs_its_pod_and_every_byte_of_the_wire() {
    let spawner = Spawner::with(&["send,read", "list"], patient());
    let answer = format!("{}\n", history(&[assistant("hello")]));
    let script = Script::new().on("get_history", [Step::text(answer.clone())]);
    let pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let ledger = Ledger::new();
    let authority = spawner.authority.recorded_in(&ledger);
    tools().call(&authority, "ReadPodOutput", r#"{"name":"child"}"#).await.unwrap();
    assert_eq!(asked(&ledger), [("read", Some("child".to_owned()), Decision::Allowed)]);
    assert_eq!(ledger.bytes_to_pods(), pod.received()[0].len() as u64 + 1);
    assert_eq!(ledger.bytes_from_pods(), answer.len() as u64);

    let listing = Ledger::new();
    tools().call(&spawner.authority.recorded_in(&listing), "ListPods", "").await.unwrap();
    assert_eq!(
        asked(&listing),
        [("list", None, Decision::Allowed), ("list", Some("child".to_owned()), Decision::Allowed)]
    );
    assert_eq!((listing.bytes_to_pods(), listing.bytes_from_pods()), (0, 0));
}

#[tokio::test]
async fn a_transcript_is_accounted_for_like_a_call() {
    let spawner = Spawner::with(&["read:child"], patient());
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("hello")]))]);
    let pod = FakePod::start(&spawner.place, "child", script).unwrap();
    let (given, denied) = (Ledger::new(), Ledger::new());
    tools().transcript(&spawner.authority.recorded_in(&given), "child").await.unwrap();
    assert_eq!(asked(&given), [("read", Some("child".to_owned()), Decision::Allowed)]);
    assert_eq!(given.bytes_to_pods(), pod.received()[0].len() as u64 + 1);
    tools().transcript(&spawner.authority.recorded_in(&denied), "other").await.unwrap_err();
    assert_eq!(asked(&denied), [("read", Some("other".to_owned()), Decision::Denied)]);
}

#[tokio::test]
async fn a_denied_call_leaves_the_name_that_it_guessed_whether_or_not_there_is_such_a_pod() {
    let spawner = Spawner::with(&["list"], patient());
    let _pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    for name in ["child", "nobody"] {
        let ledger = Ledger::new();
        let authority = spawner.authority.recorded_in(&ledger);
        tools().call(&authority, "StopPod", &json!({ "name": name }).to_string()).await.unwrap_err();
        assert_eq!(asked(&ledger), [("stop", Some(name.to_owned()), Decision::Denied)]);
        assert_eq!(ledger.requests()[0].operation, Operation::StopPod);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_what_it_had_done_by_then() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    let ledger = Ledger::new();
    let authority = spawner.authority.recorded_in(&ledger);
    let call = tokio::spawn(async move { tools().call(&authority, "StopPod", r#"{"name":"child"}"#).await });
    let pod = tokio::task::spawn_blocking(move || {
        pod.await_lines(1);
        pod
    });
    let pod = pod.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(asked(&ledger), [("stop", Some("child".to_owned()), Decision::Allowed)]);
    assert_eq!(ledger.bytes_to_pods(), pod.received()[0].len() as u64 + 1);
}
