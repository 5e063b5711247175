//! Clients without the token that take places: others are served meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pod_tools_conformance::Place;

use crate::client;
use crate::sessions::{self, TOKEN};

/// Tells "is kept out" from "is served".
const SOON: Duration = Duration::from_secs(10);

/// A server with a token. Dropped, it is killed.
pub struct Served(client::Served);

impl Served {
    pub fn start(place: &Place) -> Self {
        Self(sessions::served(place))
    }

    pub fn connect(&self) -> TcpStream {
        let stream = self.0.connect();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// The status with which these bytes are answered; the connection must end.
    pub fn status_of(&self, bytes: &str) -> u16 {
        let answer = self.answers_to(bytes);
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer to {bytes:?}")).parse().unwrap()
    }

    /// All that is said to these bytes, `{host}` and `{token}` filled in, to the end of the connection.
    pub fn answers_to(&self, bytes: &str) -> String {
        let bytes = bytes.replace("{host}", &self.0.address).replace("{token}", TOKEN);
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One who has the token is let in, as far as a path that there is not.
    pub fn serves_who_may_come_in(&self) {
        let asked =
            "GET /x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n";
        assert_eq!(self.status_of(asked), 404);
    }
}

#[test]
fn silent_connections_keep_out_nobody_who_has_the_token() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    let _silent: Vec<TcpStream> = (0..400).map(|_| server.connect()).collect();
    server.serves_who_may_come_in();
}

#[test]
fn heads_that_never_end_keep_out_nobody_who_has_the_token() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    let begun = || {
        let mut stream = server.connect();
        stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: x\r\nA: ").unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..400).map(|_| begun()).collect();
    for stream in &mut slow {
        // Most are closed already.
        let _ = stream.write_all(b"a");
    }
    server.serves_who_may_come_in();
}

#[test]
fn a_flood_of_connections_keeps_out_nobody_who_has_the_token() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    for _ in 0..3000 {
        drop(server.connect());
    }
    server.serves_who_may_come_in();
}

#[test]
fn who_is_refused_is_told_so_and_his_connection_is_closed() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    for (headers, status) in [
        ("Host: {host}\r\n", 401),
        ("Host: {host}\r\nAuthorization: Bearer 0123456789abcdef\r\n", 401),
        ("Host: evil.example\r\nAuthorization: Bearer {token}\r\n", 403),
        ("Host: {host}\r\nOrigin: http://evil.example\r\nAuthorization: Bearer {token}\r\n", 403),
    ] {
        // With a body that never comes, and with none.
        for length in [1_000_000, 0] {
            let head = format!("POST /mcp HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n");
            let answer = server.answers_to(&head);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}{answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{head}{answer}");
        }
    }
}

#[test]
fn a_connection_that_shows_nothing_is_closed_within_seconds() {
    let place = Place::new().unwrap();
    let server = Served::start(&place);
    let mut silent = server.connect();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
}
