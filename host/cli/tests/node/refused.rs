//! What a node refuses, at a server that lets everybody do everything: authority is in signatures alone.

use nkeys::KeyPair;
use pod_tools_conformance::{FakePod, Script, Step, event};
use pod_tools_node::answer::piece;
use pod_tools_node::request::{Request, digest_of};
use serde_json::json;

use crate::wire::{Wire, ask, instance, request};
use crate::world::{NODES, World, runs};

const SEND: &str = r#"{"name":"child","message":"once"}"#;

fn takes_messages() -> Script {
    let turn = [
        Step::line(event("turn_start", json!({"turn": 0}))),
        Step::line(event("turn_end", json!({"turn": 0, "result": "finished"}))),
        Step::line(event("run_end", json!({"result": "finished"}))),
    ];
    Script::new().on("run", turn)
}

#[test]
fn what_is_forged_altered_late_replayed_or_for_another_is_refused_and_nothing_is_done() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    let _node = world.node(0);
    let pod = FakePod::start(&world.places[0], "child", takes_messages()).unwrap();
    let (alice, node) = (&world.callers[0].key, &world.nodes[0].key);
    let alices = alice.public_key();
    let mut wire = Wire::connect(server.port);
    let run = instance(&mut wire, alice, node);
    let made = |change: &dyn Fn(&mut Request)| {
        let mut request = Request { instance: run.clone(), ..request("SendToPod") };
        change(&mut request);
        request.seal(SEND.as_bytes(), alice).unwrap().0
    };
    let good = made(&|_| {});
    let stranger = KeyPair::new_user();
    let strangers_key = stranger.public_key();
    let strangers = Request { instance: run.clone(), ..request("SendToPod") };
    let strangers = strangers.seal(SEND.as_bytes(), &stranger).unwrap().0;
    let altered = SEND.replace("once", "else");
    let minutes = 10 * 60 * 1000;
    let cases: [(&str, &str, String, &str, &str); 8] = [
        (&alices, SEND, strangers.replace(&strangers_key, &alices), "denied", "forged, or altered"),
        (&strangers_key, SEND, strangers.clone(), "denied", "is not known here"),
        (&alices, SEND, strangers, "denied", "subject of another caller"),
        (&alices, &altered, good.clone(), "denied", "input is not the one that was signed"),
        (
            &alices,
            SEND,
            made(&|request| request.node = NODES[1].into()),
            "denied",
            "request is for node `build-2`",
        ),
        (
            &alices,
            SEND,
            made(&|request| request.tool = "StopPod".into()),
            "denied",
            "request is for tool `StopPod`",
        ),
        (
            &alices,
            SEND,
            made(&|request| request.deadline -= minutes),
            "timeout",
            "clocks may differ by 30000 ms",
        ),
        (&alices, SEND, made(&|request| request.deadline += minutes), "execution-failed", "set the clocks"),
    ];
    for (caller, input, envelope, kind, part) in &cases {
        let said = ask(&mut wire, (caller, node), "SendToPod", envelope, input.as_bytes());
        assert_eq!(said["err"]["kind"], *kind, "{part}: {said}");
        assert!(said["err"]["message"].as_str().unwrap().contains(part), "{part}: {said}");
    }
    assert_eq!(runs(&pod), 0);

    // The same again, byte by byte, is the same request: it is done once, and answered alike.
    let first = ask(&mut wire, (&alices, node), "SendToPod", &good, SEND.as_bytes());
    assert_eq!(first["ok"]["summary"], "sent message to `child`");
    let again = ask(&mut wire, (&alices, node), "SendToPod", &good, SEND.as_bytes());
    assert_eq!((again, runs(&pod)), (first, 1));
    // One of an earlier run of the node was perhaps done by that.
    let earlier = made(&|request| request.instance = "0".repeat(32));
    let said = ask(&mut wire, (&alices, node), "SendToPod", &earlier, SEND.as_bytes());
    assert!(said["err"]["message"].as_str().unwrap().contains("does not know whether"), "{said}");
    assert_eq!(runs(&pod), 1);
    // What is no envelope at all harms nobody.
    for envelope in ["", "{}", "\u{7f}", &"x".repeat(5000)] {
        wire.publish(
            &format!("pods.v1.build-1.{alices}.SendToPod"),
            "r",
            &[("Pods-Envelope", envelope)],
            b"",
        );
    }
    wire.publish(&format!("pods.v1.build-1.{alices}.SendToPod"), "r", &[], &[0xff, 0]);
    ask(&mut wire, (&alices, node), "SendToPod", &good, SEND.as_bytes());
}

#[test]
fn an_answer_that_another_has_signed_is_none() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    // Who answers for the node has a key of his own, and all that the server carries.
    let mut liar = Wire::connect(server.port);
    liar.listen("pods.v1.build-1.*.*");
    let answering = std::thread::spawn({
        let port = server.port;
        move || {
            let mut liar = liar;
            let mut speaker = Wire::connect(port);
            let key = KeyPair::new_user();
            for _ in 0..2 {
                let came = liar.next();
                let Some(envelope) = came.header("Pods-Envelope") else { continue };
                let digest = digest_of(envelope).unwrap();
                let answer = br#"{"ok":{"summary":"all is well","content":null,"data":{}}}"#;
                let piece = piece(answer, 0, &digest, 1 << 20, &key).unwrap().unwrap();
                let caller = came.reply.clone().unwrap();
                speaker.publish(&caller, "", &[("Pods-Piece", &piece.head)], &piece.bytes);
            }
        }
    });
    let refused = world.call(0, "ReadPodOutput", r#"{"name":"child@build-1"}"#).err();
    assert_eq!(refused.kind, "timeout");
    assert!(refused.message.contains("signed by another node"), "{}", refused.message);
    drop(server);
    drop(answering);
}

#[test]
fn the_refusal_of_an_altered_copy_is_no_answer_to_the_request() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    let node = world.node(0);
    let turn = [Step::Wait("go".into()), Step::line(event("turn_start", json!({"turn": 0})))];
    let pod = FakePod::start(&world.places[0], "child", Script::new().on("run", turn)).unwrap();
    // Who carries the request sends an altered copy behind it, with the caller's inbox.
    let mut carrier = Wire::connect(server.port);
    carrier.listen("pods.v1.build-1.*.*");
    let subject = format!("pods.v1.build-1.{}.SendToPod", world.callers[0].key.public_key());
    let carrying = std::thread::spawn({
        let port = server.port;
        move || {
            let mut speaker = Wire::connect(port);
            loop {
                let came = carrier.next();
                let Some(envelope) = came.header("Pods-Envelope") else { continue };
                let text = String::from_utf8_lossy(&came.payload).into_owned();
                if text.contains("once") {
                    let altered = text.replace("once", "else");
                    let inbox = came.reply.clone().unwrap();
                    speaker.publish(&subject, &inbox, &[("Pods-Envelope", envelope)], altered.as_bytes());
                }
            }
        }
    });
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| world.call(0, "SendToPod", r#"{"name":"child@build-1","message":"once"}"#));
        pod.await_lines(1);
        node.await_log("input is not the one that was signed");
        pod.open_gate("go");
        assert_eq!(sent.join().unwrap().ok()["summary"], "sent message to `child@build-1`");
    });
    assert_eq!(runs(&pod), 1);
    drop(server);
    drop(carrying);
}

#[test]
fn one_caller_who_floods_holds_up_no_other() {
    let world = World::new();
    let Some(server) = world.open_server() else { return };
    let _node = world.node_through(0, server.port, &["--max-caller-rate", "100", "--max-caller-calls", "4"]);
    let (alice, node) = (&world.callers[0].key, &world.nodes[0].key);
    let alices = alice.public_key();
    let mut wire = Wire::connect(server.port);
    let run = instance(&mut wire, alice, node);
    let inbox = wire.inbox();
    let subject = format!("pods.v1.build-1.{alices}.ListPods");
    let sealed = (0..2000)
        .map(|_| Request { instance: run.clone(), ..request("ListPods") }.seal(b"", alice).unwrap().0);
    for envelope in sealed.collect::<Vec<_>>() {
        wire.publish(&subject, &inbox, &[("Pods-Envelope", &envelope)], b"");
    }
    // Most are turned away with a word, and bob is served while they are.
    let listing = world.call(1, "ListPods", "").ok();
    assert_eq!(listing["summary"], "no spawned pods; 1 node did not answer: build-2");
    let busy = (0..2000).filter(|_| wire.next().header("Pods-Busy").is_some()).count();
    assert!(busy > 1000, "only {busy} of 2000 were turned away");
}
