//! The stream on which a client over HTTP hears what it did not ask for, opened and opened again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use pod_tools_conformance::Place;
use serde_json::json;

use crate::client::{Served, call, notification};

struct Listening {
    server: Served,
    session: String,
    grants: PathBuf,
    changes: usize,
}

impl Listening {
    fn start(place: &Place) -> Self {
        let grants = place.root().join("grants.toml");
        fs::write(&grants, "grants = [\"list\"]\n").unwrap();
        let server = Served::start(place, &["--grants", grants.to_str().unwrap()]);
        let session = server.session().unwrap();
        server.ask(&session, &notification("notifications/initialized", json!({})));
        server.ask(&session, &call(1, "ListPods", json!({}))).answer();
        Self { server, session, grants, changes: 0 }
    }

    fn open(&self, last_event_id: Option<&str>) -> BufReader<TcpStream> {
        let mut stream = self.server.connect();
        let last = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(
            stream,
            "GET /mcp HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {}\r\n{last}\r\n",
            self.server.address, self.session
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        // The stream is open once its head has come.
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            assert!(!line.starts_with("HTTP") || line.starts_with("HTTP/1.1 200"), "{line}");
        }
        reader
    }

    /// Has two events come: tools and resources have changed.
    fn change(&mut self) {
        self.changes += 1;
        let new = self.grants.with_extension("new");
        fs::write(&new, format!("grants = [\"list\", \"read:x{}\"]\n", self.changes)).unwrap();
        fs::rename(new, &self.grants).unwrap();
    }
}

/// The ids of the next events.
fn ids(stream: &mut BufReader<TcpStream>, count: usize) -> Vec<u64> {
    let lines = stream.lines().map(Result::unwrap);
    lines.filter_map(|line| line.strip_prefix("id: ").map(|id| id.parse().unwrap())).take(count).collect()
}

#[test]
fn a_new_stream_begins_with_what_is_new() {
    let place = Place::new().unwrap();
    let mut listening = Listening::start(&place);
    let mut first = listening.open(None);
    listening.change();
    assert_eq!(ids(&mut first, 2), [0, 1]);
    // The first one may be gone, with nobody knowing: the newest hears what comes.
    let mut second = listening.open(None);
    listening.change();
    assert_eq!(ids(&mut second, 2), [2, 3]);
    // Where it is not gone and the newest is, it goes on.
    drop(second);
    listening.change();
    assert_eq!(ids(&mut first, 2), [4, 5]);
    drop(first);
    // What nobody was there to hear is new to who comes.
    listening.change();
    let mut third = listening.open(None);
    assert_eq!(ids(&mut third, 2), [6, 7]);
}

#[test]
fn a_stream_is_resumed_behind_the_event_that_it_names() {
    let place = Place::new().unwrap();
    let mut listening = Listening::start(&place);
    let mut first = listening.open(None);
    listening.change();
    assert_eq!(ids(&mut first, 2), [0, 1]);
    listening.change();
    assert_eq!(ids(&mut first, 2), [2, 3]);
    let mut second = listening.open(Some("1"));
    assert_eq!(ids(&mut second, 2), [2, 3]);
    listening.change();
    assert_eq!(ids(&mut second, 2), [4, 5]);
    let mut again = listening.open(Some("0"));
    assert_eq!(ids(&mut again, 5), [1, 2, 3, 4, 5]);
    // Events of other sessions are not known here.
    for (unknown, new) in [("4711", [6, 7]), ("event", [8, 9]), ("-1", [10, 11])] {
        let mut stream = listening.open(Some(unknown));
        listening.change();
        assert_eq!(ids(&mut stream, 2), new, "{unknown}");
    }
}
