//! Connections: so many at once, and clients that leave.

use std::io::{Read, Write};
use std::net::TcpStream;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::json;

use crate::client::{Served, call, newest, response};

const MAX_CONNECTIONS: usize = 256;

fn ask(server: &Served, stream: &mut TcpStream, close: &str) {
    write!(stream, "GET /nothing HTTP/1.1\r\nHost: {}\r\nConnection: {close}\r\n\r\n", server.address)
        .unwrap();
}

#[test]
fn a_connection_that_nobody_uses_makes_room_and_else_there_are_too_many() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let mut unused = server.connect();
    ask(&server, &mut unused, "keep-alive");
    // To the end of the answer, behind which the connection is kept.
    let mut answer = Vec::new();
    while !answer.ends_with(b"0\r\n\r\n") {
        let mut byte = [0];
        unused.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 404"));
    let session = server.session().unwrap();
    // These are streams that are open, and so are in use.
    let busy = || {
        let mut stream = server.connect();
        write!(
            stream,
            "GET /mcp HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n",
            server.address
        )
        .unwrap();
        // It has a place when it is answered.
        stream.read_exact(&mut [0; 25]).unwrap();
        stream
    };
    let mut waiting: Vec<TcpStream> = (1..MAX_CONNECTIONS).map(|_| busy()).collect();
    waiting.push(busy());
    assert_eq!(unused.read(&mut [0]).unwrap(), 0, "kept");
    let mut one_too_many = server.connect();
    ask(&server, &mut one_too_many, "keep-alive");
    let refused = response(one_too_many);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert!(refused.body.contains("limit"), "{refused:?}");
    drop(waiting.pop());
    // The server sees by itself that it has left.
    let served = (0..1000).any(|_| {
        let mut further = server.connect();
        ask(&server, &mut further, "close");
        response(further).status == 404
    });
    assert!(served);
}

#[test]
fn clients_that_leave_are_no_errors_of_the_server() {
    let place = Place::new().unwrap();
    let long = "a long story. ".repeat(1 << 18);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant(&long)]))]);
    let pod = FakePod::start(&place, "child", script).unwrap();
    let server = Served::start(&place, &[]);
    for leaving in 0..3 {
        let session = server.session().unwrap();
        let body = call(1, "ReadPodOutput", json!({ "name": "child" })).to_string();
        let mut stream = server.post_unread(&[("Mcp-Session-Id", &session)], body.as_bytes());
        match leaving {
            // Before the answer, in it, and with the whole session.
            0 => pod.await_lines(1),
            1 => stream.read_exact(&mut [0; 1000]).unwrap(),
            _ => {
                let ended = server.exchange("DELETE", "/mcp", &[("Mcp-Session-Id", &session)], b"");
                assert_eq!(ended.status, 202);
            }
        }
        drop(stream);
        server.session().unwrap();
    }
    // Those of the newest revision have no sessions.
    let (session, uri) = (server.session().unwrap(), "pod://child/transcript");
    for (method, name, params) in [
        ("subscriptions/listen", "", json!({ "notifications": { "resourceSubscriptions": [uri] } })),
        ("resources/read", uri, json!({ "uri": uri })),
    ] {
        let body = newest(1, method, params).to_string();
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)];
        let headers = if name.is_empty() { &headers[..2] } else { &headers };
        let mut stream = server.post_unread(headers, body.as_bytes());
        stream.read_exact(&mut [0; 300]).unwrap();
        drop(stream);
        server.ask(&session, &call(2, "ListPods", json!({}))).answer();
    }
    assert_eq!(server.stop(), "");
}
