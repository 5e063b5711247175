//! Conversations as resources: who may see them, and who is told of what.

use std::fs;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history, user};
use serde_json::{Value, json};

use crate::client::{Piped, request};

fn talkative() -> Script {
    Script::new().on("get_history", [Step::line(history(&[user("question"), assistant("answer")]))])
}

fn updated(uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } })
}

#[test]
fn a_conversation_is_read_without_moving_the_cursor() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", talkative()).unwrap();
    let mut client = Piped::start(&place, &[]);
    for id in 1..3 {
        client.send(&request(id, "resources/read", json!({ "uri": "pod://child/transcript" })));
        let answer = client.answer(id);
        let content = &answer["result"]["contents"][0];
        assert_eq!(content["uri"], "pod://child/transcript");
        let text = content["text"].as_str().unwrap();
        assert!(text.contains("question") && text.contains("answer"), "{text}");
    }
    let answer = client.ask(3, "ReadPodOutput", json!({ "name": "child" }));
    assert_eq!(answer["result"]["structuredContent"]["text"], "answer");
}

#[test]
fn without_a_read_grant_there_are_no_conversations() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", talkative()).unwrap();
    let mut client = Piped::start(&place, &["--grant", "list,send,stop", "--grant", "read:other"]);
    client.send(&request(1, "resources/list", json!({})));
    assert_eq!(client.answer(1)["result"]["resources"], json!([]));
    for (id, method) in [(2, "resources/read"), (3, "resources/subscribe")] {
        client.send(&request(id, method, json!({ "uri": "pod://child/transcript" })));
        let answer = client.answer(id);
        assert_eq!(answer["error"]["data"]["reason"], "not-granted", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("read:child"), "{answer}");
    }
    assert!(pod.received().is_empty());
    drop(client);
    // Nor without a grant to see pods; that is no error, as clients list whatever there is when they start.
    let mut client = Piped::start(&place, &["--grant", "read"]);
    client.send(&request(1, "resources/list", json!({})));
    assert_eq!(client.answer(1)["result"]["resources"], json!([]));
}

#[test]
fn subscribers_hear_of_the_pods_they_subscribed_to_and_of_no_others() {
    let place = Place::new().unwrap();
    let pods: Vec<FakePod> =
        ["a b", "c"].iter().map(|name| FakePod::start(&place, name, talkative()).unwrap()).collect();
    let mut client = Piped::start(&place, &[]);
    client.send(&request(1, "resources/subscribe", json!({ "uri": "pod://a%20b/transcript" })));
    client.answer(1);
    pods[1].set_status("running").unwrap();
    pods[0].set_status("running").unwrap();
    assert_eq!(client.receive(), updated("pod://a%20b/transcript"));
    // The history counts as well; other files do not.
    let directory = place.base().join("a b");
    fs::write(directory.join("notes.txt"), "").unwrap();
    fs::write(directory.join("history.tmp"), "[]").unwrap();
    fs::rename(directory.join("history.tmp"), directory.join("history.json")).unwrap();
    assert_eq!(client.receive(), updated("pod://a%20b/transcript"));

    client.send(&request(2, "resources/unsubscribe", json!({ "uri": "pod://a%20b/transcript" })));
    client.answer(2);
    pods[0].set_status("idle").unwrap();
    client.send(&request(3, "resources/subscribe", json!({ "uri": "pod://c/transcript" })));
    client.answer(3);
    pods[1].set_status("idle").unwrap();
    assert_eq!(client.receive(), updated("pod://c/transcript"));
}

#[test]
fn a_subscription_outlives_the_pod_and_knows_its_successor() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", talkative()).unwrap();
    let mut client = Piped::start(&place, &[]);
    client.send(&request(1, "resources/subscribe", json!({ "uri": "pod://child/transcript" })));
    client.answer(1);
    // Its directory goes with it.
    drop(pod);
    assert!(!place.base().join("child").exists());
    let _pod = FakePod::start_at(&place, &place.socket("child"), "child", talkative()).unwrap();
    client.await_message(|message| *message == updated("pod://child/transcript"));
}

#[test]
fn a_directory_that_leads_out_of_what_was_granted_is_not_watched() {
    let place = Place::new().unwrap();
    let outside = place.root().join("outside");
    fs::create_dir(&outside).unwrap();
    let _pod = FakePod::start_at(&place, &outside.join("sock"), "child", talkative()).unwrap();
    std::os::unix::fs::symlink(&outside, place.base().join("child")).unwrap();
    place.record(place.native_record("child")).unwrap();
    let mut client = Piped::start(&place, &[]);
    client.send(&request(1, "resources/subscribe", json!({ "uri": "pod://child/transcript" })));
    assert_eq!(client.answer(1)["error"]["data"]["reason"], "socket-refused");
}
