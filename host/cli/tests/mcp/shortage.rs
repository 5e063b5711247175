//! A system that has nothing left to watch files with: there are no subscriptions, and everything else.

use std::process::{Command, Stdio};

use pod_tools_conformance::{FakePod, Place, Script};
use serde_json::{Value, json};

use crate::cli;
use crate::client::{initialize, notification, request};

/// Runs the server in a namespace of its own, in which that limit is 0, and asks it. `None`: there can be no such
/// namespace here.
fn asked(place: &Place, limit: &str, options: &[&str], requests: &[Value]) -> Option<(Vec<Value>, String)> {
    let script = format!("echo 0 >/proc/sys/user/{limit} && exec \"$@\"");
    let isolated = |program: &Command| {
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", &script, "sh"]).arg(program.get_program()).args(program.get_args());
        command.env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    };
    let possible = isolated(&Command::new("true")).env("PATH", std::env::var_os("PATH")?).output();
    if !possible.is_ok_and(|done| done.status.success()) {
        eprintln!("not tested: no user namespace with limits of its own can be had here");
        return None;
    }
    let mut child = isolated(&cli::at(place, [&["mcp"], options].concat()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hello = initialize();
    let input = std::iter::once(&hello).chain(requests).map(|message| format!("{message}\n"));
    let input: String = input.collect();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.retain(|answer| answer.get("method").is_none());
    answers.sort_by_key(|answer| answer["id"].as_u64());
    Some((answers, String::from_utf8(output.stderr).unwrap()))
}

fn requests() -> [Value; 3] {
    [
        notification("notifications/initialized", json!({})),
        request(1, "tools/call", json!({ "name": "ListPods" })),
        request(2, "resources/subscribe", json!({ "uri": "pod://child/transcript" })),
    ]
}

#[test]
fn without_inotify_instances_subscriptions_are_not_offered_and_tools_are_served() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let Some((answers, said)) = asked(&place, "max_inotify_instances", &[], &requests()) else { return };
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("fs.inotify.max_user_instances"), "{said}");
    let resources = &answers[0]["result"]["capabilities"]["resources"];
    assert_eq!(
        (&resources["subscribe"], &resources["listChanged"]),
        (&Value::Null, &json!(true)),
        "{answers:?}"
    );
    assert_eq!(answers[1]["result"]["isError"], false);
    let refused = answers[2]["error"]["message"].as_str().unwrap();
    assert!(refused.contains("fs.inotify.max_user_instances"), "{refused}");
}

#[test]
fn without_inotify_watches_subscriptions_are_refused_and_tools_are_served() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let Some((answers, said)) = asked(&place, "max_inotify_watches", &[], &requests()) else { return };
    assert_eq!(said, "");
    assert_eq!(answers[0]["result"]["capabilities"]["resources"]["subscribe"], true);
    assert_eq!(answers[1]["result"]["isError"], false);
    let refused = answers[2]["error"]["message"].as_str().unwrap();
    assert!(refused.contains("fs.inotify.max_user_watches"), "{refused}");
}

#[test]
fn without_inotify_grants_are_read_on_sighup_and_the_limit_is_named() {
    let place = Place::new().unwrap();
    let grants = place.root().join("grants.toml");
    std::fs::write(&grants, "grants = [\"list\"]\n").unwrap();
    let options = ["--grants", grants.to_str().unwrap()];
    for (limit, named) in [
        ("max_inotify_instances", "fs.inotify.max_user_instances"),
        ("max_inotify_watches", "fs.inotify.max_user_watches"),
    ] {
        let Some((answers, said)) = asked(&place, limit, &options, &requests()[..2]) else { return };
        assert_eq!(answers[1]["result"]["isError"], false);
        let of_grants = said.lines().find(|line| line.contains("SIGHUP")).unwrap_or_else(|| panic!("{said}"));
        assert!(of_grants.contains(named), "{said}");
    }
}
