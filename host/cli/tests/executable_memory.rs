//! A system that forbids new executable memory, as systemd and SELinux can: the plugin is interpreted.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::process::Command;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::json;

/// Forbids this process and what it becomes to make memory executable (`PR_SET_MDWE`), or ends with 77 where the
/// kernel knows no such thing, and becomes the program.
const FORBID: &str = "import ctypes, os, sys
sys.exit(77) if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) else os.execv(sys.argv[1], sys.argv[1:])";

/// The command, where nothing may make memory executable; `None`, and a word about it, where that cannot be forbidden.
fn forbidden(command: &Command) -> Option<Command> {
    let mut python = Command::new("python3");
    python.env_clear().args(["-c", FORBID]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let mut probe = Command::new("python3");
    probe.args(["-c", FORBID, "/bin/true"]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        println!("not run: PR_SET_MDWE takes Linux 6.3, and Python to call it");
        return None;
    }
    Some(python)
}

#[test]
fn where_no_memory_may_become_executable_the_plugin_is_interpreted_and_the_policy_is_named() {
    let place = Place::new().unwrap();
    let line = Step::line(history(&[assistant("one\ntwo")]));
    let turn = Step::text("{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n");
    let script = Script::new().on("get_history", [line]).on("run", [turn]).stopping();
    let _pod = FakePod::start(&place, "child", script).unwrap();
    // With a cache and, from the second call on, with what lies in it.
    let cache = place.root().join("cache");
    std::fs::create_dir(&cache).unwrap();
    for (tool, input, expected) in [
        ("ListPods", json!({}), "1 pod(s) known"),
        ("SendToPod", json!({ "name": "child", "message": "hello" }), "sent message to `child`"),
        (
            "ReadPodOutput",
            json!({ "name": "child" }),
            "pod `child`: 2 new line(s) of assistant text; now idle",
        ),
        ("StopPod", json!({ "name": "child" }), "stopped pod `child`; reclaimed scope: write:/work/child"),
    ] {
        let input = input.to_string();
        let mut command = cli::at(&place, ["call", tool, &input, "--json"]);
        command.env("XDG_CACHE_HOME", &cache);
        let Some(command) = forbidden(&command) else { return };
        let answer = cli::run(command);
        assert_eq!(answer.ok()["summary"], expected, "{}", answer.stderr);
        for part in ["forbids new executable memory", "MemoryDenyWriteExecute=no", "execmem", "PR_SET_MDWE"] {
            assert!(answer.stderr.contains(part), "{part}: {}", answer.stderr);
        }
    }
}

#[test]
fn a_component_is_inspected_there_as_well() {
    let place = Place::new().unwrap();
    let Some(command) = forbidden(&cli::at(&place, ["inspect", "--json"])) else { return };
    let (found, expected) = (cli::run(command), cli::run(cli::at(&place, ["inspect", "--json"])));
    assert_eq!(found.stdout, expected.stdout, "{}", found.stderr);
}
