//! Grants that change while the server runs, and the account that is kept of calls.

use std::fs;
use std::path::Path;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::cli;
use crate::client::{PATIENT, Piped, Served, call, notification, request, text};

fn changed(client: &mut Piped, list: &str) {
    client.await_message(|message| message["method"] == format!("notifications/{list}/list_changed"));
}

/// Writes a file as an editor does: another one takes its place.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn a_changed_grants_file_is_told_to_the_client_and_counts_from_then_on() {
    let place = Place::new().unwrap();
    let said = history(&[assistant("hello")]);
    let _pod = FakePod::start(&place, "child", Script::new().on("get_history", [Step::line(said)])).unwrap();
    let file = place.root().join("grants.toml");
    fs::write(&file, "grants = [\"list\"]\n").unwrap();
    let mut client = Piped::start(&place, &["--grants", file.to_str().unwrap()]);
    let denied = client.ask(1, "ReadPodOutput", json!({ "name": "child" }));
    assert!(text(&denied).contains("it takes the grant `read:child`"), "{}", text(&denied));

    // What cannot be understood changes nothing, and the operator hears of that.
    replace(&file, "grants = [\"lst\"]\n");
    client.await_log("grants.toml:1:");
    replace(&file, "grants = [\"list\", \"read\"]\n");
    changed(&mut client, "tools");
    changed(&mut client, "resources");
    let answer = client.ask(2, "ReadPodOutput", json!({ "name": "child" }));
    assert_eq!(answer["result"]["structuredContent"]["text"], "hello");
}

#[test]
fn a_model_is_told_the_missing_grant_and_the_operators_log_where_to_add_it() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let file = place.root().join("grants.toml");
    fs::write(&file, "grants = [\"list\"]\n").unwrap();
    let mut client = Piped::start(&place, &["--grants", file.to_str().unwrap()]);
    client.send(&request(1, "logging/setLevel", json!({ "level": "debug" })));
    client.answer(1);
    let mut told = vec![client.ask(2, "StopPod", json!({ "name": "child" }))];
    for (id, method) in [(3, "resources/read"), (4, "resources/subscribe")] {
        client.send(&request(id, method, json!({ "uri": "pod://child/transcript" })));
        told.push(client.answer(id));
    }
    assert!(
        text(&told[0]).contains("pod `child`: stopping it is not granted; it takes the grant `stop:child`"),
        "{}",
        text(&told[0])
    );
    for line in ["\"stop:child\",", "\"read:child\","] {
        let logged = client.await_log(line);
        let expected = format!("add the line `{line}` to `grants` in {}", file.display());
        assert!(logged.contains(&expected), "{logged}");
    }
    // What is wrong with the file is the operator's as well. The line about the good one comes behind it.
    replace(&file, "grants = 7\n");
    client.await_log("what was granted before stays in force");
    replace(&file, "grants = []\n");
    loop {
        let message = client.receive();
        let is_last = message["method"] == "notifications/tools/list_changed";
        told.push(message);
        if is_last {
            break;
        }
    }
    for message in &told {
        assert!(!message.to_string().contains("grants.toml"), "{message}");
    }
}

/// What a server says before its client has left, which it has at once, started in that directory.
fn said_at_the_start(place: &Place, directory: &Path, options: &[&str]) -> String {
    let mut command = cli::at(place, [&["mcp"], options].concat());
    command.current_dir(directory);
    let outcome = cli::run(command);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.stderr
}

#[test]
fn a_grants_file_that_the_agent_or_a_pod_can_change_is_warned_of_at_the_start() {
    let place = Place::new().unwrap();
    let (project, config) = (place.root().join("project"), place.root().join("config"));
    fs::create_dir(&project).unwrap();
    fs::create_dir(&config).unwrap();
    let write = |directory: &Path| {
        let file = directory.join("grants.toml");
        fs::write(&file, "grants = [\"list\"]\n").unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (within, without) = (write(&project), write(&config));
    let warned = said_at_the_start(&place, &project, &["--grants", &within]);
    assert!(warned.contains("an agent that works there") && warned.contains("$XDG_CONFIG_HOME"), "{warned}");
    let printed = said_at_the_start(&place, &project, &["--print-config", "claude", "--grants", &within]);
    assert!(printed.contains("an agent that works there"), "{printed}");
    assert_eq!(said_at_the_start(&place, &project, &["--grants", &without]), "");

    let mut record = place.native_record("worker");
    record["scope_delegated"] = json!([{ "target": config, "permission": "write", "recursive": true }]);
    place.record(record).unwrap();
    let warned = said_at_the_start(&place, &project, &["--grants", &without]);
    assert!(warned.contains("in the scope of pod `worker`"), "{warned}");
    assert!(!warned.contains("an agent that works there"), "{warned}");
}

#[test]
fn a_server_with_a_bad_grants_file_does_not_start() {
    let place = Place::new().unwrap();
    let file = place.root().join("grants.toml");
    fs::write(&file, "grant = []\n").unwrap();
    let outcome = cli::run(cli::at(&place, ["mcp", "--grants", file.to_str().unwrap()]));
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("grants.toml:1:1"), "{outcome:?}");
}

fn audited(path: &Path, lines: usize) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), lines, "{text}");
    found
}

#[test]
fn every_call_leaves_its_line_in_the_audit_log_and_none_of_its_text() {
    let place = Place::new().unwrap();
    let said = history(&[assistant("a secret answer")]);
    let script = Script::new().on("get_history", [Step::line(said)]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    let silent = FakePod::start(&place, "silent", Script::new()).unwrap();
    let log = place.root().join("audit.log");
    let options = ["--audit", log.to_str().unwrap(), "--grant", "list,read"];
    let mut client = Piped::start(&place, &[&options[..], &PATIENT].concat());
    client.ask(1, "ReadPodOutput", json!({ "name": "child" }));
    client.ask(2, "SendToPod", json!({ "name": "child", "message": "a secret question" }));
    client.ask(3, "SendToPod", json!({ "name": "child" }));
    client.send(&request(4, "resources/read", json!({ "uri": "pod://child/transcript" })));
    client.answer(4);
    client.send(&call(5, "ReadPodOutput", json!({ "name": "silent" })));
    silent.await_lines(1);
    client.send(&notification("notifications/cancelled", json!({ "requestId": 5 })));
    silent.await_closed(1);
    client.ask(6, "ListPods", json!({}));
    // When the server has ended, so have all calls, and each has left its line.
    drop(client.stdin.take());
    assert_eq!(client.code(), Some(0));

    let mut lines = audited(&log, 6);
    // They stand there in the order in which calls ended; they began in that of the requests.
    lines.sort_by_key(|line| line["time"].as_str().unwrap().to_owned());
    let words: Vec<_> =
        lines.iter().map(|line| [&line["tool"], &line["outcome"], &line["kind"]].map(Value::clone)).collect();
    let expected = json!([
        ["ReadPodOutput", "ok", null],
        ["SendToPod", "error", "denied"],
        ["SendToPod", "error", "invalid-argument"],
        ["resources/read", "ok", null],
        ["ReadPodOutput", "cancelled", null],
        ["ListPods", "ok", null],
    ]);
    assert_eq!(json!(words), expected);
    assert_eq!(lines[1]["requests"][0]["decision"], "denied");
    assert!(!fs::read_to_string(&log).unwrap().contains("secret"));
}

#[test]
fn two_servers_may_share_an_audit_log() {
    let place = Place::new().unwrap();
    let log = place.root().join("audit.log");
    let options = ["--audit", log.to_str().unwrap()];
    let server = Served::start(&place, &options);
    let session = server.session().unwrap();
    let mut client = Piped::start(&place, &options);
    server.ask(&session, &call(1, "ListPods", json!({}))).answer();
    client.ask(1, "ListPods", json!({}));
    audited(&log, 2);
}
