//! An authority that another replaces: what is revoked is denied to calls that run, and nothing is given to
//! them.

use crate::support::{Spawner, over, patient, tools};
use pod_tools_conformance::{FakePod, Script, Step, event};
use pod_tools_host::{Answer, ErrorKind, Reason, ToolError};
use serde_json::Value;

/// A pod that shuts down when its gate is opened.
fn gated() -> Script {
    Script::new().on(
        "shutdown",
        [
            Step::Wait("go".to_owned()),
            Step::StopListening,
            Step::line(event("shutdown", Value::Null)),
            Step::Close,
        ],
    )
}

/// Stops the pod `child`, with an authority that is replaced by each of these in turn before the pod answers.
async fn stop_while(spawner: &Spawner, replacements: &[&[&str]]) -> Result<Answer, ToolError> {
    let pod = FakePod::start(&spawner.place, "child", gated()).unwrap();
    spawner.place.write_table(&[spawner.place.stale_allocation("child")]).unwrap();
    let authority = spawner.authority.clone();
    let call = tokio::spawn(async move { tools().call(&authority, "StopPod", r#"{"name":"child"}"#).await });
    let asked = tokio::task::spawn_blocking(move || {
        pod.await_lines(1);
        pod
    });
    let pod = asked.await.unwrap();
    let mut newest = spawner.authority.clone();
    for grants in replacements {
        newest = over(&spawner.place, grants).limits(patient()).replaces(&newest).build().unwrap();
    }
    pod.open_gate("go");
    call.await.unwrap()
}

#[tokio::test]
async fn a_verb_that_is_revoked_while_a_call_runs_is_denied_at_its_next_request() {
    let spawner = Spawner::new();
    let error = stop_while(&spawner, &[&["list,read"]]).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
    assert!(error.message.ends_with("it takes the grant `stop:child`"), "{}", error.message);
    // The pod is gone; what was its own still is.
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
    assert_eq!(spawner.place.allocated().unwrap(), ["child"]);
    // And so it is for calls that begin with the old authority now.
    assert_eq!(spawner.stop_fails("child").await.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn a_verb_that_is_revoked_and_granted_again_is_the_newest_authority_s_to_allow() {
    let spawner = Spawner::new();
    stop_while(&spawner, &[&["list"], &["stop:ch*"]]).await.unwrap();
    assert!(spawner.place.recorded().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_newer_authority_allows_besides_an_older_one_does_not_gain() {
    let spawner = Spawner::with(&["list"], patient());
    let newer = over(&spawner.place, &["list", "read"]).replaces(&spawner.authority).build().unwrap();
    let _pod = FakePod::start(&spawner.place, "child", Script::new()).unwrap();
    assert_eq!(spawner.read_fails("child").await.kind, ErrorKind::Denied);
    assert!(newer.grants().allow_any(pod_tools_host::Verb::Read));
    // What both allow stays allowed, and a listing shows what both cover.
    assert_eq!(spawner.list().await.summary, "1 pod(s) known");
    let _narrower = over(&spawner.place, &["list:other"]).replaces(&newer).build().unwrap();
    assert_eq!(spawner.list().await.summary, "no spawned pods");
}
