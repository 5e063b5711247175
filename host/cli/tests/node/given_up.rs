//! Callers who give a call up: the node ends it, for its own caller's word alone.

use std::process::Stdio;

use nkeys::KeyPair;
use pod_tools_conformance::{FakePod, Script, Step, assistant, history};
use pod_tools_node::request::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::RealPod;
use crate::wire::{Wire, ask, instance, request};
use crate::world::{NODES, World};

const READ: &str = r#"{"name":"child"}"#;

/// Tells its history when the gate `answer` is open.
fn gated() -> Script {
    let steps = [Step::Wait("answer".to_owned()), Step::line(history(&[assistant("text")]))];
    Script::new().on("get_history", steps)
}

#[test]
fn a_call_that_is_interrupted_ends_at_its_node() {
    let world = World::new();
    let Some(server) = world.server() else { return };
    let node = world.node_through(0, server.port, &["--op-timeout", "50s"]);
    let pod = FakePod::start(&world.places[0], "child", gated()).unwrap();
    let read = r#"{"name":"child@build-1"}"#;
    let mut command = world.command_through(0, server.port, &["call", "ReadPodOutput", read]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    pod.await_lines(1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    node.await_log("given up");
    let audit: Value =
        serde_json::from_str(&std::fs::read_to_string(world.file("audit-0")).unwrap()).unwrap();
    assert!(audit.to_string().contains("cancelled"), "{audit}");
}

#[test]
fn whoever_comes_too_late_for_the_first_pod_is_waited_for_by_no_node() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let slow = world.node(0);
    let _quick = world.node(1);
    let _pods = [
        RealPod::start(&world.places[0], "slow", &[], &["sleep", "50"]),
        RealPod::start(&world.places[1], "quick", &[], &["cat"]),
    ];
    for pod in ["slow@build-1", "quick@build-2"] {
        world.call(0, "SendToPod", &json!({"name": pod, "message": "x"}).to_string()).ok();
    }
    let waited = world.call(0, "WaitForPods", r#"{"names":["slow@build-1","quick@build-2"]}"#).ok();
    assert_eq!(waited["data"]["outcome"], "done", "{waited}");
    slow.await_log("given up");
}

#[test]
fn a_word_that_gives_up_is_its_callers_and_counts_for_what_comes_behind_it() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    let _node = world.node_through(0, server.port, &["--op-timeout", "50s"]);
    let pod = FakePod::start(&world.places[0], "child", gated()).unwrap();
    let (alice, bob, node) = (&world.callers[0].key, &world.callers[1].key, &world.nodes[0].key);
    let mut wire = Wire::connect(server.port);
    let run = instance(&mut wire, alice, node);
    let made = |tool: &str, input: &str, key: &KeyPair| {
        let request = Request { instance: run.clone(), ..request(tool) };
        let nonce = request.nonce.clone();
        (request.seal(input.as_bytes(), key).unwrap().0, nonce)
    };
    let (read, nonce) = made("ReadPodOutput", READ, alice);
    let (inbox, subject) =
        (wire.inbox(), format!("pods.v1.{}.{}.ReadPodOutput", NODES[0], alice.public_key()));
    wire.publish(&subject, &inbox, &[("Pods-Envelope", &read)], READ.as_bytes());
    pod.await_lines(1);
    // Another caller's word means his own calls, and a forged one is none.
    let (foreign, _) = made("cancel", &nonce, bob);
    let said = ask(&mut wire, (&bob.public_key(), node), "cancel", &foreign, nonce.as_bytes());
    assert_eq!(said["err"], Value::Null, "{said}");
    let forged = foreign.replace(&bob.public_key(), &alice.public_key());
    let said = ask(&mut wire, (&alice.public_key(), node), "cancel", &forged, nonce.as_bytes());
    assert_eq!(said["err"]["kind"], "denied", "{said}");
    pod.open_gate("answer");
    let answer: Value = serde_json::from_slice(&wire.next().payload).unwrap();
    assert_eq!(answer["ok"]["content"], "text", "{answer}");

    // Her own, before what it gives up: that is not begun.
    let (read, nonce) = made("ReadPodOutput", READ, alice);
    let (own, _) = made("cancel", &nonce, alice);
    ask(&mut wire, (&alice.public_key(), node), "cancel", &own, nonce.as_bytes());
    let said = ask(&mut wire, (&alice.public_key(), node), "ReadPodOutput", &read, READ.as_bytes());
    assert!(said["err"]["message"].as_str().unwrap().contains("nonce was used"), "{said}");
}
