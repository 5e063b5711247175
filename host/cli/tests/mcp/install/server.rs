//! The server that a client then starts, and what it grants; and a person who starts one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{User, entry};
use crate::cli::{bare, run};

#[test]
fn grants_are_those_that_are_named_else_those_of_a_file_that_is_there_and_good() {
    let user = User::new();
    let grants = user.write(".config/pod-tools/grants.toml", "grants = [\"list,read,send\"]\n");
    user.done(&["--install", "cursor"]);
    assert_eq!(fs::read_to_string(&grants).unwrap(), "grants = [\"list,read,send\"]\n");
    let text = fs::read_to_string(user.at(".cursor/mcp.json")).unwrap();
    assert!(text.contains(grants.to_str().unwrap()), "{text}");

    fs::write(&grants, "grants = [\"fly\"]\n").unwrap();
    let wrong = user.run(&["--install", "zed"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("grants.toml:1:11"), "{wrong:?}");
    fs::write(&grants, "grants = [\"list\"]\n").unwrap();
    fs::set_permissions(&grants, fs::Permissions::from_mode(0o666)).unwrap();
    let wrong = user.run(&["--install", "zed"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("is not believed"), "{wrong:?}");
    assert!(!user.at(".config/zed").exists());
}

#[test]
fn the_server_that_was_written_down_is_one_that_answers_and_may_list_and_not_send() {
    let user = User::new();
    fs::create_dir(user.at("base")).unwrap();
    let base = user.at("base");
    let mut install = bare();
    install.args(["mcp", "--install", "cursor", "--base-dir"]).arg(&base).env("HOME", user.0.path());
    assert_eq!(run(install).code, Some(0));
    let text = fs::read_to_string(user.at(".cursor/mcp.json")).unwrap();
    let entry = entry("cursor", "mcpServers", &text);
    let mut server = Command::new(entry["command"].as_str().unwrap());
    server.args(entry["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()));
    server.env_clear().env("HOME", user.0.path());
    let said = talk(
        server,
        &[
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ListPods", "arguments": {}}}),
            json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": "SendToPod", "arguments": {"name": "x", "message": "m"}}}),
        ],
    );
    let result = |id: u64| said.iter().find(|it| it["id"] == id).unwrap()["result"].clone();
    assert_ne!(result(2)["isError"], json!(true), "{said:?}");
    assert_eq!(result(3)["isError"], json!(true), "{said:?}");
    assert!(result(3).to_string().contains("send"), "{said:?}");
}

/// Sends the messages one after the other, each when the one before has its answer; and gives the answers.
fn talk(mut command: Command, messages: &[Value]) -> Vec<Value> {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for message in messages {
        writeln!(stdin, "{message}").unwrap();
        while message["id"].is_u64() && answers.last().is_none_or(|it: &Value| it["id"] != message["id"]) {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the server has ended: {answers:?}");
            answers.push(serde_json::from_str(&line).unwrap());
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    answers
}

#[test]
fn at_a_terminal_it_says_what_it_is_and_waits_for_nobody() {
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::ptr::null_mut;
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both are written before they are read; nothing else is asked for.
    let (_ours, theirs) = unsafe {
        assert_eq!(libc::openpty(&raw mut ours, &raw mut theirs, null_mut(), null_mut(), null_mut()), 0);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    };
    let user = User::new();
    let mut command = user.command(&[]);
    command.stdin(theirs);
    let said = run(command);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    assert!(said.stderr.contains("pod-tools mcp --install claude"), "{said:?}");
}
