//! What the requests give: the four tools' sequences by hand, on real pods and scripted ones; grants and limits as in
//! this process.

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use serde_json::json;

use crate::cli::{RealPod, call, call_with, place_with};
use crate::client::{Client, LIST, READ, SEND, STOP, opened};
use crate::process::{Gateway, PATIENT, TOKEN, audited};
use crate::wire::{Fields, Refusal, request};

fn read_cursor(gateway: &Gateway, pod: &str) -> Option<(u64, String)> {
    gateway.session().find(pod, READ).unwrap().cursor.unwrap().unwrap()
}

#[test]
fn a_session_begins_with_the_bounds_of_its_call() {
    let place = Place::new().unwrap();
    let gateway = Gateway::start(&place, &["--op-timeout", "1500ms", "--max-output", "64KiB"]);
    assert_eq!(gateway.connect().begin(TOKEN).unwrap(), (4, 1500, Some(65_536), 30_000));
    let unbounded = Gateway::start(&place, &["--call-timeout", "2s"]);
    assert_eq!(unbounded.connect().begin(TOKEN).unwrap(), (4, 5000, None, 2000));
}

#[test]
fn a_message_is_sent_and_its_answer_read_and_the_cursor_moves_with_the_commit_alone() {
    let place = Place::new().unwrap();
    let _pod = RealPod::start(&place, "echo", &[], &["cat"]);
    let gateway = Gateway::start(&place, &PATIENT);

    let mut sending = gateway.session();
    let found = sending.find("echo", SEND).unwrap();
    assert_eq!((found.name.as_str(), found.scope.len()), ("echo", 0));
    assert_eq!((found.state, found.cursor.is_none()), (Some(Ok(1)), true));
    let exchange = sending.run(found.pod, "good morning").unwrap();
    assert!(sending.read_line(exchange).contains("turn_start"));
    while !sending.read_line(exchange).contains("run_end") {}
    sending.drop_exchange(exchange);
    sending.drop_pod(found.pod);
    sending.commit().unwrap();

    let read = |items: u64| {
        let mut session = gateway.session();
        let found = session.find("echo", READ).unwrap();
        assert_eq!(found.state, Some(Ok(1)));
        let exchange = session.get_history(found.pod).unwrap();
        assert!(session.read_line(exchange).contains("good morning"));
        session.drop_exchange(exchange);
        session.set_cursor(found.pod, items, "digest").unwrap();
        assert_eq!(
            session.cursor(found.pod).unwrap(),
            Some((items, "digest".to_owned())),
            "the call sees it"
        );
        assert_eq!(session.state(found.pod).unwrap(), 1);
        session
    };
    drop(read(2));
    assert_eq!(read_cursor(&gateway, "echo"), None, "what was not committed was not read");
    read(3).commit().unwrap();
    assert_eq!(read_cursor(&gateway, "echo"), Some((3, "digest".to_owned())));
    let mut killed = read(4);
    // Its client is killed in the middle of a request.
    killed.send(&request(9));
    drop(killed);
    assert_eq!(read_cursor(&gateway, "echo"), Some((3, "digest".to_owned())));
}

#[test]
fn who_asks_before_the_commit_has_come_is_given_what_it_stores() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "worker", Script::new()).unwrap();
    let gateway = Gateway::start(&place, &[]);
    for round in 1..=20 {
        let mut first = gateway.session();
        let found = first.find("worker", READ).unwrap();
        first.set_cursor(found.pod, round, "digest").unwrap();
        let mut second = gateway.session();
        let next = std::thread::spawn(move || second.find("worker", READ).unwrap().cursor.unwrap().unwrap());
        // The other is heard meanwhile.
        for _ in 0..20 {
            first.state(found.pod).unwrap();
        }
        first.commit().unwrap();
        assert_eq!(next.join().unwrap(), Some((round, "digest".to_owned())));
    }
    // One that does not end holds up nobody for ever.
    let mut first = gateway.session();
    let found = first.find("worker", READ).unwrap();
    first.set_cursor(found.pod, 21, "digest").unwrap();
    assert_eq!(read_cursor(&gateway, "worker"), Some((20, "digest".to_owned())));
}

#[test]
fn pods_are_listed_and_probed_and_stale_scope_is_reclaimed() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "alive", Script::new()).unwrap();
    place.record(place.native_record("gone")).unwrap();
    place.write_table(&[place.stale_allocation("gone")]).unwrap();
    let gateway = Gateway::start(&place, &[]);
    let mut session = gateway.session();
    let (pods, unreadable) = session.list().unwrap();
    let names: Vec<&str> = pods.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!((names, unreadable), (vec!["alive", "gone"], 0));
    assert_eq!(session.probe(&[pods[1].0, pods[0].0, pods[1].0]).unwrap(), [1, 0, 1]);
    assert_eq!(session.reclaim_stale().unwrap(), 1);
    let gone = session.find("gone", LIST).unwrap();
    let rule = ("/work/gone".to_owned(), true, true);
    assert_eq!((gone.scope, gone.state, gone.cursor.is_none()), (vec![rule], None, true));
    session.commit().unwrap();
    assert!(place.allocated().unwrap().is_empty());
}

#[test]
fn a_pod_is_stopped_released_and_forgotten() {
    let place = Place::new().unwrap();
    let pod = RealPod::start(&place, "worker", &[], &["cat"]);
    let gateway = Gateway::start(&place, &PATIENT);
    let mut session = gateway.session();
    let found = session.find("worker", STOP).unwrap();
    assert!(found.state.is_none() && found.cursor.is_none());
    let refused = session.release(found.pod, Some(0)).unwrap_err().failed();
    assert_eq!(refused.words(), ("execution-failed", "still-running"));
    assert_eq!(
        session.forget(found.pod).unwrap_err().failed().words(),
        ("execution-failed", "still-running")
    );
    let exchange = session.shutdown(found.pod).unwrap();
    while !session.read(exchange, None).unwrap().is_empty() {}
    assert!(session.await_closed(found.pod).unwrap());
    session.release(found.pod, None).unwrap();
    session.forget(found.pod).unwrap();
    session.commit().unwrap();
    drop(pod);
    assert!(place.recorded().unwrap().is_empty());
}

#[test]
fn errors_are_those_of_a_call_in_process() {
    let (place, _pod) = place_with(Script::new());
    place.record(place.native_record("dead")).unwrap();
    let options = ["--grant", "list", "--grant", "send:dead", "--op-timeout", "200ms"];
    let gateway = Gateway::start(&place, &options);
    let mut session = gateway.session();
    let same = |refusal: Refusal, tool: &str, input: serde_json::Value| {
        let here = call_with(&place, tool, &input.to_string(), &options).err();
        assert_eq!(refusal.words(), here.words());
        assert!(
            here.message.ends_with(&refusal.message),
            "{:?} is not in {:?}",
            refusal.message,
            here.message
        );
    };
    let denied = session.find("child", READ).unwrap_err().failed();
    same(denied, "ReadPodOutput", json!({"name": "child"}));
    let denied = session.find("nobody", STOP).unwrap_err().failed();
    same(denied, "StopPod", json!({"name": "nobody"}));
    let dead = session.find("dead", SEND).unwrap().pod;
    let unreachable = session.run(dead, "hello").unwrap_err().failed();
    assert_eq!(unreachable.words(), ("execution-failed", "unreachable"));
    // The handle was given for another verb, and opens nothing that is not granted.
    let child = session.list().unwrap().0[0].0;
    assert_eq!(session.get_history(child).unwrap_err().failed().words(), ("denied", "not-granted"));
    assert_eq!(session.shutdown(child).unwrap_err().failed().words(), ("denied", "not-granted"));
    assert_eq!(session.cursor(child).unwrap_err().failed().words(), ("denied", "not-granted"));
    session.commit().unwrap();
}

#[test]
fn what_rides_along_fails_for_itself() {
    let (place, _pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, &[]);
    let cursors = place.runtime_dir().join("read_cursors.json");
    std::fs::write(&cursors, "{").unwrap();
    let found = gateway.session().find("child", READ).unwrap();
    assert_eq!(found.state, Some(Ok(1)));
    assert_eq!(found.cursor.unwrap().unwrap_err().words(), ("execution-failed", "registry-damaged"));
}

#[test]
fn a_pod_that_answers_nothing_times_out_and_can_be_read_on() {
    let (place, pod) = place_with(
        Script::new().on("get_history", [Step::Wait("go".into()), Step::line(history(&[assistant("late")]))]),
    );
    let gateway = Gateway::start(&place, &PATIENT);
    let mut session = gateway.session();
    let found = session.find("child", READ).unwrap();
    let exchange = session.get_history(found.pod).unwrap();
    let nothing = session.read(exchange, Some(1)).unwrap_err().failed();
    assert_eq!(nothing.words(), ("execution-failed", "socket-timeout"));
    pod.open_gate("go");
    assert!(session.read_line(exchange).contains("late"));
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_order() {
    let (place, _pod) =
        place_with(Script::new().on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))]));
    let gateway = Gateway::start(&place, &PATIENT);
    let mut session = gateway.session();
    let found = session.find("child", SEND).unwrap();
    for content in [
        request(3).u32(found.pod),
        request(8).u32(found.pod).u8(0).text(&"x".repeat(300_000)).within(None),
        request(7).u32(found.pod),
        request(9).u32(found.pod + 1).u32(7).within(None),
        request(10).u32(found.pod + 1),
        request(15),
    ] {
        session.send(&content);
    }
    assert_eq!(session.answer(Fields::u8).unwrap(), 1);
    assert_eq!(session.answer(opened).unwrap(), found.pod + 1);
    assert_eq!(session.answer(|it| it.bytes().len()).unwrap(), 7);
    session.answer(|_| ()).unwrap();
    assert_eq!(session.receive(), None);
}

#[test]
fn limits_end_a_session_as_they_end_a_call() {
    let (place, _pod) = place_with(Script::new().on("get_history", [Step::Repeat(b"x".to_vec())]));
    place.record(place.native_record("other")).unwrap();
    let session = |options: &[&str]| -> (Gateway, Client<_>) {
        let gateway = Gateway::start(&place, options);
        let session = gateway.session();
        (gateway, session)
    };
    let is_limit = |refusal: &Refusal, option: &str| {
        assert_eq!(refusal.words(), ("limit", ""));
        assert!(refusal.message.ends_with(&format!(" (raise it with {option})")), "{}", refusal.message);
    };
    // One for `begin`, three for a `find` with all that comes along with it.
    let (_gateway, mut calls) = session(&["--host-calls", "6"]);
    calls.find("child", READ).unwrap();
    calls.reclaim_stale().unwrap();
    is_limit(&calls.list().unwrap_err().over(), "--host-calls");

    let none = Gateway::start(&place, &["--host-calls", "0"]);
    is_limit(&none.connect().begin(TOKEN).unwrap_err().over(), "--host-calls");

    let (_gateway, mut handles) = session(&["--handles", "1"]);
    is_limit(&handles.list().unwrap_err().over(), "--handles");

    let (_gateway, mut memory) = session(&["--memory", "1"]);
    is_limit(&memory.list().unwrap_err().over(), "--memory");

    let (_gateway, mut computing) = session(&["--cpu-time", "5ms", "--handles", "100000000"]);
    let ended = std::iter::repeat_with(|| computing.list()).find_map(Result::err);
    is_limit(&ended.unwrap().over(), "--cpu-time");

    let (_gateway, mut exchanges) = session(&["--exchanges", "1"]);
    let pod = exchanges.find("child", READ).unwrap().pod;
    let first = exchanges.get_history(pod).unwrap();
    is_limit(&exchanges.get_history(pod).unwrap_err().failed(), "--exchanges");
    exchanges.drop_exchange(first);
    exchanges.get_history(pod).unwrap();

    let (_gateway, mut line) = session(&["--max-line", "100"]);
    let pod = line.find("child", READ).unwrap().pod;
    let exchange = line.get_history(pod).unwrap();
    let too_long = std::iter::repeat_with(|| line.read(exchange, None)).find_map(Result::err);
    is_limit(&too_long.unwrap().failed(), "--max-line");

    let (_gateway, mut transfer) = session(&["--max-transfer", "1000"]);
    let pod = transfer.find("child", SEND).unwrap().pod;
    is_limit(&transfer.run(pod, &"x".repeat(1000)).unwrap_err().failed(), "--max-transfer");
    is_limit(&transfer.run(pod, &"x".repeat(100_000)).unwrap_err().over(), "--max-transfer");
}

#[test]
fn the_time_of_a_call_ends_a_session_that_waits_and_one_that_does_nothing() {
    let (place, pod) = place_with(Script::new());
    let options = ["--call-timeout", "1s", "--op-timeout", "60m"];
    let here = call_with(&place, "ReadPodOutput", r#"{"name":"child"}"#, &options).err();
    let gateway = Gateway::start(&place, &options);
    let (mut idle, mut waiting) = (gateway.session(), gateway.session());
    let child = waiting.find("child", READ).unwrap().pod;
    let exchange = waiting.get_history(child).unwrap();
    waiting.send(&request(9).u32(exchange).u32(1).within(None));
    // One of the pod's own call and one of the session's.
    pod.await_lines(2);
    for session in [&mut waiting, &mut idle] {
        let over = session.answer(|_| ()).unwrap_err().over();
        assert_eq!(over.words(), ("timeout", ""));
        assert_eq!(over.message, here.message);
    }
    pod.await_closed(2);
}

#[test]
fn a_session_leaves_a_line_with_what_was_asked_and_how_it_ended() {
    let (place, _pod) = place_with(Script::new().on("get_history", [Step::line(history(&[]))]));
    let gateway = Gateway::start(&place, &["--grant", "list,read"]);
    let mut session = gateway.session();
    let pod = session.find("child", READ).unwrap().pod;
    let exchange = session.get_history(pod).unwrap();
    session.read_line(exchange);
    session.find("child", STOP).unwrap_err();
    session.commit().unwrap();
    // When the client has the answer, the line is there.
    let line = &audited(&place, 1)[0];
    assert_eq!((&line["tool"], &line["outcome"]), (&json!("gateway"), &json!("ok")));
    let asked: Vec<_> = line["requests"].as_array().unwrap().iter().collect();
    let said = |at: usize, verb: &str, decision: &str, count: u64| {
        let asked = asked[at];
        assert_eq!((&asked["verb"], &asked["pod"]), (&json!(verb), &json!("child")), "{line}");
        assert_eq!((&asked["decision"], &asked["count"]), (&json!(decision), &json!(count)), "{line}");
    };
    said(0, "read", "allowed", 3);
    // Once with the pod, once with the exchange.
    said(1, "read", "allowed", 2);
    said(2, "stop", "denied", 1);
    assert!(line["bytes_from_pods"].as_u64().unwrap() > 0 && line["answer_bytes"].as_u64().unwrap() > 0);
    drop(gateway.session());
    assert_eq!(audited(&place, 2)[1]["outcome"], "cancelled");
    // The call in process that does the same is a line of its own form still.
    call(&place, "ListPods", &json!({})).ok();
}
