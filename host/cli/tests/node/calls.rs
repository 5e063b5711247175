//! Calls that go well, and what a person is told where they cannot.

use std::fs;
use std::process::Stdio;
use std::sync::mpsc::channel;

use nkeys::KeyPair;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::{Batch, RealPod, run};
use crate::world::{CALLERS, PATIENCE, World};

fn names(listing: &Value) -> Vec<&str> {
    listing["data"]["pods"].as_array().unwrap().iter().map(|pod| pod["name"].as_str().unwrap()).collect()
}

#[test]
fn pods_of_two_machines_are_listed_sent_to_read_waited_for_and_stopped() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _nodes = [world.node(0), world.node(1)];
    let _pods = [
        RealPod::start(&world.places[0], "worker", &[], &["cat"]),
        RealPod::start(&world.places[1], "worker", &[], &["cat"]),
        RealPod::start(&world.place, "worker", &[], &["cat"]),
    ];
    let listing = world.call(0, "ListPods", "").ok();
    assert_eq!(names(&listing), ["worker", "worker@build-1", "worker@build-2"]);
    assert_eq!(listing["summary"], "3 pod(s) known");

    let sent = world.call(0, "SendToPod", r#"{"name":"worker@build-2","message":"to the second"}"#).ok();
    assert_eq!(sent["summary"], "sent message to `worker@build-2`");
    let read = world.call(0, "ReadPodOutput", r#"{"name":"worker@build-2","wait_seconds":20}"#).ok();
    assert_eq!(read["content"], "to the second\n");
    // It was delivered, so it is not given again.
    let again = world.call(0, "ReadPodOutput", r#"{"name":"worker@build-2"}"#).ok();
    assert_eq!(again["content"], Value::Null);
    // A reader of the same caller reads for himself, and looking moves nothing.
    for _ in 0..2 {
        let options =
            ["call", "ReadPodOutput", r#"{"name":"worker@build-2"}"#, "--json", "--reader", "r", "--peek"];
        let other = run(world.command_through(0, world.port, &options)).ok();
        assert_eq!(other["content"], "to the second\n");
    }
    let waited = world
        .call(0, "WaitForPods", r#"{"names":["worker@build-1","worker@build-2","worker"],"for":"all"}"#)
        .ok();
    assert_eq!(waited["summary"], "3 of 3 pod(s) done");
    let shown = run(world.command_through(0, world.port, &["ls"]));
    assert!(shown.stdout.contains("worker@build-1 "), "{shown:?}");
    let stopped = run(world.command_through(0, world.port, &["stop", "worker@build-1"]));
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert_eq!(names(&world.call(0, "ListPods", "").ok()), ["worker", "worker@build-2"]);
    let here = world.call(0, "ReadPodOutput", r#"{"name":"worker"}"#).ok();
    assert_eq!(here["content"], Value::Null);
}

#[test]
fn a_client_of_mcp_sends_to_a_pod_of_another_machine_waits_for_it_and_reads() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _node = world.node(0);
    let _pod = RealPod::start(&world.places[0], "worker", &[], &["cat"]);
    let mut client = Batch::spawn(world.command_through(0, world.port, &["mcp"]));
    let mut ask = |id: u64, method: &str, params: Value| {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        client.send(format!("{request}\n").as_bytes());
        let answer = client.receive();
        assert_eq!(answer["id"], id, "{answer}");
        if method == "initialize" {
            client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        }
        answer["result"].clone()
    };
    let about = json!({"name": "test", "version": "1"});
    ask(1, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}));
    let mut call = |id: u64, tool: &str, arguments: Value| {
        let result = ask(id, "tools/call", json!({"name": tool, "arguments": arguments}));
        assert_ne!(result["isError"], true, "{result}");
        result.to_string()
    };
    assert!(call(2, "ListPods", json!({})).contains("worker@build-1"));
    call(3, "SendToPod", json!({"name": "worker@build-1", "message": "from a model"}));
    assert!(call(4, "WaitForPods", json!({"names": ["worker@build-1"]})).contains("1 of 1 pod(s) done"));
    assert!(call(5, "ReadPodOutput", json!({"name": "worker@build-1"})).contains("from a model"));
    assert!(!call(6, "ReadPodOutput", json!({"name": "worker@build-1"})).contains("from a model"));
}

#[test]
fn of_two_nodes_of_one_name_that_start_at_once_one_serves() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let (sender, ended) = channel();
    let pids = [(); 2].map(|()| {
        let mut child = world.node_command(0, world.port, &[]).stdout(Stdio::null()).spawn().unwrap();
        let (pid, sender) = (Pid::from_child(&child), sender.clone());
        std::thread::spawn(move || sender.send((pid, child.wait().unwrap().code())));
        pid
    });
    let (gone, code) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(code, Some(1));
    let listing = world.call(0, "ListPods", "").ok();
    assert_eq!(listing["summary"], "no spawned pods; 1 node did not answer: build-2");
    let other = pids.into_iter().find(|pid| *pid != gone).unwrap();
    kill_process(other, Signal::TERM).unwrap();
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), (other, Some(0)));
}

#[test]
fn a_node_grants_and_audits_by_the_key_and_this_side_grants_too() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let node = world.node(0);
    let _pod = RealPod::start(&world.places[0], "worker", &[], &["cat"]);
    let send = r#"{"name":"worker@build-1","message":"x"}"#;
    let denied = world.call(1, "SendToPod", send).err();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert_eq!(
        denied.message,
        "node `build-1`: pod `worker`: sending a message is not granted; it takes the grant `send:worker`"
    );
    // Its operator is told which line would have allowed it.
    let said = node.await_log("send:worker");
    assert!(said.contains("callers.toml"), "{said}");
    let audit: Value = serde_json::from_str(&fs::read_to_string(world.file("audit-0")).unwrap()).unwrap();
    assert_eq!((&audit["caller"], &audit["tool"]), (&json!(CALLERS[1]), &json!("SendToPod")));
    assert_eq!(audit["nonce"].as_str().unwrap().len(), 32);

    // What this side does not grant is not sent.
    let options = ["call", "SendToPod", send, "--json", "--grant", "list", "--grant", "send:worker"];
    let denied = run(world.command_through(0, world.port, &options)).err();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert!(denied.message.contains("`send:worker@build-1`"), "{}", denied.message);
    let options = ["call", "SendToPod", send, "--json", "--grant", "send:*@build-1"];
    run(world.command_through(0, world.port, &options)).ok();

    // What is revoked is gone at the next call.
    world.grant(&["", "list"]);
    node.await_log("read again");
    let denied = world.call(0, "SendToPod", send).err();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert!(denied.message.contains("is not known here"), "{}", denied.message);
}

#[test]
fn a_node_that_is_not_there_is_named_and_a_name_is_taken_once() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _node = world.node(0);
    let missing = world.call(0, "SendToPod", r#"{"name":"worker@build-2","message":"x"}"#).err();
    assert_eq!(missing.words(), ("execution-failed", "unreachable"));
    let listing = world.call(0, "ListPods", "").ok();
    assert_eq!(listing["summary"], "no spawned pods; 1 node did not answer: build-2");
    assert_eq!(listing["data"]["unanswered"][0]["node"], "build-2");
    let unknown = world.call(0, "SendToPod", r#"{"name":"worker@build-3","message":"x"}"#).err();
    assert_eq!(unknown.words(), ("invalid-argument", "unknown-pod"));
    for name in ["worker@build.1", "worker@*", "worker@>", "worker@a b", "worker@\u{1b}", "worker@"] {
        let bad = world.call(0, "SendToPod", &json!({ "name": name, "message": "x" }).to_string()).err();
        assert_eq!(bad.words(), ("invalid-argument", "unknown-pod"), "{name:?}");
    }

    let second = run(world.node_command(0, world.port, &[]));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("there is a node `build-1` at this server already"), "{}", second.stderr);
}

#[test]
fn a_key_is_a_users_and_stands_once_and_whoever_has_none_is_no_caller() {
    let world = World::new();
    let key = world.callers[0].key.public_key();
    let account = KeyPair::new_account().public_key();
    let seed = world.callers[0].key.seed().unwrap();
    let caller = |name: &str, key: &str| {
        format!("[[caller]]\nname = \"{name}\"\nkey = \"{key}\"\ngrants = [\"list\"]\n")
    };
    let token = "[[caller]]\nname = \"t\"\ntoken-file = \"/t\"\n";
    for (text, part) in [
        (caller("a", "U1"), "3:7: this is no public key of a user"),
        (caller("a", &account), "is no public key of a user"),
        (caller("a", &seed), "is no public key of a user"),
        (caller("a", &key) + &caller("b", &key), "7:7: this is the key of caller `a`"),
        (token.to_owned(), "callers must have a key"),
    ] {
        fs::write(world.file("callers.toml"), &text).unwrap();
        let refused = run(world.node_command(0, world.port, &[]));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
        assert!(!refused.stderr.contains(&seed), "a seed is nobody's to see");
    }
}
