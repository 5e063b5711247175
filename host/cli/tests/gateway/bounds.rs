//! How much there is at once, and that nobody keeps others out with it.

use std::net::TcpStream;
use std::time::Duration;

use pod_tools_conformance::{Place, Script};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::place_with;
use crate::client::{Client, LIST, SEND, opened};
use crate::process::{Gateway, PATIENT, TOKEN, audited, token_file};
use crate::wire::{Written, request};

#[test]
fn who_has_all_his_sessions_is_told_so_until_one_ends() {
    let place = Place::new().unwrap();
    let gateway = Gateway::start(&place, &[&PATIENT[..], &["--max-caller-sessions", "2"]].concat());
    let (mut first, second) = (gateway.session(), gateway.session());
    for _ in 0..3 {
        let refused = gateway.connect().begin(TOKEN).unwrap_err().over();
        assert_eq!(refused.words(), ("limit", ""));
        assert!(
            refused.message.contains("2 session(s)") && refused.message.contains("--max-caller-sessions")
        );
    }
    first.list().unwrap();
    second.commit().unwrap();
    gateway.serves();
    let all = Gateway::start(&place, &[&PATIENT[..], &["--max-sessions", "1"]].concat());
    let mut only = all.session();
    let refused = all.connect().begin(TOKEN).unwrap_err().over();
    assert!(refused.kind == "limit" && refused.message.contains("--max-sessions"), "{}", refused.message);
    only.list().unwrap();
}

#[test]
fn one_callers_sessions_take_no_place_of_anothers() {
    let place = Place::new().unwrap();
    let tokens = ["a".repeat(16), "b".repeat(16)];
    let entries = ["alice", "bob"].iter().zip(&tokens).map(|(name, token)| {
        let file = token_file(&place, name, token);
        format!("[[caller]]\nname = \"{name}\"\ntoken-file = {file:?}\ngrants = [\"list\"]\n")
    });
    let file = place.root().join("callers.toml");
    std::fs::write(&file, entries.collect::<String>()).unwrap();
    let options = ["--grants", file.to_str().unwrap(), "--max-caller-sessions", "1"];
    let gateway = Gateway::run(&place, &[&PATIENT[..], &options].concat());
    let mut of_alice = gateway.session_with(&tokens[0]);
    assert_eq!(gateway.connect().begin(&tokens[0]).unwrap_err().over().kind, "limit");
    gateway.session_with(&tokens[1]).list().unwrap();
    of_alice.list().unwrap();
}

#[test]
fn ten_thousand_connections_keep_out_nobody_who_has_the_token() {
    let place = Place::new().unwrap();
    let gateway = Gateway::start(&place, &PATIENT);
    let mut before = gateway.session();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let most = limit.maximum.map_or(10_000, |most| 10_000.min(most.saturating_sub(500)));
    // As many at once as this process may have, and ten thousand in all. Where the system's queue is full, it has a client
    // wait for a second: so many of them wait at once.
    const THREADS: usize = 64;
    let most = usize::try_from(most).unwrap() / THREADS;
    let connections = gateway.connections();
    let connect = || {
        let mut open: Vec<Client<TcpStream>> = Vec::new();
        for _ in 0..10_000 / THREADS {
            if open.len() >= most {
                open.clear();
            }
            open.push(connections());
        }
        open
    };
    let open: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    gateway.serves();
    before.list().unwrap();
    drop(open);
    gateway.serves();
}

#[test]
fn long_messages_of_a_caller_have_a_bound_together() {
    let (place, _pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, &[&PATIENT[..], &["--max-transfer", "32MiB"]].concat());
    // Longer than what the system holds on the way of it: what was sent, the gateway has read for the greater part, and
    // taken the room of the whole.
    let text = "x".repeat(32_000_000);
    let session = || {
        let mut session = gateway.session();
        let child = session.find("child", SEND).unwrap().pod;
        let content = request(8).u32(child).u8(0).text(&text).within(None);
        (session, Written::default().bytes(&content.0).0)
    };
    let mut almost: Vec<_> = (0..2).map(|_| session()).collect();
    for (client, frame) in &mut almost {
        client.send_raw(&frame[..frame.len() - 1]);
    }
    let (mut third, frame) = session();
    third.send_raw(&frame[..frame.len() / 2]);
    let refused = third.answer(|_| ()).unwrap_err().over();
    assert_eq!(refused.words(), ("limit", ""));
    assert!(refused.message.contains("sessions of the caller"), "{}", refused.message);
    for (client, frame) in &mut almost {
        client.send_raw(&frame[frame.len() - 1..]);
        client.answer(opened).unwrap();
    }
    // Nobody reads in their exchanges: the pod was sent nothing, and the gateway keeps the messages.
    let (mut third, frame_of_third) = session();
    third.send_raw(&frame_of_third[..frame_of_third.len() / 2]);
    assert_eq!(third.answer(|_| ()).unwrap_err().over().words(), ("limit", ""));
    let (first, _) = almost.remove(0);
    first.commit().unwrap();
    let (mut third, frame) = session();
    third.send_raw(&frame);
    third.answer(opened).unwrap();
}

#[test]
fn a_list_to_probe_has_no_more_pods_than_there_may_be_handles() {
    let (place, _pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, &["--handles", "50"]);
    let mut session = gateway.session();
    let child = session.find("child", LIST).unwrap().pod;
    assert_eq!(session.probe(&[child; 50]).unwrap(), [0; 50]);
    let refused = session.probe(&[child; 51]).unwrap_err().over();
    assert_eq!(refused.words(), ("limit", ""));
    assert!(refused.message.contains("--handles"), "{}", refused.message);
}

#[test]
fn a_client_that_reads_no_answers_is_ended_with_its_time() {
    let place = Place::new().unwrap();
    place.record_all((0..2000).map(|i| place.native_record(&format!("pod-{i}")))).unwrap();
    let gateway = Gateway::start(&place, &["--call-timeout", "1s"]);
    let mut client = gateway.session();
    client.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Until neither side takes anything more.
    while std::io::Write::write_all(&mut client.stream, &[1, 0, 0, 0, 2]).is_ok() {}
    let line = &audited(&place, 1)[0];
    assert_ne!(line["outcome"], "ok");
    gateway.serves();
}
