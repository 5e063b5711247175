//! Requests that are no HTTP, by their bytes: nobody in front of the server and the server itself may read them
//! as two different things.

use pod_tools_conformance::Place;

use crate::places::Served;

const SHOWN: &str = "Authorization: Bearer {token}\r\nConnection: close\r\n";

fn statuses(requests: &[(String, u16)]) {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    for (request, status) in requests {
        assert_eq!(server.status_of(request), *status, "{request:?}");
    }
    server.serves_who_may_come_in();
}

#[test]
fn a_target_that_names_another_host_than_the_request_is_refused() {
    let with = |line: &str, status| (format!("{line}\r\nHost: {{host}}\r\n{SHOWN}\r\n"), status);
    statuses(&[
        with("GET http://{host}/x HTTP/1.1", 404),
        with("GET http://evil.example/x HTTP/1.1", 400),
        with("GET http://me@{host}/x HTTP/1.1", 400),
        with("OPTIONS * HTTP/1.1", 400),
        with("CONNECT {host} HTTP/1.1", 400),
    ]);
}

#[test]
fn a_request_with_any_number_of_hosts_but_one_is_refused() {
    let with = |hosts: &str| (format!("GET /x HTTP/1.1\r\n{hosts}{SHOWN}\r\n"), 400);
    statuses(&[
        with(""),
        with("Host: {host}\r\nHost: {host}\r\n"),
        with("Host: me@{host}\r\n"),
        with("Host: \r\n"),
        with("Host: {host}, evil.example\r\n"),
    ]);
}

#[test]
fn a_request_with_two_origins_is_refused() {
    let origins = "Origin: http://{host}\r\nOrigin: http://{host}\r\n";
    statuses(&[(format!("GET /x HTTP/1.1\r\nHost: {{host}}\r\n{origins}{SHOWN}\r\n"), 400)]);
}

/// Read in either way, each would be for a path that there is not.
#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    let with = |rest: &str, status| (format!("POST /x HTTP/1.1\r\nHost: {{host}}\r\n{SHOWN}{rest}"), status);
    statuses(&[
        with("Content-Length: 1\r\n\r\nx", 404),
        with("Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        with("Content-Length: +1\r\n\r\nx", 400),
        with("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        with("A: b\r\n c\r\n\r\n", 400),
        with("A: b\rc\r\n\r\n", 400),
        with("A: b\0c\r\n\r\n", 400),
        with("A : b\r\n\r\n", 400),
        ("GET /x\r\n\r\n".to_owned(), 400),
    ]);
}

#[test]
fn a_request_with_a_length_and_chunks_is_the_last_of_its_connection() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    let second = "GET /x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n";
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 500\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        // Whoever goes by the length takes the second request for a part of the first one.
        let first = second.replace("\r\n\r\n", &format!("\r\n{lengths}\r\n0\r\n\r\n"));
        let answers = server.answers_to(&format!("{first}{second}"));
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
    server.serves_who_may_come_in();
}

#[test]
fn other_protocols_and_expectations_are_refused_or_passed_over() {
    let with =
        |line: &str, rest: &str, status| (format!("{line}\r\nHost: {{host}}\r\n{SHOWN}{rest}\r\n"), status);
    statuses(&[
        with("GET /x HTTP/1.1", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n", 404),
        with("GET /x HTTP/1.1", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", 404),
        with("GET /x HTTP/1.0", "", 404),
        with("POST /x HTTP/1.0", "Transfer-Encoding: chunked\r\n", 400),
        with("GET /x HTTP/1.1", "Expect: 200-ok\r\n", 404),
        ("GET /x HTTP/3.0\r\nHost: {host}\r\n\r\n".to_owned(), 400),
    ]);
}
