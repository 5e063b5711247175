//! Agents of a table as pods: their arguments, what they are given behind a fence, and tables that are wrong. Agents that
//! people have are run by `tests/agents/run.sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Pod, World};

/// A table with one agent, `talker`, whose program is this script; what else stands in the table.
fn table(world: &World, script: &str, rest: &str) -> String {
    let program = world.script("talker", script);
    let path = world.path("agents.toml");
    let text = format!(
        "[talker]\nabout = 'talks'\ninstall = 'make talker'\ncommand = ['{program}', 'always']\n{rest}"
    );
    fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

fn answer(pod: &Pod, message: &str) -> String {
    let mut client = pod.connect();
    client.run(message);
    let text = client.data("text_done")["text"].as_str().unwrap().trim().to_owned();
    client.until("run_end");
    text
}

/// The exit status of `pod-tools pod`, what it printed, and what it said.
fn pod_tools(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let output = world.command(&world.base()).arg("pod").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_conversation_is_begun_until_it_has_begun_and_then_gone_on_with() {
    let world = World::new();
    let sessions = world.path("sessions");
    // It fails to begin unless it is told to.
    let script = r#"read message; echo "$POD_SESSION $@"; [ "$message" != begin ] || mkdir -p "$SESSIONS/any/$POD_SESSION""#;
    let script = script.replace("$SESSIONS", sessions.to_str().unwrap());
    let rest = format!(
        "[talker.conversation]\nfirst = ['--new=${{POD_SESSION}}']\nlater = ['--on', '${{POD_SESSION}}']\n\
         begun = '{}/*/${{POD_SESSION}}'\n",
        sessions.display()
    );
    let file = table(&world, &script, &rest);
    let pod = world.pod("x", &["--agents", &file, "--agent", "talker"], &["--own", "two words"]);
    let first = answer(&pod, "fail");
    let session = first.split(' ').next().unwrap();
    let new = format!("{session} always --new={session} --own two words");
    assert_eq!(first, new);
    assert_eq!(answer(&pod, "begin"), new);
    assert_eq!(answer(&pod, "on"), format!("{session} always --on {session} --own two words"));

    // A pod of the same directory is another conversation.
    let other = world.pod("y", &["--agents", &file, "--agent", "talker"], &[]);
    assert!(!answer(&other, "on").contains(session));
}

#[test]
fn without_a_path_that_tells_it_a_conversation_has_begun_with_the_second_message() {
    let world = World::new();
    let rest = "[talker.conversation]\nfirst = []\nlater = ['--continue']\n";
    let file = table(&world, r#"echo "$@""#, rest);
    let pod = world.pod("x", &["--agents", &file, "--agent", "talker"], &[]);
    assert_eq!(
        ["a", "b", "c"].map(|message| answer(&pod, message)),
        ["always", "always --continue", "always --continue"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn behind_a_fence_an_agent_has_what_the_table_says_and_where_it_is_installed() {
    let world = World::new();
    let scope = format!("write:{}", world.work_dir("scope").display());
    let modules = world.work_dir("lib/node_modules");
    fs::create_dir(modules.join("beside")).unwrap();
    fs::write(modules.join("beside/code"), "its code").unwrap();
    fs::write(world.path("lib/secret"), "a secret").unwrap();
    let state = world.path("home/.talker");
    let file = table(
        &world,
        "exit 1",
        "env = ['TALKER_KEY']\n[talker.fence]\nalso = ['write:~/.talker', 'read:~/none']\nset = { MODE = '${NONE:-~}' }\n",
    );
    // The program, by a link as npm makes them.
    let program = modules.join("talker");
    let script = r#"#!/bin/sh
        touch ~/.talker/made
        cat LIB/node_modules/beside/code; cat LIB/secret; echo "$TALKER_KEY $OTHER_KEY $MODE""#;
    fs::write(&program, script.replace("LIB", world.path("lib").to_str().unwrap())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(world.path("talker")).unwrap();
    std::os::unix::fs::symlink(&program, world.path("talker")).unwrap();

    let start = |options: &[&str]| {
        let mut command = world.command(&world.base());
        command.env("HOME", world.path("home")).env("TALKER_KEY", "key").env("OTHER_KEY", "other");
        world.pod_by(command, "x", &[&["--agents", &file, "--agent", "talker"], options].concat(), &[])
    };
    let pod = start(&["--scope", &scope]);
    assert!(pod.ready.ends_with(", fenced\n"), "{}", pod.ready);
    let told = answer(&pod, "");
    assert!(told.contains("its code") && !told.contains("a secret"), "{told}");
    assert!(told.ends_with(&format!("key  {}", world.path("home").display())), "{told}");
    assert!(state.join("made").exists());
    drop(pod);
    // What is for a fence is not there without one.
    assert!(answer(&start(&[]), "").ends_with("a secretkey"), "no fence");
}

#[test]
fn what_would_be_run_is_told_and_not_run() {
    let world = World::new();
    let scope = format!("read:{}", world.work_dir("scope").display());
    let rest = "[talker.conversation]\nfirst = []\nlater = ['--on', '${POD_SESSION}']\n\
                [talker.fence]\nalso = ['write:/nowhere/x']\nconnect-ports = [443]\n";
    let file = table(&world, "touch ran", rest);
    let options = ["x", "--agents", &file, "--agent", "talker", "--dry-run", "--scope", &scope, "--", "a b"];
    let (code, told, said) = pod_tools(&world, &options);
    assert_eq!((code, said.as_str()), (0, ""));
    let program = world.path("talker");
    for line in [
        "agent      talker\n".to_owned(),
        format!("first      {} always 'a b'\n", program.display()),
        format!("later      {} always --on ${{POD_SESSION}} 'a b'\n", program.display()),
        format!("scope      {scope}\n"),
        "fence      strict\n".to_owned(),
        "also       write:/nowhere/x  (is not there)\n".to_owned(),
        "TCP ports  443\n".to_owned(),
    ] {
        assert!(told.contains(&line), "no {line:?} in {told}");
    }
    assert!(!world.base().join("x").exists() && !Path::new("/nowhere").exists());

    let (code, told, _) = pod_tools(&world, &["x", "--dry-run", "--", "cat", "-"]);
    assert!(code == 0 && told.contains("runs       cat -  (for each message)\n"), "{told}");
}

#[test]
fn the_table_is_shown_with_what_is_installed_and_what_installs_the_rest() {
    let world = World::new();
    let file = table(&world, "exit 0", "");
    let mut command = world.command(&world.base());
    command.args(["pod", "--agents", &file, "--agent", "list"]).env("PATH", "/nowhere");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let program: PathBuf = world.path("talker").canonicalize().unwrap();
    assert!(told.contains(&format!("talker    talks\n          {}\n", program.display())), "{told}");
    assert!(told.contains("not installed; what installs it: npm install -g opencode-ai\n"), "{told}");
}

#[test]
fn an_agent_that_cannot_be_run_is_told_of_before_anything_is_left_behind() {
    let world = World::new();
    let good = table(&world, "exit 0", "");
    let file = |name: &str, text: &str, mode: u32| {
        let path = world.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let text = fs::read_to_string(&good).unwrap();
    let missing = file("missing.toml", &text.replace("/talker'", "/none'"), 0o600);
    let wrong = file("wrong.toml", &format!("{text}acp = 1\n"), 0o600);
    let needy = file("needy.toml", &text.replace("'always'", "'${NONE_OF_MINE}'"), 0o600);
    let open = file("open.toml", &text, 0o666);
    let unfenced =
        file("unfenced.toml", &format!("{text}[talker.fence]\nimpossible = 'it listens'\n"), 0o600);
    let alone = ["x", "--agents", &unfenced, "--agent", "talker", "--scope", "read:/usr"];
    let (code, _, said) = pod_tools(&world, &alone);
    assert!(
        code == 2 && said.contains("cannot be held to a scope: it listens; `--enforce off`"),
        "{code} {said}"
    );
    for (file, agent, told) in [
        (
            &good,
            "talkre",
            "no agent is named `talkre`; there are claude, codex, gemini, goose, opencode, talker; did you mean `talker`?",
        ),
        (&missing, "talker", "no such file; what installs it: make talker"),
        (&wrong, "talker", "wrong.toml:5:7: invalid type: integer `1`"),
        (&needy, "talker", "`${NONE_OF_MINE}` needs the variable NONE_OF_MINE, which is not set"),
        (&open, "talker", "chmod"),
        (&"/none.toml".to_owned(), "talker", "/none.toml: cannot be read: No such file"),
    ] {
        for options in [&["--scope", "read:/usr"][..], &["--dry-run"]] {
            let (code, printed, said) =
                pod_tools(&world, &[&["x", "--agents", file, "--agent", agent], options].concat());
            assert!(code == 2 && printed.is_empty() && said.contains(told), "{code} {said}");
        }
    }
    let (code, _, said) =
        pod_tools(&world, &["x", "--agents", &good, "--agent", "talker", "--permit", "ask"]);
    assert!(
        code == 1 && said.contains("--permit is for agents of the Agent Client Protocol"),
        "{code} {said}"
    );
    let (code, _, said) = pod_tools(&world, &["x", "--agent", "gemini", "--acp"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{code} {said}");
    assert!(!world.base().join("x").exists());
}
