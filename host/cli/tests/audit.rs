//! The audit log: a line for each call, whatever came of it, with no text in it; and no call without a log.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{Batch, at, call_with, run, snapshot};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is in messages and answers, and must be in no log.
const SECRET: &str = "Xyzzy-7";

fn log(place: &Place) -> PathBuf {
    place.root().join("audit.jsonl")
}

/// The lines of a log, each as its schema has it.
fn lines(file: &Path) -> Vec<Value> {
    let schema = serde_json::from_str(include_str!("../schemas/audit-line.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .inspect(|line| schema.validate(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Calls a tool with the log; gives its line.
fn audited(place: &Place, tool: &str, input: &Value, options: &[&str]) -> Value {
    let file = log(place);
    let before = if file.exists() { lines(&file).len() } else { 0 };
    let options = [&["--audit", file.to_str().unwrap()], options].concat();
    call_with(place, tool, &input.to_string(), &options);
    let mut lines = lines(&file);
    assert_eq!(lines.len(), before + 1, "{lines:?}");
    lines.remove(before)
}

fn obliging() -> Script {
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
        .on("get_history", [Step::line(history(&[assistant(SECRET)]))])
}

#[test]
fn a_call_that_goes_well_leaves_its_pod_its_verbs_and_its_bytes_and_no_text() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", obliging()).unwrap();
    let line = audited(&place, "SendToPod", &json!({"name": "child", "message": SECRET}), &[]);
    let members: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "version",
            "time",
            "tool",
            "caller",
            "outcome",
            "kind",
            "reason",
            "requests",
            "unlisted_requests",
            "bytes_to_pods",
            "bytes_from_pods",
            "answer_bytes",
            "duration_ms",
            "component"
        ]
    );
    assert_eq!((&line["tool"], &line["outcome"]), (&json!("SendToPod"), &json!("ok")));
    assert!(line["kind"].is_null() && line["reason"].is_null());
    for request in line["requests"].as_array().unwrap() {
        assert_eq!(
            (&request["pod"], &request["decision"]),
            (&json!("child"), &json!("allowed")),
            "{request}"
        );
    }
    assert_eq!(line["requests"][0]["operation"], "sending a message");
    assert_eq!(line["bytes_to_pods"], pod.received()[0].len() + 1);
    assert!(line["bytes_from_pods"].as_u64().unwrap() > 0 && line["answer_bytes"].as_u64().unwrap() > 0);
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    let time = line["time"].as_str().unwrap();
    assert!(time.len() == "2026-01-02T03:04:05.678Z".len() && time.ends_with('Z'), "{time}");

    let line = audited(&place, "ReadPodOutput", &json!({"name": "child"}), &[]);
    assert_eq!(line["requests"][0]["verb"], "read");
    let text = fs::read_to_string(log(&place)).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    assert_eq!(fs::metadata(log(&place)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_component_is_told_by_its_digest() {
    let place = Place::new().unwrap();
    let saved = place.root().join("plugin.wasm");
    assert_eq!(run(at(&place, ["inspect", "--save", saved.to_str().unwrap()])).code, Some(0));
    let digest = format!("{:x}", Sha256::digest(fs::read(&saved).unwrap()));
    assert_eq!(audited(&place, "ListPods", &json!({}), &[])["component"], digest);
    let from_file = audited(&place, "ListPods", &json!({}), &["--component", saved.to_str().unwrap()]);
    assert_eq!(from_file["component"], digest);
}

#[test]
fn a_denied_call_leaves_the_name_that_it_guessed_and_a_failed_one_its_kind_and_reason() {
    let place = Place::new().unwrap();
    let denied = audited(&place, "StopPod", &json!({"name": "no\nbody"}), &["--grant", "list"]);
    assert_eq!((&denied["outcome"], &denied["kind"]), (&json!("error"), &json!("denied")));
    assert_eq!(denied["reason"], "not-granted");
    assert_eq!(
        denied["requests"],
        json!([{"verb": "stop", "operation": "stopping it", "pod": "no\nbody", "decision": "denied", "count": 1}])
    );

    let unknown = audited(&place, "StopPod", &json!({"name": "nobody"}), &[]);
    assert_eq!((&unknown["kind"], &unknown["reason"]), (&json!("invalid-argument"), &json!("unknown-pod")));
    assert_eq!(unknown["requests"][0]["decision"], "allowed");

    // What was called may have any name, and is not kept whole.
    let fly = audited(&place, &"Fly".repeat(1000), &json!({"secret": SECRET}), &[]);
    assert_eq!(fly["kind"], "unknown-tool");
    assert_eq!((fly["tool"].as_str().unwrap().len(), &fly["requests"]), (128, &json!([])));
}

#[test]
fn a_call_that_is_interrupted_leaves_its_line_too() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "silent", Script::new()).unwrap();
    let file = log(&place);
    let mut batch = Batch::start(
        &place,
        ["--op-timeout", "60m", "--call-timeout", "60m", "--audit", file.to_str().unwrap()],
    );
    batch.send(b"{\"tool\":\"ReadPodOutput\",\"input\":{\"name\":\"silent\"}}\n");
    pod.await_lines(1);
    batch.interrupt();
    assert_eq!(batch.finish().1, Some(130));
    let lines = lines(&file);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["outcome"], &lines[0]["requests"][0]["pod"]),
        (&json!("cancelled"), &json!("silent"))
    );
    assert!(lines[0]["bytes_to_pods"].as_u64().unwrap() > 0);
}

#[test]
fn without_a_log_nothing_is_called() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", obliging()).unwrap();
    let link = place.root().join("link");
    symlink(place.root().join("elsewhere"), &link).unwrap();
    let socket = place.socket("child");
    let before = snapshot(place.root());
    for file in [&link, &place.base(), &socket, Path::new("/nowhere/at/all"), Path::new("/dev/null")] {
        let input = json!({"name": "child", "message": "m"}).to_string();
        for command in [&["call", "SendToPod", &input, "--json"][..], &["call", "--batch"]] {
            let mut command = at(&place, command);
            command.arg("--audit").arg(file);
            let refused = run(command);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
            assert!(refused.stderr.contains("nothing is called without it"), "{refused:?}");
            assert!(refused.stderr.contains(file.to_str().unwrap()), "{refused:?}");
        }
    }
    assert_eq!(snapshot(place.root()), before);
    assert!(pod.received().is_empty());
}

#[test]
fn while_a_line_cannot_be_written_no_further_call_is_made_and_none_is_lost() {
    let place = Place::new().unwrap();
    let file = log(&place);
    // A process whose files have a largest size, and that is not killed for reaching it.
    let inner = at(&place, ["call", "--batch", "--audit", file.to_str().unwrap()]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Nothing else is to be written meanwhile: no compiled code into a cache.
    command.env("XDG_CACHE_HOME", "/dev/null");
    let mut batch = Batch::spawn(command);
    let is_ok = |answer: &Value| answer["ok"].is_object();
    assert!(is_ok(&batch.ask("ListPods", json!({}))));

    let whole = getrlimit(Resource::Fsize);
    let room = fs::metadata(&file).unwrap().len() + 100;
    prlimit(Some(batch.pid()), Resource::Fsize, Rlimit { current: Some(room), ..whole }).unwrap();
    // What was done is done, and its answer is given.
    assert!(is_ok(&batch.ask("ListPods", json!({}))));
    for _ in 0..2 {
        let refused = batch.ask("ListPods", json!({}))["err"].take();
        assert_eq!(
            (&refused["kind"], &refused["reason"]),
            (&json!("execution-failed"), &json!("state-unwritable"))
        );
        let message = refused["message"].as_str().unwrap();
        // The operator is told which file it is, on standard error; a model is not.
        assert!(
            !message.contains(file.to_str().unwrap()) && message.contains("no tool is called"),
            "{message}"
        );
    }
    prlimit(Some(batch.pid()), Resource::Fsize, whole).unwrap();
    assert!(is_ok(&batch.ask("ListPods", json!({}))));
    assert_eq!(batch.finish().1, Some(0));

    let text = fs::read_to_string(&file).unwrap();
    let whole: Vec<bool> = text.lines().map(|line| serde_json::from_str::<Value>(line).is_ok()).collect();
    // The second line was torn, and stands behind what is left of it.
    assert_eq!(whole, [true, false, true, true], "{text}");
    assert!(text.ends_with('\n'));
}

#[test]
fn a_log_that_was_moved_away_is_made_anew_and_one_that_is_there_is_added_to() {
    let place = Place::new().unwrap();
    let (file, moved) = (log(&place), place.root().join("audit.jsonl.1"));
    let mut batch = Batch::start(&place, ["--audit", file.to_str().unwrap()]);
    batch.ask("ListPods", json!({}));
    fs::rename(&file, &moved).unwrap();
    batch.ask("ListPods", json!({}));
    assert_eq!(batch.finish().1, Some(0));
    assert_eq!((lines(&file).len(), lines(&moved).len()), (1, 1));
    audited(&place, "ListPods", &json!({}), &[]);
    assert_eq!(lines(&file).len(), 2);
}

#[test]
fn several_processes_share_a_log() {
    let place = Place::new().unwrap();
    let file = log(&place);
    let mut batches: Vec<Batch> =
        (0..3).map(|_| Batch::start(&place, ["--audit", file.to_str().unwrap()])).collect();
    for batch in &mut batches {
        batch.send(&b"{\"tool\":\"ListPods\"}\n".repeat(50));
    }
    for batch in batches {
        assert_eq!(batch.finish().1, Some(0));
    }
    assert_eq!(lines(&file).len(), 150);
}
