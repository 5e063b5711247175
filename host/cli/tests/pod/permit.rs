//! What an agent is permitted that asks, and how a person is asked.

use std::process::Output;

use serde_json::json;

use crate::acp::{last, pod, say};
use crate::harness::*;

/// `pod-tools answer x …`, its exit code, what it printed and what it said.
fn answered(world: &World, words: &[&str]) -> (i32, String, String) {
    let mut command = world.command(&world.base());
    let Output { status, stdout, stderr } = command.args(["answer", "x"]).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A call of a tool, as JSON.
#[test]
fn what_stays_within_the_scope_is_allowed_once_and_all_else_refused() {
    let world = World::new();
    let (inside, outside) = (world.work_dir("in"), world.work_dir("out"));
    let scope = format!("write:{}", inside.display());
    let pod = pod(&world, &["--scope", &scope, "--enforce", "off"], &[]);
    let mut client = pod.connect();
    let mut permitted =
        |kind: &str, at: &std::path::Path| say(&mut client, &format!("permit {kind} {}", at.display()));
    assert_eq!(permitted("edit", &inside.join("x")), "yes");
    assert_eq!(permitted("edit", &outside.join("x")), "no");
    // Nothing holds it to the scope here.
    assert_eq!(permitted("execute", &inside), "no");
    client.run("permit fetch");
    let events = client.until("run_end");
    assert_eq!(events[1]["data"]["message"], "refused by --permit scope: fetch: Do it");
    let items = client.history()["items"].clone();
    let item = json!({"type": "permission", "question": format!("edit: Do it: {}/x", inside.display()),
                      "answer": "allowed", "by": "scope"});
    assert_eq!(items[1], item);
}

#[test]
fn nothing_is_permitted_where_that_is_the_policy() {
    let world = World::new();
    let inside = world.work_dir("in");
    let scope = format!("write:{}", inside.display());
    for (policy, read, write) in [("deny", "no", "no"), ("read", "yes", "no")] {
        let mut pod = pod(&world, &["--scope", &scope, "--enforce", "off", "--permit", policy], &[]);
        let mut client = pod.connect();
        assert_eq!(say(&mut client, &format!("permit read {}", inside.display())), read, "{policy}");
        assert_eq!(say(&mut client, &format!("permit edit {}", inside.display())), write, "{policy}");
        client.send("shutdown");
        pod.ended();
    }
}

#[test]
fn a_run_pauses_where_a_person_is_asked_and_goes_on_with_the_answer() {
    let world = World::new();
    let pod = pod(&world, &["--permit", "ask"], &[]);
    let mut client = pod.connect();
    assert!(answered(&world, &[]).2.contains("pod `x` asks nothing"));
    client.run("permit edit /w/x");
    let asked = client.data("notification")["message"].clone();
    assert_eq!(asked, "needs an answer: 1: edit: Do it: /w/x");
    assert_eq!(pod.state(), "paused");

    let told = world.peek("x");
    let summary = "pod `x` paused; no new assistant text; needs an answer: 1: edit: Do it: /w/x";
    assert_eq!(told["ok"]["summary"], summary, "{told}");
    assert_eq!(told["ok"]["data"]["state"], "paused");
    assert_eq!(told["ok"]["data"]["asked"], "1: edit: Do it: /w/x");

    client.send("resume");
    assert_eq!(client.data("error")["code"], "not_paused");
    client.run("say more");
    assert_eq!(client.data("error")["code"], "already_running");
    assert_eq!(answered(&world, &[]), (0, "1: edit: Do it: /w/x\n".into(), String::new()));
    let (code, _, said) = answered(&world, &["7", "allow"]);
    assert!(code == 1 && said.contains("nothing is asked under the id `7`"), "{said}");
    let (code, _, said) = answered(&world, &["perhaps"]);
    assert!(code == 2 && said.contains("`perhaps` is no answer"), "{said}");
    assert_eq!(pod.state(), "paused");

    assert_eq!(answered(&world, &["allow"]).1, "answered 1\n");
    assert_eq!(deltas(&client.until("run_end")), "yes");
    assert_eq!(pod.state(), "idle");
    let told = world.peek("x");
    assert_eq!(told["ok"]["data"]["asked"], json!(null));

    client.run("permit edit /w/x");
    client.until("notification");
    assert_eq!(answered(&world, &["2", "deny"]).1, "answered 2\n");
    assert_eq!(deltas(&client.until("run_end")), "no");
}

#[test]
fn a_paused_run_is_cancelled_and_its_question_with_it() {
    let world = World::new();
    let pod = pod(&world, &["--permit", "ask"], &[]);
    let mut client = pod.connect();
    client.run("permit edit /w/x");
    client.until("notification");
    client.send("cancel");
    assert_eq!(client.data("error")["message"], "Cancelled");
    assert_eq!((last(&mut client), pod.state()), (failure("cancelled"), json!("idle")));
    assert!(answered(&world, &["allow"]).2.contains("asks nothing"));
    assert_eq!(say(&mut client, "count"), "2");
}

#[test]
fn a_pod_of_another_make_does_not_take_answers() {
    let world = World::new();
    let _pod = world.pod("x", &[], &["cat"]);
    let (code, _, said) = answered(&world, &["allow"]);
    assert!(code == 1 && said.contains("asks nothing"), "{said}");
    let mut command = world.command(&world.base());
    let output = command.args(["answer", "nobody", "allow"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot be reached"));
}
