//! What a grants file grants, and what wins over it.

use std::fs;

use pod_tools_conformance::{FakePod, Place, Script};
use serde_json::json;

use crate::cli::{Finished, at, bare, call_changes_nothing, call_with, place_with, run};
use crate::write;

const READ: &str = r#"{"name":"child"}"#;

fn dead_child() -> Place {
    let place = Place::new().unwrap();
    place.record(place.native_record("child")).unwrap();
    place
}

#[test]
fn a_file_grants_what_it_says_and_a_denial_quotes_the_line_that_it_lacks() {
    let place = dead_child();
    let text = "grants = [\n    \"list\",\n]\n";
    let file = write(&place, text);
    let options = ["--grants", file.to_str().unwrap()];
    call_with(&place, "ListPods", "", &options).ok();
    let denied = call_changes_nothing(&place, "ReadPodOutput", READ, &options).err();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert_eq!(
        denied.message,
        format!(
            "pod `child`: reading its output is not granted; add the line `\"read:child\",` to `grants` in {}",
            file.display()
        )
    );
    // Added to the letter, it allows it.
    let (_, line) =
        denied.message.split_once('`').unwrap().1.split_once('`').unwrap().1.split_once('`').unwrap();
    let (line, _) = line.split_once('`').unwrap();
    fs::write(&file, text.replace("\"list\",", &format!("\"list\",\n    {line}"))).unwrap();
    call_with(&place, "ReadPodOutput", READ, &options).ok();
}

#[test]
fn the_quoted_line_allows_it_for_a_pod_of_any_name() {
    for name in ["a \"b\"", "back\\slash", "line\nbreak", "ü`x`", "\u{1b}[2J\u{202e}", "a:b,c", ""] {
        let place = Place::new().unwrap();
        let input = json!({ "name": name }).to_string();
        let file = write(&place, "grants = []\n");
        let options = ["--grants", file.to_str().unwrap()];
        let denied = call_with(&place, "StopPod", &input, &options).err();
        let (_, line) = denied.message.split_once("add the line `").unwrap();
        let (line, _) = line.rsplit_once("` to `grants`").unwrap();
        fs::write(&file, format!("grants = [\n{line}\n]\n")).unwrap();
        let allowed = call_with(&place, "StopPod", &input, &options).err();
        assert_eq!(allowed.words(), ("invalid-argument", "unknown-pod"), "{name:?}: {line}");
    }
}

#[test]
fn a_file_that_grants_nothing_denies_everything() {
    let place = dead_child();
    for text in ["", "grants = []\n", "[limits]\nop-timeout = \"1s\"\n"] {
        let file = write(&place, text);
        let denied = call_with(&place, "ListPods", "", &["--grants", file.to_str().unwrap()]).err();
        assert_eq!(denied.words(), ("denied", "not-granted"), "{text:?}");
    }
}

#[test]
fn limits_of_the_file_hold_and_the_command_line_and_the_environment_win_over_them() {
    let (place, _pod) = place_with(Script::new());
    let file = write(&place, "grants = [\"read\"]\n[limits]\nop-timeout = \"123ms\"\n");
    let waited = |environment: &[(&str, &str)], options: &[&str]| {
        let file = file.to_str().unwrap();
        let mut command = at(&place, ["call", "ReadPodOutput", READ, "--json", "--grants", file]);
        command.args(options).envs(environment.iter().copied());
        run(command).err().message
    };
    for (environment, options, expected) in [
        (&[][..], &[][..], "123ms"),
        (&[("POD_TOOLS_OP_TIMEOUT", "77ms")], &[], "77ms"),
        (&[("POD_TOOLS_OP_TIMEOUT", "60m")], &["--op-timeout", "45ms"], "45ms"),
    ] {
        let message = waited(environment, options);
        assert!(message.contains(&format!("timed out after {expected}")), "{message}");
    }
}

#[test]
fn directories_of_the_file_replace_the_default_and_the_command_line_replaces_them() {
    let place = Place::new().unwrap();
    let outside = place.root().join("outside");
    let _pod = FakePod::start_unrecorded(&outside.join("sock"), "child", Script::new()).unwrap();
    let mut record = place.native_record("child");
    record["socket_path"] = json!(outside.join("sock"));
    place.record(record).unwrap();
    let state = |allowed: &str, options: &[&str]| {
        let file = write(&place, &format!("grants = [\"list\"]\n{allowed}"));
        let options = [&["--grants", file.to_str().unwrap()], options].concat();
        call_with(&place, "ListPods", "", &options).ok()["data"]["pods"][0]["state"].take()
    };
    let base = place.base();
    assert_eq!(state("", &[]), "denied");
    assert_eq!(state(&format!("allow-sockets = [{outside:?}]\n"), &[]), "alive");
    assert_eq!(state(&format!("allow-sockets = [{base:?}, {outside:?}]\n"), &[]), "alive");
    assert_eq!(state("allow-sockets = []\n", &[]), "denied");
    let only_base = ["--allow-sockets", base.to_str().unwrap()];
    assert_eq!(state(&format!("allow-sockets = [{outside:?}]\n"), &only_base), "denied");
}

#[test]
fn grants_come_from_one_place_and_the_command_line_wins_over_the_environment() {
    let place = dead_child();
    let file = write(&place, "grants = [\"read\"]\n");
    let file = file.to_str().unwrap();
    let read = |environment: &[(&str, &str)], options: &[&str]| -> Finished {
        let mut command = at(&place, ["call", "ReadPodOutput", READ, "--json"]);
        command.args(options).envs(environment.iter().copied());
        run(command)
    };
    read(&[("POD_TOOLS_GRANTS", file)], &[]).ok();
    read(&[("POD_TOOLS_GRANT", "list")], &["--grants", file]).ok();
    let by_option = read(&[("POD_TOOLS_GRANTS", file)], &["--grant", "list"]).err();
    assert!(by_option.message.ends_with("it takes the grant `read:child`"), "{}", by_option.message);
    // A relative path is named in full.
    let mut relative = at(&place, ["call", "ListPods", "--json", "--grants", "grants.toml"]);
    relative.current_dir(place.root());
    assert!(run(relative).err().message.ends_with(file));

    for (environment, options, part) in [
        (&[][..], &["--grants", file, "--grant", "list"][..], "cannot be used with"),
        (&[("POD_TOOLS_GRANTS", file), ("POD_TOOLS_GRANT", "list")], &[], "unset one of them"),
    ] {
        let twice = read(environment, options);
        assert_eq!((twice.code, twice.stdout.as_str()), (Some(2), ""), "{twice:?}");
        assert!(twice.stderr.contains(part), "{}", twice.stderr);
    }
    let both_sides = run(at(&place, ["--grant", "list", "call", "ListPods", "--grants", file]));
    assert_eq!(both_sides.code, Some(2), "{both_sides:?}");
    assert!(both_sides.stderr.contains("leave one of them out"), "{}", both_sides.stderr);
}

#[test]
fn what_needs_no_grants_does_not_read_the_file() {
    let mut tools = bare();
    tools.args(["tools", "--grants", "/nowhere/at/all"]);
    assert_eq!(run(tools).code, Some(0));
}
