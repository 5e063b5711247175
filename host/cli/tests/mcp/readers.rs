//! Clients as readers: what one reads no other misses, and one that comes again goes on where it was.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::json;

use crate::cli;
use crate::client::{LIMIT, Piped, Served, call, text};

/// A place with a pod that has said something, and two directories to work in.
fn place() -> (Place, FakePod, [PathBuf; 2]) {
    let place = Place::new().unwrap();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("hello")]))]);
    let pod = FakePod::start(&place, "child", script).unwrap();
    let directories = ["one", "other"].map(|name| place.root().join(name));
    directories.iter().for_each(|directory| fs::create_dir(directory).unwrap());
    (place, pod, directories)
}

/// Whether the client has what the pod said still to read.
fn reads(client: &mut Piped) -> bool {
    let answer = client.ask(1, "ReadPodOutput", json!({ "name": "child" }));
    // A call that follows is made when the cursor has moved: now the client may be killed.
    client.ask(2, "ListPods", json!({}));
    let text = text(&answer);
    assert!(text.ends_with("hello") || text.ends_with("no new assistant text"), "{answer}");
    text.ends_with("hello")
}

fn command_line_reads(place: &Place, options: &[&str]) -> bool {
    let read = cli::call_with(place, "ReadPodOutput", r#"{"name":"child"}"#, options);
    read.ok()["content"] == "hello"
}

#[test]
fn a_client_takes_no_text_from_another_nor_from_the_command_line_and_goes_on_where_it_was() {
    let (place, _pod, [one, other]) = place();
    for (name, directory) in [("codex", &one), ("codex", &other), ("opencode", &one)] {
        let start = || Piped::start_as(name, directory, &place, &[]);
        let mut client = start();
        assert!(reads(&mut client), "{name} in {directory:?} misses what another has read");
        assert!(!reads(&mut client));
        drop(client);
        assert!(!reads(&mut start()), "{name} in {directory:?} does not go on where it was");
    }
    assert!(command_line_reads(&place, &[]));
    assert!(!command_line_reads(&place, &[]));
}

#[test]
fn a_reader_that_the_operator_names_is_one_whoever_it_is() {
    let (place, _pod, [one, other]) = place();
    let shared = ["--reader", "reviewers"];
    assert!(reads(&mut Piped::start_as("codex", &one, &place, &shared)));
    assert!(!reads(&mut Piped::start_as("opencode", &other, &place, &shared)));
    assert!(!command_line_reads(&place, &shared));
    assert!(command_line_reads(&place, &["--reader", "another"]));
    // The variable says the same.
    let mut command = cli::at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#, "--json"]);
    command.env("POD_TOOLS_READER", "reviewers");
    assert_eq!(cli::run(command).ok()["content"], json!(null));
    let refused = cli::run(cli::at(&place, ["call", "ListPods", "--reader", "a\nb"]));
    assert!(refused.code == Some(2) && refused.stderr.contains("1 to 256 bytes"), "{refused:?}");
}

#[test]
fn a_look_moves_no_cursor_and_begins_where_the_reader_is() {
    let (place, _pod, [one, _]) = place();
    let look = |options: &[&str]| command_line_reads(&place, &[options, &["--peek"]].concat());
    assert!(look(&[]) && look(&[]));
    assert!(command_line_reads(&place, &[]));
    assert!(!look(&[]));
    // With a client's name, its own view.
    let name = format!("codex at {}", one.display());
    assert!(look(&["--reader", &name]));
    assert!(reads(&mut Piped::start_as("codex", &one, &place, &[])));
    assert!(!look(&["--reader", &name]));
    let mut batch = cli::at(&place, ["call", "--batch", "--peek", "--reader", "new"]);
    let line = r#"{"tool":"ReadPodOutput","input":{"name":"child"}}"#;
    let mut child =
        batch.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    write!(child.stdin.take().unwrap(), "{line}\n{line}\n").unwrap();
    let mut answers = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answers).unwrap();
    child.wait().unwrap();
    assert_eq!(answers.matches(r#""content":"hello""#).count(), 2, "{answers}");
}

#[test]
fn sessions_at_once_over_http_are_told_apart_and_one_that_begins_again_goes_on() {
    let (place, _pod, _) = place();
    let ask = |server: &Served, session: &str| {
        let answer = server.ask(session, &call(1, "ReadPodOutput", json!({ "name": "child" }))).answer();
        text(&answer).ends_with("hello")
    };
    let server = Served::start(&place, &[]);
    let sessions = ["codex", "codex", "opencode"].map(|name| server.session_of(name).unwrap());
    for session in &sessions {
        assert!(ask(&server, session));
        assert!(!ask(&server, session));
    }
    drop(server);
    let server = Served::start(&place, &[]);
    for name in ["codex", "codex", "opencode"] {
        assert!(!ask(&server, &server.session_of(name).unwrap()), "{name} does not go on where it was");
    }
    assert!(ask(&server, &server.session_of("codex").unwrap()));
}

#[test]
fn a_client_over_http_may_name_its_reader_in_its_url() {
    let (place, _pod, _) = place();
    let mut server = Served::start(&place, &[]);
    for (query, name, has_text) in [
        ("?reader=one", "codex", true),
        ("?reader=other", "codex", true),
        ("?reader=one", "opencode", false),
        ("", "codex", true),
    ] {
        server.query = query;
        // Without a session, as clients of the newest revision have none.
        let mut asked = call(1, "ReadPodOutput", json!({ "name": "child" }));
        asked["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": name, "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "ReadPodOutput"),
        ];
        let answer = server.post(&headers, asked.to_string().as_bytes()).answer();
        assert_eq!(text(&answer).ends_with("hello"), has_text, "{query} {name}: {answer}");
        // What is read is read, in a session as well, once the cursor has moved, which is after the answer.
        let reader = query.strip_prefix("?reader=").unwrap_or(name);
        let moved = format!("\"name\":\"{reader} over HTTP\"");
        let begun = Instant::now();
        while !fs::read_to_string(place.runtime_dir().join("read_cursors.json"))
            .is_ok_and(|text| text.contains(&moved))
        {
            assert!(begun.elapsed() < LIMIT, "the cursor of {reader} does not move");
            std::thread::yield_now();
        }
        let session = server.session_of(name).unwrap();
        let again = server.ask(&session, &call(2, "ReadPodOutput", json!({ "name": "child" }))).answer();
        assert!(!text(&again).ends_with("hello"), "{query} {name}: {again}");
    }
}
