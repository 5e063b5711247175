//! What one caller may have of a node: limits of his own, followed, and his key taken away while he waits.

use std::fs;

use pod_tools_conformance::{FakePod, Script, Step, event};
use pod_tools_node::request::Request;
use serde_json::{Value, json};

use crate::cli::{Batch, run};
use crate::wire::{Wire, instance, request};
use crate::world::{CALLERS, NODES, World};

/// A grants file in which the first caller has these lines of his own.
fn callers(world: &World, of_the_first: &str) -> String {
    let entry = |index: usize, own: &str| {
        let (name, key) = (CALLERS[index], world.callers[index].key.public_key());
        format!("[[caller]]\nname = \"{name}\"\nkey = \"{key}\"\ngrants = [\"list,read,send\"]\n{own}")
    };
    entry(0, of_the_first) + &entry(1, "")
}

/// How many of so many requests of that caller, sent at once, are turned away.
fn turned_away(wire: &mut Wire, world: &World, caller: usize, count: usize) -> usize {
    let (key, node) = (&world.callers[caller].key, &world.nodes[0].key);
    let run = instance(wire, key, node);
    let inbox = wire.inbox();
    let subject = format!("pods.v1.{}.{}.ListPods", NODES[0], key.public_key());
    let sealed = (0..count)
        .map(|_| Request { instance: run.clone(), ..request("ListPods") }.seal(b"", key).unwrap().0);
    for envelope in sealed.collect::<Vec<_>>() {
        wire.publish(&subject, &inbox, &[("Pods-Envelope", &envelope)], b"");
    }
    (0..count).filter(|_| wire.next().header("Pods-Busy").is_some()).count()
}

#[test]
fn a_caller_has_limits_of_his_own_which_are_followed_and_others_have_the_nodes() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    world.write_callers(&callers(&world, "max-rate = 1\n"));
    let node = world.node(0);
    let mut wire = Wire::connect(server.port);
    // Of twice the rate, one goes to learn the node's run.
    assert!(turned_away(&mut wire, &world, 0, 20) >= 15);
    assert_eq!(turned_away(&mut wire, &world, 1, 20), 0);
    world.write_callers(&callers(&world, "max-rate = 1000\n"));
    node.await_log("read again");
    // One more second may pass until he is heard at all.
    world.call(0, "ListPods", "").ok();
    assert_eq!(turned_away(&mut wire, &world, 0, 20), 0);
    world.write_callers(&callers(&world, "max-calls = 1\nmax-bytes = \"1KiB\"\n"));
    node.await_log("read again");
    let long = "x".repeat(4000);
    let input = json!({"name": "worker@build-1", "message": long}).to_string();
    let options = ["call", "SendToPod", &input, "--json", "--call-timeout", "1s"];
    let refused = run(world.command_through(0, server.port, &options)).err();
    assert!(refused.message.contains("have 1024 bytes, the most there may be"), "{}", refused.message);
}

#[test]
fn limits_that_are_none_are_refused_with_their_place() {
    let world = World::new();
    let no_key = "[[caller]]\nname = \"t\"\ntoken-file = \"/t\"\nmax-calls = 4\n";
    for (text, part) in [
        (callers(&world, "max-calls = 0\n"), "5:13: the limit `max-calls` cannot be `0`: it is one at least"),
        (callers(&world, "max-rate = -1\n"), "5:12: the limit `max-rate` cannot be `-1`"),
        (callers(&world, "max-bytes = \"1XB\"\n"), "5:13: the limit `max-bytes` cannot be `1XB`"),
        (callers(&world, "max-calls = []\n"), "5:13: the limit `max-calls` is a string or a number"),
        (callers(&world, "max-cals = 1\n"), "did you mean `max-calls`"),
        (no_key.to_owned(), "4:1: limits of a caller are `pod-tools node`'s, and this one has no `key`"),
    ] {
        fs::write(world.file("callers.toml"), &text).unwrap();
        let refused = run(world.node_command(0, world.port, &[]));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
    }
}

#[test]
fn a_caller_whose_key_is_taken_away_while_his_call_waits_gets_nothing_more() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    let node = world.node_through(0, server.port, &["--op-timeout", "20s"]);
    let ending = [
        Step::Wait("end".to_owned()),
        Step::StopListening,
        Step::line(event("shutdown", Value::Null)),
        Step::Close,
    ];
    let pod = FakePod::start(&world.places[0], "child", Script::new().on("shutdown", ending)).unwrap();
    let options = ["call", "--batch", "--op-timeout", "20s"];
    let mut batch = Batch::spawn(world.command_through(0, server.port, &options));
    let stop = json!({"tool": "StopPod", "input": {"name": "child@build-1"}});
    batch.send(format!("{stop}\n").as_bytes());
    pod.await_lines(1);
    world.grant(&["", "list"]);
    node.await_log("read again");
    pod.open_gate("end");
    let answer = batch.receive();
    assert_eq!(answer["err"]["reason"], "not-granted", "{answer}");
    assert_eq!(world.places[0].recorded().unwrap(), ["child"]);
    // Whoever else has a key is served as before.
    world.call(1, "ListPods", "").ok();
}
