//! Pods of other machines as they go: their text as it comes, their logs, and changes that nobody has to ask for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use pod_tools_conformance::{FakePod, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::cli::{Batch, RealPod, at, run};
use crate::wire::Wire;
use crate::world::World;

/// A program that runs until its pod ends. Dropped, it is killed.
struct Following(Child, BufReader<ChildStdout>);

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self(child, stdout)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn text_of_a_pod_of_another_machine_is_shown_as_it_comes() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _node = world.node(0);
    // It goes on when it is told to: what is shown before is shown in the middle of the run.
    let gate = world.file("gate");
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let script = format!("echo first; cat {} >&2; echo second", gate.display());
    let _pod = RealPod::start(&world.places[0], "worker", &[], &["sh", "-c", &script]);
    let read = ["read", "worker@build-1", "--follow"];
    let mut following = Following::start(world.command_through(0, world.port, &read));
    world.call(0, "SendToPod", r#"{"name":"worker@build-1","message":"go"}"#).ok();
    assert_eq!(following.line(), "first\n");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(following.line(), "second\n");
    world.call(0, "StopPod", r#"{"name":"worker@build-1"}"#).ok();
    let mut rest = String::new();
    following.1.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.trim(), "");

    // Whoever may not read it is shown nothing.
    let denied = run(world.command_through(1, world.port, &read));
    assert_eq!((denied.code, denied.stdout.as_str()), (Some(1), ""), "{denied:?}");
    assert!(denied.stderr.contains("not granted"), "{denied:?}");
}

#[test]
fn the_log_of_a_pod_of_another_machine_is_shown_and_followed() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _node = world.node(0);
    let script = "cat >&2; echo done";
    let mut spawn = at(&world.places[0], ["spawn", "worker", "--message", "to the log"]);
    spawn.args(["--", "sh", "-c", script]);
    let spawned = run(spawn);
    assert_eq!(spawned.code, Some(0), "{spawned:?}");
    let logs = ["logs", "worker@build-1", "--follow"];
    let mut following = Following::start(world.command_through(0, world.port, &logs));
    while !following.line().contains("to the log") {}
    let shown = run(world.command_through(0, world.port, &logs[..2]));
    assert!(shown.code == Some(0) && shown.stdout.contains("to the log"), "{shown:?}");
    world.call(0, "SendToPod", r#"{"name":"worker@build-1","message":"once more"}"#).ok();
    while !following.line().contains("once more") {}
    world.call(0, "StopPod", r#"{"name":"worker@build-1"}"#).ok();
    assert!(following.0.wait().unwrap().success());
}

/// A client of the MCP server.
struct Client(Batch);

impl Client {
    fn start(world: &World, caller: usize) -> Self {
        let mut this = Self(Batch::spawn(world.command_through(caller, world.port, &["mcp"])));
        let about = json!({"name": "test", "version": "1"});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about});
        this.ask("initialize", hello);
        this.0.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        this
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.0.send(format!("{request}\n").as_bytes());
        self.0.receive()
    }
}

const URI: &str = "pod://worker%40build-1/transcript";

#[test]
fn conversations_of_other_machines_are_resources_and_told_of_when_they_change() {
    let world = World::new();
    world.grant(&["list,read,send", "list"]);
    let Some(_server) = world.server() else { return };
    let _node = world.node(0);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("an answer")]))]);
    let pod = FakePod::start(&world.places[0], "worker", script).unwrap();
    let mut client = Client::start(&world, 0);
    let listed = client.ask("resources/list", json!({}));
    assert_eq!(listed["result"]["resources"][0]["uri"], URI, "{listed}");
    let read = client.ask("resources/read", json!({ "uri": URI }));
    let text = read["result"]["contents"][0]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("an answer")), "{read}");
    assert!(client.ask("resources/subscribe", json!({ "uri": URI }))["result"].is_object());
    for state in ["running", "idle"] {
        pod.set_status(state).unwrap();
        let told = client.0.receive();
        assert_eq!(told["method"], "notifications/resources/updated", "{told}");
        assert_eq!(told["params"]["uri"], URI);
    }

    // Whoever may not read it there is told nothing of it.
    let mut other = Client::start(&world, 1);
    for method in ["resources/read", "resources/subscribe"] {
        let denied = other.ask(method, json!({ "uri": URI }));
        let message = denied["error"]["message"].as_str().unwrap();
        assert!(message.contains("not granted"), "{denied}");
    }
}

#[test]
fn a_wait_for_any_tells_of_the_pods_of_other_machines_too() {
    let world = World::new();
    let Some(_server) = world.server() else { return };
    let _nodes = [world.node(0), world.node(1)];
    let pods = [0, 1].map(|at| FakePod::start(&world.places[at], "worker", Script::new()).unwrap());
    pods[0].set_status("running").unwrap();
    let names = r#"{"names":["worker@build-1","worker@build-2"]}"#;
    let waited = world.call(0, "WaitForPods", names).ok();
    assert_eq!(waited["summary"], "1 of 2 pod(s) done");
    let told: Vec<_> = waited["data"]["pods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| (&pod["name"], &pod["outcome"]))
        .collect();
    assert_eq!(told[0], (&json!("worker@build-1"), &json!("running")), "{waited}");
    assert_eq!(told[1].0, "worker@build-2");
}

#[test]
fn an_event_names_no_pod_and_one_that_is_old_or_forged_is_not_believed() {
    let world = World::new();
    let Some(_server) = world.open_server() else { return };
    let _node = world.node(0);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("an answer")]))]);
    let pod = FakePod::start(&world.places[0], "worker", script).unwrap();
    let mut wire = Wire::connect(world.port);
    wire.listen("pods.v1.*.event.>");
    let mut client = Client::start(&world, 0);
    assert!(client.ask("resources/subscribe", json!({ "uri": URI }))["result"].is_object());
    pod.set_status("running").unwrap();
    assert_eq!(client.0.receive()["method"], "notifications/resources/updated");
    let event = wire.next();
    let payload = String::from_utf8(event.payload.clone()).unwrap();
    assert!(!event.subject.contains("worker") && !payload.contains("worker"), "{payload}");

    let forged = payload.replace("count", "tnuoc");
    for payload in [&payload, &forged, "", "{}"] {
        wire.publish(&event.subject, "", &[], payload.as_bytes());
        wire.next();
    }
    pod.set_status("idle").unwrap();
    wire.next();
    // The answer comes by the same connection, behind all events.
    let request = json!({"jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": {"uri": URI}});
    client.0.send(format!("{request}\n").as_bytes());
    let mut told = 0;
    loop {
        let message = client.0.receive();
        if message["id"] == 2 {
            break;
        }
        told += 1;
    }
    assert_eq!(told, 1);
}
