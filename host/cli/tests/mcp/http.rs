//! HTTP clients that must not come in, that send what is no message, that leave, that do not read.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::json;

use crate::cli;
use crate::client::{PATIENT, Served, call, initialize, notification, request, response};

const MIB: u64 = 1 << 20;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn token_file(place: &Place, mode: u32) -> String {
    let path = place.root().join("token");
    fs::write(&path, TOKEN).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_no_message_gets_its_error() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let session = server.session().unwrap();
    for (body, code) in
        [("garbage", -32700), ("", -32700), ("[]", -32600), ("{}", -32600), ("\u{feff}17", -32600)]
    {
        let response = server.post(&[("Mcp-Session-Id", &session)], body.as_bytes());
        assert_eq!((response.status, &response.answer()["error"]["code"]), (400, &json!(code)), "{body}");
    }
    let answer = server.ask(&session, &request(1, "no/such/method", json!({}))).answer();
    assert_eq!(answer["error"]["code"], -32601);
    let answer = server.ask(&session, &call(2, "SendToPod", json!({ "name": 7 }))).answer();
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(server.ask("nobody", &request(3, "ping", json!({}))).status, 404);
}

#[test]
fn a_body_of_100_mb_is_refused_without_being_held() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let session = server.session().unwrap();
    let before = server.peak_memory();
    // Announced, and not.
    for chunked in [false, true] {
        let mut stream = server.connect();
        let headers: &[(&str, &str)] = if chunked { &[("Transfer-Encoding", "chunked")] } else { &[] };
        let mut head = server.head(headers, 100 * MIB as usize);
        if chunked {
            head = head.replace(&format!("Content-Length: {}\r\n", 100 * MIB), "");
        }
        stream.write_all(head.as_bytes()).unwrap();
        let piece = [b'x'; 1 << 16];
        for _ in 0..1600 {
            let sent = if chunked {
                write!(stream, "{:x}\r\n", piece.len())
                    .and_then(|()| stream.write_all(&piece))
                    .and_then(|()| stream.write_all(b"\r\n"))
            } else {
                stream.write_all(&piece)
            };
            // The server need not listen to the end.
            if sent.is_err() {
                break;
            }
        }
        let mut status = [0; 12];
        if stream.read_exact(&mut status).is_ok() {
            assert_eq!(&status, b"HTTP/1.1 413");
        }
    }
    let grown = server.peak_memory() - before;
    assert!(grown < 32 * MIB, "grown by {grown} bytes");
    assert_eq!(server.ask(&session, &request(1, "ping", json!({}))).answer()["id"], 1);
}

#[test]
fn a_page_of_another_site_cannot_reach_the_server() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let port = server.address.rsplit(':').next().unwrap();
    let body = initialize().to_string();
    let status = |headers: &[(&str, &str)]| server.post(headers, body.as_bytes()).status;
    let localhost = format!("localhost:{port}");
    let own = format!("http://{localhost}");
    assert_eq!(status(&[("Host", &localhost)]), 200);
    assert_eq!(status(&[("Origin", &own)]), 200);
    for headers in [
        ("Host", "evil.example"),
        ("Host", "evil.example:80"),
        ("Host", "localhost.evil.example"),
        ("Host", "localhost:1"),
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
    ] {
        assert_eq!(status(&[headers]), 403, "{headers:?}");
    }
    drop(server);
    let server =
        Served::start(&place, &["--allow-host", "pods.example", "--allow-origin", "https://app.example:443"]);
    let headers = [("Host", "pods.example"), ("Origin", "https://app.example")];
    assert_eq!(server.post(&headers, body.as_bytes()).status, 200);
}

#[test]
fn who_does_not_show_the_token_gets_nothing() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &["--token-file", &token_file(&place, 0o600)]);
    let body = initialize().to_string();
    let shown = format!("Bearer {TOKEN}");
    assert_eq!(server.post(&[("Authorization", &shown)], body.as_bytes()).status, 200);
    assert_eq!(server.post(&[], body.as_bytes()).status, 401);
    for wrong in ["Bearer", "Bearer x", "Basic eA==", TOKEN, &shown[..shown.len() - 1]] {
        assert_eq!(server.post(&[("Authorization", wrong)], body.as_bytes()).status, 401, "{wrong}");
    }
}

#[test]
fn a_server_that_could_be_misused_does_not_start() {
    let place = Place::new().unwrap();
    let readable = token_file(&place, 0o644);
    for (options, words) in [
        (&["--http", "0.0.0.0:0"][..], "--token-file"),
        (&["--http", "[::]:0"], "--token-file"),
        (&["--http", "0", "--token-file", &readable], "chmod 600"),
        (&["--http", "0", "--token-file", "/nonexistent"], "/nonexistent"),
        (&["--http", "nonsense"], "PORT"),
        (&["--token-file", &readable], "--http"),
    ] {
        let outcome = cli::run(cli::at(&place, [&["mcp"], options].concat()));
        assert_eq!(outcome.code, Some(2), "{options:?}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{options:?}: {outcome:?}");
    }
}

/// A call, with id 1, that has asked the pod and waits for its answer.
fn begin_reading(server: &Served, session: &str, pod: &FakePod) -> TcpStream {
    let body = call(1, "ReadPodOutput", json!({ "name": "child" })).to_string();
    let stream = server.post_unread(&[("Mcp-Session-Id", session)], body.as_bytes());
    pod.await_lines(1);
    stream
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_call_takes_it_along() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let server = Served::start(&place, &PATIENT);
    let session = server.session().unwrap();
    let stream = begin_reading(&server, &session, &pod);
    drop(stream);
    pod.await_closed(1);
    assert_eq!(server.ask(&session, &request(2, "ping", json!({}))).answer()["id"], 2);
}

#[test]
fn a_cancelled_call_leaves_its_pod() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let server = Served::start(&place, &PATIENT);
    let session = server.session().unwrap();
    let stream = begin_reading(&server, &session, &pod);
    let cancelled = notification("notifications/cancelled", json!({ "requestId": 1 }));
    assert_eq!(server.ask(&session, &cancelled).status, 202);
    pod.await_closed(1);
    assert!(!response(stream).body.contains("result"));
}

#[test]
fn an_answer_that_never_got_out_is_given_again() {
    let place = Place::new().unwrap();
    // More than the system holds for a connection.
    let long = "a long story. ".repeat(1 << 20);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant(&long)]))]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    let server = Served::start(&place, &["--max-output", "none"]);
    let session = server.session().unwrap();
    let ask = |id| call(id, "ReadPodOutput", json!({ "name": "child" }));
    let mut stream = server.post_unread(&[("Mcp-Session-Id", &session)], ask(1).to_string().as_bytes());
    // The answer is on its way, and most of it is not out when the client leaves.
    stream.read_exact(&mut [0; 16 << 10]).unwrap();
    drop(stream);
    let answer = server.ask(&session, &ask(2)).answer();
    assert!(answer["result"]["structuredContent"]["text"] == json!(long), "not given again");
    let answer = server.ask(&session, &ask(3)).answer();
    assert_eq!(answer["result"]["structuredContent"]["text"], "");
}

#[test]
fn a_client_that_does_not_read_stands_in_nobodys_way() {
    let place = Place::new().unwrap();
    let long = "a long story. ".repeat(1 << 18);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant(&long)]))]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    let server = Served::start(&place, &[]);
    let (deaf, other) = (server.session().unwrap(), server.session().unwrap());
    let before = server.peak_memory();
    let unread: Vec<_> = (1..=40)
        .map(|id| {
            let body = request(id, "resources/read", json!({ "uri": "pod://child/transcript" })).to_string();
            server.post_unread(&[("Mcp-Session-Id", &deaf)], body.as_bytes())
        })
        .collect();
    for id in 1..=20 {
        let answer = server.ask(&other, &call(id, "ListPods", json!({}))).answer();
        assert_eq!(answer["result"]["isError"], false);
    }
    let grown = server.peak_memory() - before;
    assert!(grown < 512 * MIB, "grown by {grown} bytes");
    drop(unread);
    assert_eq!(server.ask(&deaf, &request(99, "ping", json!({}))).answer()["id"], 99);
}

#[test]
fn there_are_so_many_sessions_and_one_that_ends_makes_room() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let sessions: Vec<String> = (0..64).map(|_| server.session().unwrap()).collect();
    let refused = server.session().unwrap_err();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{refused:?}");
    let error = refused.answer();
    assert_eq!(error["id"], 0);
    assert!(error["error"]["message"].as_str().unwrap().contains("limit"), "{error}");
    let mut stream = server.connect();
    let delete = server.head(&[("Mcp-Session-Id", &sessions[0])], 0).replacen("POST", "DELETE", 1);
    stream.write_all(delete.as_bytes()).unwrap();
    assert_eq!(response(stream).status, 202);
    server.session().unwrap();
    assert_eq!(server.ask(&sessions[1], &request(1, "ping", json!({}))).answer()["id"], 1);
}
