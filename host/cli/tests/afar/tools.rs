//! The four tools on a real pod.

use pod_tools_conformance::Place;
use serde_json::json;

use crate::cli::RealPod;
use crate::host::{Gateway, Host};

#[test]
fn the_four_tools_work_on_a_real_pod() {
    let place = Place::new().unwrap();
    let mut pod = RealPod::start(&place, "echo", &[], &["cat"]);
    let gateway = Gateway::start(&place, [""; 0]);
    // One instance for all calls: each is a session of its own.
    let mut host = Host::of(&gateway);

    let (summary, content) = host.call("ListPods", &json!({})).unwrap();
    assert_eq!(summary, "1 pod(s) known");
    assert_eq!(content.unwrap(), "echo [alive] scope=(none)");

    let name = json!({ "name": "echo" });
    let (summary, _) =
        host.call("SendToPod", &json!({ "name": "echo", "message": "hello\n\u{e4}" })).unwrap();
    assert_eq!(summary, "sent message to `echo`");
    let mut said = String::new();
    while !said.contains("hello\n\u{e4}") {
        said += &host.call("ReadPodOutput", &name).unwrap().1.unwrap_or_default();
    }
    assert_eq!(said.matches("hello").count(), 1, "what was read is not given again: {said}");
    let (_, content) = host.call("ReadPodOutput", &name).unwrap();
    assert_eq!(content, None);

    let (summary, _) = host.call("StopPod", &name).unwrap();
    assert_eq!(summary, "stopped pod `echo`; reclaimed scope: (none)");
    assert_eq!(pod.child.wait().unwrap().code(), Some(0));
    assert_eq!(host.call("ListPods", &json!({})).unwrap().0, "no spawned pods");
}

#[test]
fn a_host_that_allows_another_port_reaches_nothing() {
    let place = Place::new().unwrap();
    let (gateway, other) = (Gateway::start(&place, [""; 0]), Gateway::start(&place, [""; 0]));
    let refusal = Host::new(gateway.address, other.address).call("ListPods", &json!({})).unwrap_err();
    assert_eq!(refusal.words(), ("execution-failed", ""));
    assert!(refusal.message.contains(&gateway.address.to_string()), "{refusal:?}");
    assert!(refusal.message.contains("access denied"), "{refusal:?}");
}
