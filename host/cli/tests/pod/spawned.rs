//! Pods in the background: `spawn`, and `ls`, `logs` and `stop`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::background::*;
use crate::harness::*;

/// The history, whatever a run that is not over says before it.
fn history(client: &mut Client) -> Value {
    client.send("get_history");
    client.data("history")
}

#[test]
fn a_pod_is_spawned_sent_its_first_message_listed_and_stopped() {
    let place = Background::new();
    let work = place.world.work_dir("work");
    let rule = format!("write:{}", work.display());
    let said = place.spawn(&["x", "--enforce", "off", "--scope", &rule, "--message", "hello", "--", "cat"]);
    let sock = place.world.base().canonicalize().unwrap().join("x/sock");
    assert_eq!(said, format!("pod `x` ready at {}, not fenced\nsent message to `x`\n", sock.display()));

    let mut client = Client::of(&place.dir("x"));
    eventually("the turn is over", || history(&mut client)["items"].as_array().unwrap().len() == 2);
    assert_eq!(history(&mut client)["items"][1], answer("hello\n", "completed"));
    let mut listed = place.list();
    assert!(listed[0].as_object_mut().unwrap().remove("idle_seconds").unwrap().is_u64());
    let scope = json!([{"permission": "write", "target": work, "recursive": true}]);
    assert_eq!(
        listed,
        [json!({
            "name": "x", "state": "idle", "fence": {"held": "off", "missing": []}, "scope": scope, "unread_lines": 1,
        })]
    );
    let table = place.run(&["ls"]).ok();
    let cells: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(
        cells[..9],
        ["NAME", "STATE", "FENCE", "IDLE", "UNREAD", "SCOPE", "x", "idle", "no"],
        "{table}"
    );
    assert_eq!(cells[10..], ["1", &*rule], "{table}");

    assert!(place.run(&["stop", "x"]).ok().starts_with("stopped pod `x`"));
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
    let listed = place.run(&["ls"]).ok();
    assert!(
        listed.starts_with("no spawned pods; looked in ") && listed.contains("pod-tools spawn"),
        "{listed}"
    );
}

#[test]
fn a_first_message_that_fails_leaves_a_pod_that_is_listed() {
    let place = Background::new();
    let done = place.run(&["spawn", "x", "--grant", "list", "--message", "hello", "--", "cat"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.starts_with("pod `x` ready at "), "{done:?}");
    assert!(done.err.contains("pod `x` is there, and its first message was not sent: "), "{done:?}");
    assert!(done.err.contains("send:x"), "{done:?}");
    assert_eq!(place.list()[0]["state"], "idle");
}

#[test]
fn what_is_wrong_is_told_before_anything_is_recorded() {
    let place = Background::new();
    let (work, part, elsewhere) =
        (place.world.work_dir("work"), place.world.work_dir("work/part"), place.world.work_dir("elsewhere"));
    let rule = |kind: &str, directory: &std::path::Path| format!("{kind}:{}", directory.display());
    place.spawn(&["holder", "--enforce", "off", "--scope", &rule("write", &work), "--", "cat"]);

    let (code, said) = place.refused("x", &["--scope", "read:/is/not/there", "--", "cat"]);
    assert!(code == 2 && said.contains("/is/not/there"), "{said}");
    let (code, said) = place.refused("x", &["--", "is-not-installed"]);
    assert!(code == 2 && said.contains("cannot run `is-not-installed`"), "{said}");
    let (code, said) = place.refused("holder", &["--", "cat"]);
    assert!(code == 1 && said.contains("a pod `holder` is there already"), "{said}");
    let (code, said) = place.refused("x", &["--scope", &rule("write", &part), "--", "cat"]);
    assert!(code == 1 && said.contains("conflicts") && said.contains("`holder`"), "{said}");
    let outside = ["--spawner", "holder", "--scope", &rule("read", &elsewhere), "--", "cat"];
    let (code, said) = place.refused("x", &outside);
    assert!(code == 1 && said.contains("`holder`") && said.contains("elsewhere"), "{said}");
    // After the scope was entered.
    let (code, said) = place.refused("x", &["--scope", "read:/proc", "--", "cat"]);
    assert!(code == 1 && said.contains("`/proc` cannot be behind a fence"), "{said}");
    let (code, said) = place.refused("a/b", &["--", "cat"]);
    assert!(code == 2 && said.contains("a pod's name"), "{said}");
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
    assert_eq!(place.world.allocations().len(), 1);
}

#[test]
fn the_log_has_what_the_pod_says_and_what_its_command_complains_of() {
    let place = Background::new();
    let script = "read line; echo \"cannot $line\" >&2; echo done";
    place.spawn(&["x", "--message", "sing", "--", "sh", "-c", script]);
    let mut client = Client::of(&place.dir("x"));
    eventually("the turn is over", || history(&mut client)["items"].as_array().unwrap().len() == 2);
    let mode = fs::metadata(place.dir("x").join("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut follower: Child =
        place.command().args(["logs", "x", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    followed.read_line(&mut line).unwrap();
    assert!(line.starts_with("pod `x` ready at "), "{line}");
    let mut next = || {
        let mut line = String::new();
        followed.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(next(), "cannot sing\n");
    client.run("dance");
    assert_eq!(next(), "cannot dance\n");
    let logs = place.run(&["logs", "x"]).ok();
    assert!(logs.ends_with("cannot sing\ncannot dance\n"), "{logs}");
    // It ends with the pod.
    place.run(&["stop", "x"]).ok();
    assert_eq!(next(), "");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    let gone = place.run(&["logs", "x"]);
    assert!(gone.code == Some(1) && gone.err.contains("`x`"), "{gone:?}");

    let _foreground = place.world.pod("y", &[], &["cat"]);
    let none = place.run(&["logs", "y"]);
    assert!(none.code == Some(1) && none.err.contains("pod-tools spawn"), "{none:?}");
}

#[test]
fn a_log_is_bounded_and_what_a_command_floods_it_with_holds_up_nothing() {
    let place = Background::new();
    let flood = "head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 99 >&2; echo done";
    place.spawn(&["x", "--", "sh", "-c", flood]);
    let mut client = Client::of(&place.dir("x"));
    client.run("");
    assert_eq!(deltas(&client.until("run_end")), "done\n");
    for file in ["log", "log.1"] {
        let bytes = fs::metadata(place.dir("x").join(file)).map_or(0, |found| found.len());
        assert!(bytes <= 1 << 20, "{file}: {bytes}");
    }
    place.run(&["stop", "x"]).ok();
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
}

#[test]
fn all_are_stopped_where_that_was_asked_and_confirmed() {
    let place = Background::new();
    place.spawn(&["a", "--", "cat"]);
    place.spawn(&["b", "--", "cat"]);
    // There is no terminal to ask at.
    let asked = place.run(&["stop", "--all"]);
    assert!(asked.code == Some(1) && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(place.list().len(), 2);
    let some = place.run(&["stop", "a", "nobody"]);
    assert!(some.code == Some(1) && some.out.contains("`a`") && some.err.contains("`nobody`"), "{some:?}");
    let all = place.run(&["stop", "--all", "--yes"]).ok();
    assert!(all.starts_with("stopped pod `b`"), "{all}");
    assert_eq!(place.run(&["stop", "--all"]).ok(), "no pods to stop\n");
}

/// What a pod's command says that spawns a pod itself.
fn spawned_within(place: &Background, parent: &str, options: &[&str], child: &str) -> String {
    let program = env!("CARGO_BIN_EXE_pod-tools");
    let base = place.world.base();
    let child = format!("exec 2>&1; {program} --base-dir {} spawn {child}; echo status $?", base.display());
    place.spawn(&[&[parent], options, &["--", "sh", "-c", &child]].concat());
    let mut client = Client::of(&place.dir(parent));
    client.run("");
    deltas(&client.until_either("run_end", "error"))
}

#[test]
fn a_pods_command_that_spawns_a_pod_has_a_child_within_its_scope() {
    let place = Background::new();
    let (work, part, elsewhere) =
        (place.world.work_dir("work"), place.world.work_dir("work/part"), place.world.work_dir("elsewhere"));
    let rule = format!("write:{}", work.display());
    let options = ["--enforce", "off", "--scope", &*rule];
    let wide = format!("child --scope write:{} -- cat", elsewhere.display());
    let told = spawned_within(&place, "parent", &options, &wide);
    assert!(told.contains("`parent`") && told.ends_with("status 1\n"), "{told}");
    place.run(&["stop", "parent"]).ok();

    let narrow = format!("child --enforce off --scope write:{} -- cat", part.display());
    let told = spawned_within(&place, "parent", &options, &narrow);
    assert!(told.contains("pod `child` ready") && told.ends_with("status 0\n"), "{told}");
    let entries = place.world.allocations();
    let child = entries.iter().find(|entry| entry["pod_name"] == "child").unwrap();
    assert_eq!(child["delegated_from"], "parent");
    let listed = place.list();
    assert_eq!((&listed[1]["name"], &listed[1]["state"]), (&json!("child"), &json!("idle")));
    // It ends with the pod whose command has started it, in good order.
    place.run(&["stop", "parent"]).ok();
    assert_eq!(place.world.traces("child"), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn from_behind_a_fence_nobody_starts_a_pod() {
    let place = Background::new();
    let work = place.world.work_dir("work");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pod-tools"));
    let (rule, also) = (
        format!("write:{}", work.display()),
        format!("read:{}", program.canonicalize().unwrap().parent().unwrap().display()),
    );
    let options = ["--scope", &*rule, "--also", &also];
    let told = spawned_within(&place, "fenced", &options, "child -- cat");
    assert!(told.contains("this runs behind the fence of pod `fenced`"), "{told}");
    assert!(told.ends_with("status 1\n"), "{told}");
    assert_eq!(place.world.traces("child"), Vec::<String>::new());
    place.run(&["stop", "fenced"]).ok();

    // Whatever the command makes of its environment, there is nothing to enter a pod in, and no more than what is behind
    // the fence to be entered.
    let elsewhere = place.world.work_dir("elsewhere");
    let bare = format!(
        "exec 2>&1; unset POD_NAME POD_SOCKET; {program} --base-dir {base} spawn child --enforce off \
         --scope write:{elsewhere} -- cat; echo status $?; {program} --base-dir {base} spawn child -- cat",
        program = program.display(),
        base = place.world.base().display(),
        elsewhere = elsewhere.display(),
    );
    place.spawn(&[&["fenced"], &options[..], &["--", "sh", "-c", &bare]].concat());
    let mut client = Client::of(&place.dir("fenced"));
    client.run("");
    let told = deltas(&client.until_either("run_end", "error"));
    assert!(told.contains("elsewhere` cannot be resolved") && told.contains("status 2\n"), "{told}");
    assert_eq!(place.world.traces("child"), Vec::<String>::new());
}
