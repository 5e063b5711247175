//! The options that all commands share: their environment variables, which of them wins, and the defaults.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use cli::{Finished, bare, run, snapshot};
use pod_tools_conformance::{FakePod, Place, Script};
use serde_json::{Value, json};

/// `pod-tools call ListPods --json`, with this environment and these options.
fn list<'a>(
    environment: impl IntoIterator<Item = (&'a str, &'a Path)>,
    options: impl IntoIterator<Item = (&'a str, &'a Path)>,
) -> Finished {
    let mut command = bare();
    command.args(["call", "ListPods", "--json"]).envs(environment);
    for (option, value) in options {
        command.arg(option).arg(value);
    }
    run(command)
}

/// A place in whose registry one pod of that name is recorded, and dead.
fn place_of(name: &str) -> Place {
    let place = Place::new().unwrap();
    place.record(place.native_record(name)).unwrap();
    place
}

/// The one name that was listed.
fn listed(outcome: &Finished) -> String {
    outcome.ok()["data"]["pods"][0]["name"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_relative_runtime_directory_of_the_session_counts_for_nothing() {
    let (home, elsewhere) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
    let mut command = bare();
    command.args(["call", "ListPods"]).current_dir(elsewhere.path());
    command.env("XDG_RUNTIME_DIR", "relative").env("XDG_CACHE_HOME", "cache").env("HOME", home.path());
    assert_eq!(run(command).code, Some(0));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert!(home.path().join(".insomnia/run/pod-tools").is_dir());

    let mut command = bare();
    command.args(["call", "ListPods"]).current_dir(elsewhere.path()).env("HOME", "home");
    assert_eq!(run(command).code, Some(2));
}

#[test]
fn every_option_that_takes_a_value_names_its_environment_variable_in_the_help() {
    let mut help = bare();
    help.args(["help", "options"]);
    let help = run(help).stdout;
    // One line a paragraph, whatever the width of the terminal.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut options = 0;
    for part in help.split(" --").skip(1) {
        let Some((name, rest)) = part.split_once(" <") else { continue };
        if name.contains(' ') || rest.is_empty() {
            continue;
        }
        let variable = format!("[env: POD_TOOLS_{}", name.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "--{name} has no {variable}");
        options += 1;
    }
    assert_eq!(options, 33, "{help}");
}

#[test]
fn the_base_is_beneath_the_runtime_directory_of_the_session_else_beneath_home() {
    let place = Place::new().unwrap();
    let (session, home) = (place.root().join("session"), place.root().join("home"));
    assert_eq!(
        list([("XDG_RUNTIME_DIR", &*session), ("HOME", &home)], []).ok()["summary"],
        "no spawned pods"
    );
    // The operator's own directory is made when it is missing, for him alone.
    let operators = session.join("insomnia/pod-tools");
    assert_eq!(fs::metadata(operators).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!home.exists());

    // Without that variable it may be the directory that this user has, which is no test's (see
    // `options/base.rs`).
    if cli::user_has_runtime_directory() {
        return;
    }
    list([("XDG_RUNTIME_DIR", Path::new("")), ("HOME", &home)], []).ok();
    assert!(home.join(".insomnia/run/pod-tools").is_dir());

    let none = list([], []);
    assert_eq!((none.code, none.stdout.as_str()), (Some(2), ""));
    assert!(none.stderr.contains("--base-dir"), "{}", none.stderr);
}

#[test]
fn the_base_and_the_spawner_are_taken_from_the_environment_and_options_win() {
    let (one, other) = (place_of("one"), place_of("other"));
    let (of_one, of_other) = (one.base(), other.base());
    let spawner = Path::new("spawner");
    let environment = [("POD_TOOLS_BASE_DIR", &*of_one), ("POD_TOOLS_SPAWNER", spawner)];
    assert_eq!(listed(&list(environment, [])), "one");
    assert_eq!(listed(&list(environment, [("--base-dir", &*of_other)])), "other");
    assert_eq!(listed(&list([], [("--base-dir", &*of_other), ("--spawner", spawner)])), "other");

    let (one_dir, other_dir) = (one.runtime_dir(), other.runtime_dir());
    let environment = [("POD_TOOLS_BASE_DIR", &*of_one), ("POD_TOOLS_RUNTIME_DIR", &*one_dir)];
    assert_eq!(listed(&list(environment, [])), "one");
    assert_eq!(listed(&list(environment, [("--runtime-dir", &*other_dir)])), "other");
}

#[test]
fn a_spawner_or_a_runtime_directory_on_the_command_line_wins_over_the_other_in_the_environment() {
    let (one, other) = (place_of("one"), place_of("other"));
    let (base, dir) = (one.base(), other.runtime_dir());
    let by_name = ("POD_TOOLS_SPAWNER", Path::new("spawner"));
    let by_path = ("POD_TOOLS_RUNTIME_DIR", &*dir);
    assert_eq!(listed(&list([by_name], [("--base-dir", &*base), ("--runtime-dir", &*dir)])), "other");
    assert_eq!(
        listed(&list([by_path], [("--base-dir", &*base), ("--spawner", Path::new("spawner"))])),
        "one"
    );

    // Both in one place contradict each other.
    let both = list([], [("--runtime-dir", &*dir), ("--spawner", Path::new("spawner"))]);
    assert_eq!(both.code, Some(2), "{both:?}");
    let both = list([by_name, by_path, ("POD_TOOLS_BASE_DIR", &*base)], []);
    assert_eq!(both.code, Some(2), "{both:?}");
    for named in ["POD_TOOLS_SPAWNER", "POD_TOOLS_RUNTIME_DIR"] {
        assert!(both.stderr.contains(named), "{}", both.stderr);
    }
}

#[test]
fn the_scope_lock_is_the_option_s_then_the_variable_s_then_the_native_variable_s_then_the_base_s() {
    let place = place_of("gone");
    let file = |name: &str| place.root().join(name);
    let (option, ours, native, default) = (file("option"), file("ours"), file("native"), place.scope_lock());
    let base = place.base();
    let at = [("--base-dir", &*base), ("--spawner", Path::new("spawner"))];
    let with_option: Vec<_> = at.into_iter().chain([("--scope-lock", &*option)]).collect();
    let native_var = ("INSOMNIA_SCOPE_LOCK", &*native);
    let our_var = ("POD_TOOLS_SCOPE_LOCK", &*ours);
    // Looking for stale allocations, ListPods makes the file where it is missing.
    for (environment, options, made) in [
        (vec![our_var, native_var], with_option, &option),
        (vec![our_var, native_var], at.to_vec(), &ours),
        (vec![native_var], at.to_vec(), &native),
        (vec![("INSOMNIA_SCOPE_LOCK", Path::new(""))], at.to_vec(), &default),
    ] {
        list(environment, options).ok();
        for lock in [&option, &ours, &native, &default] {
            assert_eq!(lock.exists(), lock == made, "{}", lock.display());
        }
        fs::remove_file(made).unwrap();
    }
}

/// `pod-tools call TOOL` for the pod `child` at a place, with this environment.
fn call_child(place: &Place, tool: &str, environment: &[(&str, &str)], options: &[&str]) -> Finished {
    let input = json!({"name": "child", "message": "hello"}).to_string();
    let mut command: Command = cli::at(place, [&["call", tool, &input, "--json"], options].concat());
    command.envs(environment.iter().copied());
    run(command)
}

#[test]
fn grants_are_taken_from_the_environment_and_options_replace_them() {
    let place = place_of("child");
    let with = |grants, options: &[&str]| {
        call_child(&place, "ReadPodOutput", &[("POD_TOOLS_GRANT", grants)], options)
    };
    assert_eq!(with("list", &[]).err().words(), ("denied", "not-granted"));
    with("list read:other read:ch*", &[]).ok();
    with("list", &["--grant", "send", "--grant", "read:child"]).ok();
    assert_eq!(with("read", &["--grant", "list"]).err().words(), ("denied", "not-granted"));
    // Without any the operator has them all.
    with("", &[]).ok();

    let wrong = with("list write", &[]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    for part in ["POD_TOOLS_GRANT", "`write`", "the verbs are list, send, read, stop"] {
        assert!(wrong.stderr.contains(part), "{part}: {}", wrong.stderr);
    }
}

#[test]
fn allowed_directories_replace_the_default_and_come_from_the_environment_too() {
    let place = Place::new().unwrap();
    let outside = place.root().join("outside");
    let _pod = FakePod::start_unrecorded(&outside.join("sock"), "child", Script::new()).unwrap();
    let mut record = place.native_record("child");
    record["socket_path"] = json!(outside.join("sock"));
    place.record(record).unwrap();
    let state = |environment: &[(&str, &str)], options: &[&str]| {
        call_child(&place, "ListPods", environment, options).ok()["data"]["pods"][0]["state"].take()
    };
    let (base, outside) = (place.base().display().to_string(), outside.display().to_string());
    let both = format!("{base}:{outside}");
    assert_eq!(state(&[], &[]), "denied");
    assert_eq!(state(&[], &["--allow-sockets", &outside]), "alive");
    assert_eq!(state(&[], &["--allow-sockets", &base, "--allow-sockets", &outside]), "alive");
    assert_eq!(state(&[("POD_TOOLS_ALLOW_SOCKETS", &both)], &[]), "alive");
    assert_eq!(state(&[("POD_TOOLS_ALLOW_SOCKETS", &both)], &["--allow-sockets", &base]), "denied");

    let before = snapshot(place.root());
    let missing = call_child(&place, "ListPods", &[], &["--allow-sockets", "/nowhere/at/all"]);
    let missing = missing.err();
    assert_eq!(missing.words(), ("execution-failed", ""));
    assert!(missing.message.contains("/nowhere/at/all"), "{}", missing.message);
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn limits_are_taken_from_the_environment_and_options_win() {
    let (place, _pod) = cli::place_with(Script::new());
    let exhausted = call_child(&place, "SendToPod", &[("POD_TOOLS_EXCHANGES", "0")], &[]).err();
    assert_eq!(exhausted.words(), ("limit", ""));
    let waited =
        |environment, options: &[&str]| call_child(&place, "SendToPod", environment, options).err().message;
    let by_variable = waited(&[("POD_TOOLS_OP_TIMEOUT", "123ms")], &[]);
    assert!(by_variable.contains("timed out after 123ms"), "{by_variable}");
    let by_option = waited(&[("POD_TOOLS_OP_TIMEOUT", "60m")], &["--op-timeout", "0.045"]);
    assert!(by_option.contains("timed out after 45ms"), "{by_option}");

    let wrong = call_child(&place, "SendToPod", &[("POD_TOOLS_MEMORY", "a lot")], &[]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""));
    assert!(wrong.stderr.contains("--memory"), "{}", wrong.stderr);
}

#[test]
fn options_may_stand_before_the_command_and_behind_it() {
    let place = place_of("child");
    let mut before = bare();
    before.args(place.options()).args(["call", "ListPods", "--json"]);
    let mut behind = bare();
    behind.args(["call", "ListPods", "--json"]).args(place.options());
    let [before, behind]: [Value; 2] = [before, behind].map(|command| run(command).ok());
    assert_eq!(before, behind);
    assert_eq!(before["summary"], "1 pod(s) known");
}

#[test]
fn a_compilation_cache_that_cannot_be_used_costs_a_warning_and_nothing_else() {
    let place = place_of("child");
    let with_cache = call_child(&place, "ListPods", &[], &[]);
    let without = call_child(&place, "ListPods", &[("XDG_CACHE_HOME", "/dev/null/nowhere")], &[]);
    assert_eq!((without.code, &without.stdout), (Some(0), &with_cache.stdout));
    assert_eq!(with_cache.stderr, "");
    assert!(
        without.stderr.contains("no compilation cache in /dev/null/nowhere/pod-tools"),
        "{}",
        without.stderr
    );
    let silenced = [("XDG_CACHE_HOME", "/dev/null/nowhere"), ("RUST_LOG", "error")];
    assert_eq!(call_child(&place, "ListPods", &silenced, &[]).stderr, "");
}

#[test]
fn what_needs_no_pods_needs_no_base_directory() {
    for command in ["tools", "inspect"] {
        let mut without_home = bare();
        without_home.arg(command);
        let shown = run(without_home);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    }
}
