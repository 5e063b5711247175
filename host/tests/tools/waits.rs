//! Waiting, by many at once, and given up.

use pod_tools_conformance::{FakePod, Script, Step, assistant, event, history};
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};

use crate::support::{Spawner, data, delivered, tools};

/// Callers that wait at once.
const CALLERS: usize = 100;

/// A pod in a run that ends when the gate `end` is opened.
fn at_work(spawner: &Spawner) -> FakePod {
    let script = Script::new()
        .greeting([
            Step::Wait("end".into()),
            Step::Status("idle".into()),
            Step::line(event("run_end", json!({ "result": "finished" }))),
        ])
        .on("get_history", [Step::line(history(&[assistant("done")]))]);
    let pod = FakePod::start(&spawner.place, "child", script).unwrap();
    pod.set_status("running").unwrap();
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_at_once_are_all_told_when_the_run_has_ended() {
    let spawner = Spawner::new();
    let pod = at_work(&spawner);
    let input = json!({ "name": "child", "wait_seconds": 100 }).to_string();
    let mut calls = JoinSet::new();
    for _ in 0..CALLERS {
        let (authority, input) = (spawner.authority.clone(), input.clone());
        calls.spawn(async move { tools().call(&authority, "ReadPodOutput", &input).await });
    }
    block_in_place(|| pod.await_connections(CALLERS));
    pod.open_gate("end");
    while let Some(answer) = calls.join_next().await {
        let output = delivered(answer.unwrap().unwrap()).await;
        assert_eq!((&data(&output)["waited"], &data(&output)["state"]), (&json!("ended"), &json!("idle")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_given_up_lets_go_of_its_pod() {
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    pod.set_status("running").unwrap();
    let authority = spawner.authority.clone();
    let input = json!({ "names": ["child"], "wait_seconds": 100 }).to_string();
    let call = tokio::spawn(async move { tools().call(&authority, "WaitForPods", &input).await });
    block_in_place(|| pod.await_connections(1));
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    block_in_place(|| pod.await_closed(1));
}
