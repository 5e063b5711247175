//! Frames that are none, too many, too long, and clients that leave or do not read.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use rustix::process::Signal;
use serde_json::json;

use crate::cli;
use crate::client::{PATIENT, Piped, call, initialize, notification, request, text};

const MIB: u64 = 1 << 20;

fn place_with(script: Script) -> (Place, FakePod) {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", script).unwrap();
    (place, pod)
}

/// A pod that takes the question and never answers.
fn silent() -> (Place, FakePod) {
    place_with(Script::new())
}

fn with_history(text: &str) -> (Place, FakePod) {
    place_with(Script::new().on("get_history", [Step::line(history(&[assistant(text)]))]))
}

#[test]
fn what_is_no_message_gets_its_error_and_the_session_goes_on() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &[]);
    for (line, code) in [
        ("garbage", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":", -32700),
        ("\u{1}", -32700),
        ("[]", -32600),
        ("17", -32600),
        ("{}", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":null,\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":7}", -32600),
    ] {
        client.send_bytes(format!("{line}\n").as_bytes());
        assert_eq!(client.refusal(), code, "{line}");
    }
    client.send_bytes(b"\xff\xfe\n");
    assert_eq!(client.refusal(), -32700);
    // Blank lines and notifications that nobody knows get nothing at all.
    client.send_bytes(b"\n  \n");
    client.send(&notification("notifications/nobody/knows", json!({ "a": 1 })));
    client.send(&request(1, "ping", json!({})));
    assert_eq!(client.receive(), json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
}

#[test]
fn requests_that_cannot_be_served_get_the_protocols_errors() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &[]);
    let cases = [
        (request(1, "no/such/method", json!({})), -32601),
        (request(2, "prompts/list", json!({})), -32601),
        (request(3, "tools/call", json!({ "nam": "ListPods" })), -32602),
        (request(4, "tools/call", json!({ "name": "ListPods", "arguments": [] })), -32602),
        (call(5, "NoSuchTool", json!({})), -32602),
        (request(6, "tools/list", json!({ "cursor": "7" })), -32602),
        (request(7, "resources/list", json!({ "cursor": "7" })), -32602),
        (request(8, "resources/read", json!({ "uri": "file:///etc/passwd" })), -32002),
        (request(9, "resources/subscribe", json!({ "uri": "pod://nobody/transcript" })), -32002),
    ];
    for (id, (request, code)) in (1..).zip(cases) {
        client.send(&request);
        assert_eq!(client.answer(id)["error"]["code"], code, "{request}");
    }
}

#[test]
fn words_before_the_introduction_do_no_harm() {
    let place = Place::new().unwrap();
    let mut client = Piped::unread(&place, &[]);
    client.read();
    client.send(&notification("notifications/initialized", json!({})));
    client.send(&json!({ "jsonrpc": "2.0", "id": 9, "result": {} }));
    client.send(&request(1, "tools/list", json!({})));
    assert!(client.answer(1).get("error").is_some());
    client.send(&initialize());
    assert_eq!(client.answer(0)["result"]["serverInfo"]["name"], "pod-tools");
}

#[test]
fn an_id_that_is_not_answered_yet_cannot_be_used_again() {
    let (place, pod) = silent();
    let mut client = Piped::start(&place, &PATIENT);
    client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
    pod.await_lines(1);
    client.send(&request(1, "ping", json!({})));
    assert_eq!(client.answer(1)["error"]["code"], -32600);
    // The first one is still to be had.
    client.send(&notification("notifications/cancelled", json!({ "requestId": 1 })));
    pod.await_closed(1);
}

#[test]
fn a_frame_of_100_mb_is_refused_without_being_held() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &[]);
    let before = client.peak_memory();
    let piece = vec![b'x'; MIB as usize];
    for _ in 0..100 {
        client.send_bytes(&piece);
    }
    client.send_bytes(b"\n");
    assert_eq!(client.refusal(), -32600);
    let grown = client.peak_memory() - before;
    assert!(grown < 16 * MIB, "grown by {grown} bytes");
    client.send(&request(1, "ping", json!({})));
    client.answer(1);
}

#[test]
fn the_limit_of_a_frame_is_an_option_and_its_refusal_names_it() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &["--max-frame", "1000"]);
    let padded = |length: usize| {
        let message = request(1, "ping", json!({})).to_string();
        format!("{message}{}\n", " ".repeat(length - message.len()))
    };
    client.send_bytes(padded(1000).as_bytes());
    client.answer(1);
    client.send_bytes(padded(1001).as_bytes());
    let refusal = client.await_message(|message| message.get("error").is_some());
    assert!(refusal["error"]["message"].as_str().unwrap().contains("--max-frame"), "{refusal}");
}

#[test]
fn a_cancelled_call_leaves_its_pod_and_gets_no_answer() {
    let (place, pod) = silent();
    let mut client = Piped::start(&place, &PATIENT);
    client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
    pod.await_lines(1);
    client.send(&notification("notifications/cancelled", json!({ "requestId": 1, "reason": "enough" })));
    pod.await_closed(1);
    client.send(&request(2, "ping", json!({})));
    assert_eq!(client.receive()["id"], 2);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_call_takes_it_along() {
    let (place, pod) = silent();
    let mut client = Piped::start(&place, &PATIENT);
    client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
    pod.await_lines(1);
    drop(client.stdin.take());
    pod.await_closed(1);
    assert_eq!(client.code(), Some(0));
}

#[test]
fn a_client_that_reads_no_more_has_left_and_nothing_is_said_of_it() {
    for shut in ["stdout", "stdin"] {
        let (place, _pod) = with_history(&"a long story. ".repeat(1 << 16));
        let mut child = cli::at(&place, ["mcp"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", initialize()).unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        writeln!(stdin, "{}", call(1, "ReadPodOutput", json!({ "name": "child" }))).unwrap();
        // The answer is on its way.
        stdout.read_exact(&mut [0; 100]).unwrap();
        match shut {
            "stdout" => {
                drop(stdout);
                // It ends though its input does not.
                child.wait().unwrap();
            }
            _ => {
                drop(stdin);
                drop(stdout);
            }
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{shut}");
    }
}

#[test]
fn what_was_asked_before_the_end_of_input_is_answered() {
    let (place, _pod) = with_history("hello");
    let mut client = Piped::start(&place, &[]);
    client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
    drop(client.stdin.take());
    assert_eq!(client.answer(1)["result"]["structuredContent"]["text"], "hello");
    assert_eq!(client.code(), Some(0));
}

#[test]
fn signals_end_the_calls_and_then_the_server() {
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let (place, pod) = silent();
        let mut client = Piped::start(&place, &PATIENT);
        client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
        pod.await_lines(1);
        client.signal(signal);
        pod.await_closed(1);
        assert_eq!(client.code(), Some(code));
    }
}

#[test]
fn a_thousand_calls_at_once_are_all_answered_in_bounded_memory() {
    let (place, _pod) = with_history("hello");
    let mut client = Piped::start(&place, &[]);
    client.ask(1, "ListPods", json!({}));
    let before = client.peak_memory();
    for id in 2..1002 {
        client.send(&call(id, "ListPods", json!({})));
    }
    for id in 2..1002 {
        assert_eq!(client.answer(id)["result"]["isError"], false);
    }
    let grown = client.peak_memory() - before;
    assert!(grown < 200 * MIB, "grown by {grown} bytes");
}

#[test]
fn a_client_that_reads_no_answers_is_not_read_from_without_end() {
    let (place, _pod) = with_history("hello");
    let mut client = Piped::unread(&place, &[]);
    let mut stdin = client.stdin.take().unwrap();
    // More than may be in flight, each with an answer that fills the pipe soon.
    let writing = std::thread::spawn(move || {
        writeln!(stdin, "{}", initialize()).unwrap();
        for id in 1..=5000 {
            writeln!(stdin, "{}", request(id, "tools/list", json!({}))).unwrap();
        }
        stdin
    });
    // It comes to a stop; then everything is still answered.
    let before = client.peak_memory();
    client.read();
    for id in 0..=5000 {
        assert!(client.answer(id).get("result").is_some(), "{id}");
    }
    let grown = client.peak_memory() - before;
    assert!(grown < 200 * MIB, "grown by {grown} bytes");
    drop(writing.join().unwrap());
    assert_eq!(client.code(), Some(0));
}

#[test]
fn an_answer_that_never_got_out_is_given_again() {
    // More than a pipe holds.
    let long = "a long story. ".repeat(1 << 16);
    let (place, _pod) = with_history(&long);
    let mut client = Piped::unread(&place, &["--max-output", "none"]);
    client.send(&initialize());
    client.send(&notification("notifications/initialized", json!({})));
    client.send(&call(1, "ReadPodOutput", json!({ "name": "child" })));
    // The answer is on its way, and most of it is not out when everything ends.
    client.read_beginning(16 << 10);
    client.kill();

    let mut client = Piped::start(&place, &["--max-output", "none"]);
    let answer = client.ask(1, "ReadPodOutput", json!({ "name": "child" }));
    assert_eq!(answer["result"]["structuredContent"]["text"], long);
    // And this one was read, so it is not given a third time, however soon it is asked for.
    let answer = client.ask(2, "ReadPodOutput", json!({ "name": "child" }));
    assert_eq!(answer["result"]["structuredContent"]["text"], "", "{}", text(&answer));
}
