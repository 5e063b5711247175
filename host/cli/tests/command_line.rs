//! The command line: what it prints where, and how it exits. `--batch` has a file of its own, and so have
//! the options.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use cli::{at, bare, call, call_with, run, signal, snapshot};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use rustix::process::Signal;
use serde_json::{Value, json};

const TOOLS: [&str; 5] = ["ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods"];

/// A pod that gives this history, whoever asks.
fn saying(texts: &[&str]) -> Script {
    let items: Vec<Value> = texts.iter().map(|text| assistant(text)).collect();
    Script::new().on("get_history", [Step::line(history(&items))])
}

#[test]
fn for_people_the_summary_and_the_text_go_to_standard_output() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", saying(&["one", "two"])).unwrap();
    let read = run(at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#]));
    assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""));
    assert_eq!(read.stdout, "pod `child`: 3 new line(s) of assistant text; now idle\n\none\n\ntwo\n");

    let again = run(at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#]));
    assert_eq!(again.stdout, "pod `child` idle; no new assistant text\n");
}

#[test]
fn for_people_an_error_goes_to_standard_error_with_its_kind_and_reason() {
    let place = Place::new().unwrap();
    let stop = run(at(&place, ["call", "StopPod", r#"{"name":"nobody"}"#]));
    assert_eq!((stop.code, stop.stdout.as_str()), (Some(1), ""));
    assert_eq!(stop.stderr, "pod-tools: no spawned pod named `nobody` [invalid-argument: unknown-pod]\n");

    let unknown = run(at(&place, ["call", "Fly"]));
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.ends_with("[unknown-tool]\n"), "{unknown:?}");
}

#[test]
fn for_programs_an_answer_is_one_json_line_of_summary_content_and_data() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", saying(&["a \"quoted\"\nline"])).unwrap();
    let read = call(&place, "ReadPodOutput", &json!({"name": "child"})).ok();
    let members: Vec<&str> = read.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["summary", "content", "data"]);
    assert_eq!(read["content"], "a \"quoted\"\nline");
    assert_eq!(
        read["data"],
        json!({"pod": "child", "state": "idle", "new_items": 1, "remaining_items": 0,
               "continued": false, "cut": false,
               "rewritten": false, "unanswered": false})
    );

    let empty = call(&place, "ReadPodOutput", &json!({"name": "child"})).ok();
    assert!(empty["content"].is_null(), "{empty}");
}

#[test]
fn for_programs_an_error_is_one_json_line_on_standard_output_and_nothing_else() {
    let place = Place::new().unwrap();
    let unknown = call(&place, "StopPod", &json!({"name": "nobody"}));
    assert_eq!(unknown.err().words(), ("invalid-argument", "unknown-pod"));
    assert_eq!(unknown.stderr, "");

    let tool = call(&place, "Fly", &json!({}));
    assert_eq!(tool.err().words(), ("unknown-tool", ""));
    assert!(tool.line()["err"]["reason"].is_null());
}

#[test]
fn no_input_an_empty_one_null_and_an_empty_object_are_all_no_arguments() {
    let place = Place::new().unwrap();
    let listed = run(at(&place, ["call", "ListPods", "--json"])).ok();
    for input in ["", "null", "{}", " {} "] {
        assert_eq!(call_with(&place, "ListPods", input, &[]).ok(), listed, "{input:?}");
        let stop = call_with(&place, "StopPod", input, &[]).err();
        assert_eq!(stop.words(), ("invalid-argument", ""));
        assert!(stop.message.starts_with("invalid StopPod input: missing field `name`"), "{}", stop.message);
    }
}

#[test]
fn a_command_line_that_is_wrong_exits_with_2_says_why_and_does_nothing() {
    let place = Place::new().unwrap();
    let before = snapshot(place.root());
    for (arguments, why) in [
        (&[][..], "Usage"),
        (&["fly"], "fly"),
        (&["call"], "TOOL"),
        (&["call", "--batch", "ListPods"], "--batch"),
        (&["call", "--batch", "--json"], "--batch"),
        (&["call", "ListPods", "{}", "{}"], "`{}` is no KEY=VALUE"),
        (&["call", "SendToPod", "nmae=child"], "did you mean `name`?"),
        (&["pod", "--scope", ".", "child", "--", "cat"], "`read:.`"),
        (&["pod", "--scope", "read:nowhere", "child", "--", "cat"], "mkdir -p nowhere"),
        (&["spawn", "my pod", "--", "cat"], "`my-pod`"),
        (&["call", "ListPods", "--fly"], "--fly"),
        (&["call", "ListPods", "--grant", "fly"], "the verbs are list, send, read, stop"),
        (&["call", "ListPods", "--grant", "read:"], "empty pattern"),
        (&["call", "ListPods", "--op-timeout", "0"], "more than nothing"),
        (&["call", "ListPods", "--op-timeout", "soon"], "a duration is a number of seconds"),
        (&["call", "ListPods", "--max-line", "1 furlong"], "KiB"),
        (&["call", "ListPods", "--host-calls=-1"], "--host-calls"),
        (&["pod", "../outside", "--", "cat"], "../outside"),
        (&["pod", "child"], "COMMAND"),
        (&["spawn", "child"], "COMMAND"),
        (&["stop"], "NAME"),
        (&["stop", "--all", "child"], "--all"),
    ] {
        let outcome = run(at(&place, arguments));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(why), "{arguments:?}: {}", outcome.stderr);
    }
    let mut spawner = bare();
    spawner.arg("--base-dir").arg(place.base()).args(["--spawner", "../outside", "call", "ListPods"]);
    let spawner = run(spawner);
    assert_eq!(spawner.code, Some(2), "{spawner:?}");
    assert!(spawner.stderr.contains("the spawner's name \"../outside\""), "{}", spawner.stderr);
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn help_teaches_the_tools_the_formats_and_the_exit_status() {
    let mut help = bare();
    help.args(["call", "--help"]);
    let help = run(help);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for taught in
        TOOLS.iter().chain(&["--batch", "--json", "Examples", "130 interrupted", "`pod-tools help options`"])
    {
        assert!(help.stdout.contains(taught), "{taught} is missing:\n{}", help.stdout);
    }

    let mut top = bare();
    top.arg("--help");
    let top = run(top);
    assert_eq!(top.code, Some(0));
    for taught in ["call", "tools", "inspect", "pod", "spawn", "ls", "logs", "stop", "demo"] {
        assert!(top.stdout.contains(&format!("\n  {taught} ")), "{taught} is missing:\n{}", top.stdout);
        let mut help = bare();
        help.args([taught, "--help"]);
        let help = run(help);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Usage: pod-tools"), "{}", help.stdout);
    }

    let mut version = bare();
    version.arg("--version");
    assert_eq!(run(version).stdout, format!("pod-tools {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn tools_are_shown_to_people_and_as_json_with_schemas_and_effects() {
    let mut shown = bare();
    shown.arg("tools");
    let shown = run(shown);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    for tool in TOOLS {
        assert!(shown.stdout.lines().any(|line| line.starts_with(&format!("{tool} ["))), "{}", shown.stdout);
    }

    let mut json = bare();
    json.args(["tools", "--json"]);
    let definitions: Value = serde_json::from_str(&run(json).stdout).unwrap();
    let definitions = definitions.as_array().unwrap();
    let names: Vec<&str> = definitions.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, TOOLS);
    for tool in definitions {
        assert!(tool["description"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(tool["input_schema"]["type"], "object");
        assert_eq!(tool["data_schema"]["type"], "object");
        let effects: Vec<&str> = tool["effects"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(effects, ["read_only", "destructive", "idempotent"]);
    }
    assert_eq!(definitions[3]["effects"]["destructive"], true);
}

#[test]
fn inspect_shows_that_the_bundled_component_imports_its_contract_and_nothing_else() {
    let mut shown = bare();
    shown.arg("inspect");
    let shown = run(shown);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in ["imports", "  pod:tools/unix-socket@0.1.0", "exports", "  pod:tools/tools@0.1.0", "    call"]
    {
        assert!(shown.stdout.lines().any(|other| other == line), "{line} is missing:\n{}", shown.stdout);
    }

    let mut json = bare();
    json.args(["inspect", "--json"]);
    let inspection: Value = serde_json::from_str(&run(json).stdout).unwrap();
    let imports = inspection["imports"].as_array().unwrap();
    assert!(imports.iter().all(|import| import["known"] == true), "{inspection}");
    let names: Vec<&str> = imports.iter().map(|import| import["name"].as_str().unwrap()).collect();
    let contract = ["types", "pods", "unix-socket", "scope-lock", "content"];
    assert_eq!(names, contract.map(|name| format!("pod:tools/{name}@0.1.0")));
    let exports: Vec<&Value> = inspection["exports"].as_array().unwrap().iter().collect();
    assert_eq!(exports.len(), 1);
    assert_eq!(exports[0]["functions"], json!(["definitions", "call", "transcript"]));
}

#[test]
fn ctrl_c_while_a_pod_is_silent_exits_with_130_and_leaves_no_lock_and_no_cursor() {
    let place = Place::new().unwrap();
    for (tool, input) in [
        ("ReadPodOutput", r#"{"name":"silent"}"#),
        ("SendToPod", r#"{"name":"silent","message":"hello"}"#),
        ("StopPod", r#"{"name":"silent"}"#),
    ] {
        place.write_registry("[]").unwrap();
        let pod = FakePod::start_unrecorded(&place.socket("silent"), "silent", Script::new()).unwrap();
        place.write_registry(&json!([place.native_record("silent")]).to_string()).unwrap();
        place.write_table(&[place.native_allocation("silent", i64::from(std::process::id()))]).unwrap();
        let before = snapshot(place.root());
        let mut command = at(&place, ["call", tool, input, "--json", "--op-timeout", "60m"]);
        let child = command.args(["--call-timeout", "60m"]).stdout(Stdio::piped()).spawn().unwrap();
        pod.await_lines(1);
        signal(&child, Signal::INT);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.status.signal()), (Some(130), None), "{tool}");
        assert!(output.stdout.is_empty(), "{tool}");
        assert_eq!(snapshot(place.root()), before, "{tool}");
        File::open(place.scope_lock()).unwrap().try_lock().unwrap();
    }
}

/// The reading end of a pipe that nobody will read.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn an_answer_that_cannot_be_written_does_not_move_the_cursor() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", saying(&["precious"])).unwrap();
    let before = snapshot(place.root());
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (mode, stdout, said) in [
        (&["--json"][..], broken_pipe(), ""),
        (&[], broken_pipe(), ""),
        (&["--json"], full().into(), "No space left"),
        (&[], full().into(), "No space left"),
    ] {
        let mut command = at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#]);
        let child = command.args(mode).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{mode:?}: {output:?}");
        // Whoever has stopped reading need not be told.
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{mode:?}: {stderr}");
        assert_eq!(snapshot(place.root()), before, "{mode:?}");
    }
    assert_eq!(call(&place, "ReadPodOutput", &json!({"name": "child"})).ok()["content"], "precious");
}

#[test]
fn ctrl_c_while_nobody_reads_the_answer_exits_with_130_and_does_not_move_the_cursor() {
    let place = Place::new().unwrap();
    // More than any pipe holds.
    let _pod = FakePod::start(&place, "child", saying(&["x".repeat(4 << 20).as_str()])).unwrap();
    let before = snapshot(place.root());
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#]);
    let mut child = command.stdout(writer).spawn().unwrap();
    drop(command);
    // It has begun to write.
    reader.read_exact(&mut [0]).unwrap();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn a_tool_is_called_with_words_as_with_json() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "alpha", saying(&["one"])).unwrap();
    let read = run(at(&place, ["call", "ReadPodOutput", "name=alpha", "--json"])).ok();
    assert_eq!(read["content"], "one");
    let mut from_input = at(&place, ["call", "ReadPodOutput", "name=-", "--json"]);
    from_input.stdin(pipe_of("alpha\n"));
    assert_eq!(run(from_input).ok()["data"]["pod"], "alpha");
    let mut whole = at(&place, ["call", "ReadPodOutput", "-", "--json"]);
    whole.stdin(pipe_of(r#"{"name":"alpha"}"#));
    assert_eq!(run(whole).ok()["data"]["pod"], "alpha");
}

fn pipe_of(text: &str) -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
    reader.into()
}

#[test]
fn what_is_named_wrongly_is_told_the_nearest_there_is_and_what_is_put_wrongly_a_right_call() {
    let place = Place::new().unwrap();
    place.record(place.native_record("alpha")).unwrap();
    let said = |words: &[&str]| {
        let outcome = run(at(&place, words));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
        outcome.stderr
    };
    assert!(said(&["call", "SendToPdo"]).contains("did you mean `SendToPod`?"));
    assert!(said(&["call", "Xyzzy"]).contains("there are: ListPods, SendToPod"));
    for words in [&["call", "StopPod", "name=alhpa"][..], &["stop", "alhpa"], &["logs", "alhpa"]] {
        assert!(said(words).contains("did you mean `alpha`?"), "{words:?}: {}", said(words));
    }
    let right = r#"for example: pod-tools call SendToPod '{"name":"NAME","message":"MESSAGE"}'"#;
    assert!(said(&["call", "SendToPod", r#"{"nam":1}"#]).contains(right));
    // A pod that may not be listed is not named.
    let unlisted = said(&["call", "ReadPodOutput", "name=alhpa", "--grant", "read", "--grant", "list:beta"]);
    assert!(unlisted.contains("no spawned pod") && !unlisted.contains("alpha"), "{unlisted}");
}
