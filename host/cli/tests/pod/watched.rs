//! What a run has said so far, for who comes in the middle of it.

use serde_json::json;

use crate::harness::*;

fn so_far(client: &mut Client) -> serde_json::Value {
    client.send("watch");
    client.data("watching")
}

#[test]
fn who_comes_in_the_middle_of_a_run_is_told_what_it_has_said_so_far() {
    let world = World::new();
    let fifo = world.fifo("held");
    let script = world.script("speak", &format!("echo one; cat '{}'; echo two", fifo.as_str()));
    let pod = world.pod("x", &[], &[&script]);
    assert_eq!(pod.json("status.json")["methods"], json!(["answer", "watch"]));
    let (mut first, mut second, mut third) = (pod.connect(), pod.connect(), pod.connect());
    assert_eq!(so_far(&mut first), json!({"bytes": 0}));
    first.run("");
    first.until("text_delta");
    let held = fifo.open();
    assert_eq!(so_far(&mut second), json!({"text": "one\n", "bytes": 4}));
    let told = &world.peek("x")["ok"]["data"];
    assert_eq!((&told["state"], &told["streamed"]), (&json!("running"), &json!(4)));
    drop(held);
    // What comes is told behind it, and nothing of it twice.
    assert_eq!(deltas(&second.until("run_end")), "two\n");
    // It is an answer to who has asked.
    let others = third.until("run_end");
    assert!(!kinds(&others).contains(&"watching"), "{others:?}");
    assert_eq!(so_far(&mut first), json!({"bytes": 0}));
    assert_eq!(world.peek("x")["ok"]["data"]["streamed"], json!(null));
}

#[test]
fn of_a_long_text_the_end_is_told() {
    let world = World::new();
    let fifo = world.fifo("held");
    let script = world.script("speak", &format!("yes é | head -c 300000; cat '{}'", fifo.as_str()));
    let pod = world.pod("x", &[], &[&script]);
    let mut client = pod.connect();
    client.run("");
    let _held = fifo.open();
    let mut told = json!(null);
    eventually("all of it is said", || {
        told = so_far(&mut pod.connect());
        told["bytes"] == 300_000
    });
    let text = told["text"].as_str().unwrap();
    assert!(text.len() <= 128 << 10 && text.len() > 100_000 && text.ends_with('\n'), "{}", text.len());
}
