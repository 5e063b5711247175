//! Errors are answers: they carry the id of the request that they are about.

use pod_tools_conformance::Place;
use serde_json::{Value, json};

use crate::client::{Piped, Served, request};

/// A request with that id before its parameters, and one with it behind them.
fn requests(id: &Value, params: &str) -> [String; 2] {
    let around = ["\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"", "\"name\":\"SendToPod\""];
    [
        format!("{{\"id\":{id},{},\"params\":{{{},\"id\":99,\"a\":{params}}}}}", around[0], around[1]),
        format!("{{{},\"params\":{{\"a\":{params},\"id\":99,{}}},\"id\":{id}}}", around[0], around[1]),
    ]
}

/// What is wrong with parameters, and the code of the error.
fn broken() -> [(String, i64); 6] {
    [
        ("\"cut \\ud83d\"".to_owned(), -32700),
        (format!("{}{}", "[".repeat(200), "]".repeat(200)), -32700),
        ("1e999".to_owned(), -32700),
        ("[1,]".to_owned(), -32700),
        ("{\"a\":[1,2}".to_owned(), -32700),
        // Longer than the limit that the tests set.
        (format!("\"{}\"", "x".repeat(300_000)), -32600),
    ]
}

const SMALL: [&str; 2] = ["--max-frame", "100000"];

#[test]
fn over_stdio_an_error_carries_the_id_of_its_request() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &SMALL);
    let mut number = 10;
    for (params, code) in broken() {
        for text in [false, true] {
            number += 1;
            let id = if text { json!(format!("request-{number}")) } else { json!(number) };
            for line in requests(&id, &params) {
                client.send_bytes((line + "\n").as_bytes());
                let answer = client.receive();
                assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{params:.50}");
            }
        }
    }
}

#[test]
fn over_http_an_error_carries_the_id_of_its_request() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &SMALL);
    let session = server.session().unwrap();
    for (params, code) in broken() {
        for id in [json!(7), json!("seven")] {
            for body in requests(&id, &params) {
                let response = server.post(&[("Mcp-Session-Id", &session)], body.as_bytes());
                assert_eq!(response.status, if code == -32600 { 413 } else { 400 }, "{params:.50}");
                let answer = response.answer();
                assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{params:.50}");
            }
        }
    }
}

#[test]
fn each_request_of_a_batch_gets_the_error_that_there_are_no_batches() {
    let place = Place::new().unwrap();
    let batch = |ids: &[Value]| {
        let pings = ids.iter().map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }));
        Value::from_iter(pings).to_string()
    };
    let mut client = Piped::start(&place, &[]);
    client.send_bytes((batch(&[json!(15), json!("16")]) + "\n").as_bytes());
    for id in [json!(15), json!("16")] {
        let answer = client.receive();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32600)));
    }
    client.send(&request(17, "ping", json!({})));
    assert_eq!(client.receive()["id"], 17);

    // There is one answer to a request over HTTP, which is about one of them or about all.
    let server = Served::start(&place, &[]);
    let session = server.session().unwrap();
    for (ids, answered) in [(vec![json!(15)], json!(15)), (vec![json!(15), json!("16")], Value::Null)] {
        let response = server.post(&[("Mcp-Session-Id", &session)], batch(&ids).as_bytes());
        assert_eq!((response.status, &response.answer()["id"]), (400, &answered));
    }
}
