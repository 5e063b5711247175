//! Clients that guess the sessions of others, with the token and without.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use pod_tools_conformance::Place;
use serde_json::json;

use crate::client::{Response, Served, initialize, request};
use crate::stranger::mode;

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const NO_SESSION: &str = "00000000-0000-4000-8000-000000000000";

fn token_file(place: &Place) -> PathBuf {
    let file = place.root().join("token");
    fs::write(&file, TOKEN).unwrap();
    mode(&file, 0o600);
    file
}

/// A server with the token.
pub fn served(place: &Place) -> Served {
    Served::start(place, &["--token-file", token_file(place).to_str().unwrap()])
}

/// A request of that method in a session, with that token.
fn in_session(server: &Served, method: &str, session: &str, token: &str) -> Response {
    let body = if method == "POST" { request(1, "ping", json!({})).to_string() } else { String::new() };
    let token = format!("Bearer {token}");
    let headers = [("Authorization", &*token), ("Mcp-Session-Id", session)];
    server.exchange(method, "/mcp", &headers, body.as_bytes())
}

fn begin(server: &Served) -> String {
    let headers = [("Authorization", &*format!("Bearer {TOKEN}"))];
    server.post(&headers, initialize().to_string().as_bytes()).session.unwrap()
}

/// All that a response says, but when.
fn without_date(response: &Response) -> String {
    let shown = format!("{response:?}");
    let (before, date) = shown.split_once("date: ").unwrap();
    before.to_owned() + &date["Fri, 27 Nov 2026 00:00:00 GMT".len()..]
}

#[test]
fn asks_without_the_token_whether_a_session_exists() {
    let place = Place::new().unwrap();
    let server = served(&place);
    let session = begin(&server);
    for method in ["POST", "GET", "DELETE"] {
        for token in ["", "x", &TOKEN[1..]] {
            let [there, not_there] =
                [&*session, NO_SESSION].map(|session| in_session(&server, method, session, token));
            assert_eq!(there.status, 401, "{method}: {there:?}");
            assert_eq!(without_date(&there), without_date(&not_there));
        }
    }
    // None of them ended it.
    assert_eq!(in_session(&server, "POST", &session, TOKEN).answer()["id"], 1);
}

#[test]
fn guesses_the_sessions_of_others() {
    let place = Place::new().unwrap();
    let server = served(&place);
    let sessions: HashSet<String> = (0..30).map(|_| begin(&server)).collect();
    assert_eq!(sessions.len(), 30);
    // 122 bits of each are random: no place of a digit is the same in all, but those that say so.
    for place in 0..36 {
        let digits: HashSet<u8> = sessions.iter().map(|id| id.as_bytes()[place]).collect();
        match place {
            8 | 13 | 18 | 23 => assert_eq!(digits, [b'-'].into()),
            14 => assert_eq!(digits, [b'4'].into()),
            _ => assert!(digits.len() > 1, "digit {place} of {sessions:?}"),
        }
    }
    let session = sessions.iter().next().unwrap();
    let ended = begin(&server);
    assert!(in_session(&server, "DELETE", &ended, TOKEN).status < 300);
    let mut near = session.clone().into_bytes();
    near[35] = if near[35] == b'0' { b'1' } else { b'0' };
    let near = String::from_utf8(near).unwrap();
    let long = "0".repeat(60_000);
    let upper = format!("{}G", session.to_uppercase());
    for guess in [
        NO_SESSION,
        &ended,
        &near,
        &session[1..],
        &format!("{session}, {session}"),
        &long,
        &upper,
        "*",
        "%00",
    ] {
        // What is to end is at its end in any case.
        for (method, status) in [("POST", 404), ("GET", 404), ("DELETE", 202)] {
            let answer = in_session(&server, method, guess, TOKEN);
            assert_eq!(answer.status, status, "{method} {guess:.80}: {answer:?}");
        }
    }
    for session in &sessions {
        assert_eq!(in_session(&server, "POST", session, TOKEN).answer()["id"], 1);
    }
}

#[test]
fn guesses_thousands_of_sessions_at_once() {
    let place = Place::new().unwrap();
    let server = served(&place);
    let session = begin(&server);
    std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..8)
            .map(|thread| {
                let server = &server;
                scope.spawn(move || {
                    for number in 0..250 {
                        let guess = format!("00000000-0000-4000-8000-{thread:04}{number:08}");
                        assert_eq!(in_session(server, "POST", &guess, TOKEN).status, 404);
                    }
                })
            })
            .collect();
        // Each within the client's own limit.
        let mut served = 0;
        while served < 20 || guessing.iter().any(|one| !one.is_finished()) {
            assert_eq!(in_session(&server, "POST", &session, TOKEN).answer()["id"], 1);
            served += 1;
        }
    });
    // No guess has taken a place from a session.
    for _ in 1..64 {
        begin(&server);
    }
}
