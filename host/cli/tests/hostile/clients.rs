//! Clients that may come in and misuse it: that read nothing, send without end, and hold what others need. Others are
//! served meanwhile, and the server's memory stays below a bound that does not depend on how many they are.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::client::{Served, call, request};

const MIB: u64 = 1 << 20;

/// An honest client is served.
fn serves(server: &Served, session: &str) {
    let answer = server.ask(session, &call(1, "ListPods", json!({}))).answer();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

/// What the server has grown by, with what it does meanwhile.
fn growth(server: &Served, attack: impl FnOnce()) -> u64 {
    let before = server.peak_memory();
    attack();
    server.peak_memory() - before
}

/// Reads until the body of a response has begun, or has ended.
fn begin_to_read(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    stream.take(600).read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// A server whose answers are as long as they are, and a pod that has said something of 8 MiB.
fn talkative(place: &Place) -> (FakePod, Served) {
    let said = "a long story. ".repeat((8 << 20) / 14);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant(&said)]))]);
    let pod = FakePod::start(place, "child", script).unwrap();
    (pod, Served::start(place, &["--max-output", "none"]))
}

fn leaves_forty_answers_unread(asked: impl Fn(u64) -> Value) {
    let place = Place::new().unwrap();
    let (_pod, server) = talkative(&place);
    let honest = server.session().unwrap();
    let grown = growth(&server, || {
        let mut unread = Vec::new();
        for id in 1..=40 {
            // Each a client of its own.
            let deaf = server.session().unwrap();
            let body = asked(id).to_string();
            let mut stream = server.post_unread(&[("Mcp-Session-Id", &deaf)], body.as_bytes());
            begin_to_read(&mut stream);
            unread.push(stream);
        }
        serves(&server, &honest);
    });
    assert!(grown < 288 * MIB, "grown by {grown} bytes");
    serves(&server, &honest);
}

#[test]
fn leaves_forty_tool_results_unread() {
    leaves_forty_answers_unread(|id| call(id, "ReadPodOutput", json!({ "name": "child" })));
}

#[test]
fn leaves_forty_transcripts_unread() {
    leaves_forty_answers_unread(|id| {
        request(id, "resources/read", json!({ "uri": "pod://child/transcript" }))
    });
}

#[test]
fn sends_bodies_that_never_end() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let honest = server.session().unwrap();
    let begun = || {
        let mut stream = server.connect();
        let head = server.head(&[("Transfer-Encoding", "chunked")], 0).replace("Content-Length: 0\r\n", "");
        stream.write_all(format!("{head}1\r\n \r\n").as_bytes()).unwrap();
        stream
    };
    let mut endless: Vec<TcpStream> = (0..400).map(|_| begun()).collect();
    serves(&server, &honest);
    for stream in &mut endless {
        // Most are closed already.
        let _ = stream.write_all(b"1\r\n \r\n");
    }
    serves(&server, &honest);
}

#[test]
fn sends_the_longest_messages_at_once() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let honest = server.session().unwrap();
    let grown = growth(&server, || {
        // Each lacks its last byte.
        let piece = vec![b' '; (4 << 20) - 1];
        let sent = (0..200).map(|_| {
            let mut stream = server.connect();
            stream.write_all(server.head(&[], 4 << 20).as_bytes()).unwrap();
            // It is answered before its end where there is no room.
            let _ = stream.write_all(&piece);
            stream
        });
        let sent: Vec<TcpStream> = sent.collect();
        serves(&server, &honest);
        drop(sent);
    });
    assert!(grown < 192 * MIB, "grown by {grown} bytes");
}

#[test]
fn sends_messages_of_nothing_but_values() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let session = server.session().unwrap();
    let grown = growth(&server, || {
        let numbers = format!("[0{}]", ",0".repeat((2 << 20) - 200));
        let body = call(2, "ListPods", json!({ "a": 0 }))
            .to_string()
            .replace(r#""a":0"#, &format!(r#""a":{numbers}"#));
        let refused: Vec<TcpStream> =
            (0..8).map(|_| server.post_unread(&[("Mcp-Session-Id", &session)], body.as_bytes())).collect();
        for stream in refused {
            assert_eq!(crate::client::response(stream).status, 400);
        }
    });
    assert!(grown < 64 * MIB, "grown by {grown} bytes");
    serves(&server, &session);
}

#[test]
fn asks_on_and_on_and_reads_nothing() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let (deaf, honest) = (server.session().unwrap(), server.session().unwrap());
    let grown = growth(&server, || {
        let body = request(1, "tools/list", json!({})).to_string();
        let head = server.head(&[("Mcp-Session-Id", &deaf)], body.len()).replace("Connection: close\r\n", "");
        let mut stream = server.connect();
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let asked = format!("{head}{body}").repeat(100);
        // Until the server takes no more.
        while stream.write_all(asked.as_bytes()).is_ok() {}
        serves(&server, &honest);
    });
    assert!(grown < 32 * MIB, "grown by {grown} bytes");
}

#[test]
fn opens_streams_and_reads_none() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let server = Served::start(&place, &[]);
    let (deaf, honest) = (server.session().unwrap(), server.session().unwrap());
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(server.ask(&deaf, &initialized).status, 202);
    server.ask(&deaf, &request(2, "resources/subscribe", json!({ "uri": "pod://child/transcript" })));
    let grown = growth(&server, || {
        let open = (0..200).map(|_| {
            let mut stream = server.connect();
            let head = server.head(&[("Mcp-Session-Id", &deaf)], 0).replacen("POST", "GET", 1);
            stream.write_all(head.as_bytes()).unwrap();
            stream.read_exact(&mut [0; 15]).unwrap();
            stream
        });
        let _open: Vec<TcpStream> = open.collect();
        for _ in 0..500 {
            pod.set_status("running").unwrap();
            pod.set_status("idle").unwrap();
        }
        serves(&server, &honest);
    });
    assert!(grown < 32 * MIB, "grown by {grown} bytes");
}

#[test]
fn opens_ten_thousand_connections() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let possible = limit.maximum.map_or(u64::MAX, |maximum| maximum.saturating_sub(1000));
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let honest = server.session().unwrap();
    let grown = growth(&server, || {
        // From many threads: where the server's queue is full, the system has each wait for a second.
        let open: Vec<Vec<TcpStream>> = std::thread::scope(|scope| {
            let some = || (0..possible.min(10_000) / 32).map(|_| server.connect()).collect();
            let threads: Vec<_> = (0..32).map(|_| scope.spawn(some)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        serves(&server, &honest);
        drop(open);
    });
    assert!(grown < 32 * MIB, "grown by {grown} bytes");
    serves(&server, &honest);
}
