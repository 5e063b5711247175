//! Connections: who hears what, who is waited for, and what may be sent.

use std::io::{ErrorKind, Write};

use serde_json::{Value, json};

use crate::harness::*;

#[test]
fn notifications_reach_those_who_are_there_and_are_replayed_first_to_those_who_come() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut early = pod.connect();
    early.notify("one");
    early.notify("two");
    let (one, two) = (early.event(), early.event());
    assert_eq!(one["event"], "notification");
    assert_eq!(one["data"]["level"], "warn");
    assert_eq!(one["data"]["source"], "pod");
    assert_eq!(one["data"]["message"], "child: one");
    assert!(one["data"]["timestamp_ms"].as_u64().unwrap() > 1_600_000_000_000);
    for _ in 0..2 {
        let mut late = pod.connect();
        late.send("get_history");
        assert_eq!(late.event(), one);
        assert_eq!(late.event(), two);
        assert_eq!(late.event()["event"], "history");
    }
}

#[test]
fn a_method_is_not_lost_to_an_event_that_arrives_while_it_is_being_sent() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let (mut slow, mut other) = (pod.connect(), pod.connect());
    for part in ["{\"method\":", "\"get_", "history\"}"] {
        slow.write(part.as_bytes());
        other.notify("between");
        assert_eq!(slow.event()["event"], "notification");
    }
    slow.write(b"\n");
    assert_eq!(slow.event()["event"], "history");
}

#[test]
fn the_method_of_a_client_that_closes_at_once_is_not_lost() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut watcher = pod.connect();
    // Enough for the replay to find a closed connection.
    for _ in 0..50 {
        watcher.notify("noise");
        watcher.until("notification");
    }
    for number in 0..50 {
        pod.connect().notify(&format!("mine {number}"));
        assert_eq!(watcher.event()["data"]["message"], format!("child: mine {number}"));
    }
}

#[test]
fn a_line_that_is_no_method_is_an_error_for_its_sender_who_stays_connected() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let (mut client, mut other) = (pod.connect(), pod.connect());
    other.history();
    for line in ["{\"method\":\"dance\"}", "{\"method\":\"shutdown\",\"params\":{}}", "{", "[]", "\u{1b}"] {
        client.write(format!("{line}\n").as_bytes());
        let answer = client.event();
        assert_eq!(answer["event"], "error");
        assert_eq!(answer["data"]["code"], "internal");
        assert!(answer["data"]["message"].as_str().unwrap().starts_with("invalid method: "), "{answer}");
    }
    client.write(b"\xff\xfe\n");
    assert_eq!(client.event()["data"]["code"], "internal");
    client.history();
    other.history();
}

#[test]
fn blank_lines_carriage_returns_null_params_and_a_missing_last_newline_are_fine() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut client = pod.connect();
    client.write(b"\n\r\n  \n{\"method\":\"get_history\",\"params\":null}\r\n\n");
    assert_eq!(client.event()["event"], "history");
    client.write(b"{\"params\":{\"input\":\"last\"},\"method\":\"run\"}");
    client.finish_writing();
    assert_eq!(deltas(&client.until("run_end")), "last\n");
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_holds_nobody_up() {
    let world = World::new();
    let fifo = world.fifo("hold");
    let pod = world.pod("x", &[], &["cat", fifo.as_str()]);
    let (mut slow, mut quick) = (pod.connect(), pod.connect());
    slow.history();
    quick.history();
    let connected = pod.descriptors();
    quick.run("");
    let mut hold = fifo.open();
    quick.until("turn_start");
    // Half as much again as the pod keeps for a client, in pieces that the quick one takes in between.
    let piece = "x".repeat(1 << 18);
    for _ in 0..24 * 4 {
        hold.write_all(piece.as_bytes()).unwrap();
        let mut taken = 0;
        while taken < piece.len() {
            taken += quick.data("text_delta")["text"].as_str().unwrap().len();
        }
    }
    drop(hold);
    quick.until("run_end");
    eventually("the connection is cut, read or not", || pod.descriptors() < connected);

    let mut seen = Vec::new();
    let end = loop {
        match slow.line() {
            Ok(line) if line.is_empty() => break None,
            // The connection may be cut in the middle of a line.
            Ok(line) => seen.extend(serde_json::from_str::<Value>(&line)),
            Err(error) => break Some(error.kind()),
        }
    };
    assert!(matches!(end, None | Some(ErrorKind::ConnectionReset)), "{end:?}");
    assert_eq!(kinds(&seen)[0], "turn_start");
    assert!(!kinds(&seen).contains(&"run_end"), "it was dropped before the end");
    assert_eq!(quick.history()["items"][1]["content"][0]["text"].as_str().unwrap().len(), 24 << 20);
}

#[test]
fn a_client_whose_line_does_not_end_is_dropped() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let (mut endless, mut other) = (pod.connect(), pod.connect());
    let piece = vec![b' '; 1 << 20];
    let refused = (0..80).find_map(|_| endless.try_write(&piece).err()).expect("64 MiB are the most");
    assert!(matches!(refused.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{refused}");
    other.history();
}

#[test]
fn clients_that_come_and_go_leave_no_descriptor_behind() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut half_closed = pod.connect();
    half_closed.history();
    // It serves by now: what it says of itself at its start it says on a descriptor more.
    let alone = pod.descriptors() - 1;
    half_closed.finish_writing();
    for _ in 0..100 {
        drop(pod.connect());
        pod.connect().history();
    }
    eventually("all others are closed", || pod.descriptors() == alone + 1);
    pod.connect().notify("still listening?");
    assert_eq!(half_closed.event()["event"], "notification");
    drop(half_closed);
    eventually("the half-closed one too", || pod.descriptors() == alone);
}

#[test]
fn all_clients_see_all_events_in_the_same_order() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut clients: Vec<_> = (0..10).map(|_| pod.connect()).collect();
    for client in &mut clients {
        client.history();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.notify(&number.to_string());
        client.run(&number.to_string());
    }
    // All is said when every run has ended or was refused, and every notification was passed on.
    let mut first = Vec::new();
    let count = |events: &[Value], kind: &str| kinds(events).iter().filter(|found| **found == kind).count();
    while count(&first, "notification") < 10 || count(&first, "run_end") + count(&first, "error") < 10 {
        first.push(clients[0].event());
    }
    pod.connect().send("shutdown");
    first.extend(std::iter::from_fn(|| clients[0].next()));
    assert_eq!(first.last(), Some(&json!({"event": "shutdown"})));
    for client in &mut clients[1..] {
        let seen: Vec<_> = std::iter::from_fn(|| client.next()).collect();
        assert_eq!(seen, first);
    }
}
