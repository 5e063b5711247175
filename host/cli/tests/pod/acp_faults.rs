//! Agents that are none, and agents that go wrong: each is told with its reason, the turn ends, the pod lives or does not
//! start, and nothing is left behind.

use std::fs;

use crate::acp::{agent, last, pod, say};
use crate::harness::*;

#[test]
fn what_is_no_agent_is_no_pod_and_leaves_nothing() {
    let world = World::new();
    let agent = agent();
    let cases: &[(&str, &[&str], &str)] = &[
        ("dies", &[], "exited with status 3: no key was given before it had answered `initialize`"),
        (
            "garbage",
            &[],
            "no agent of the Agent Client Protocol: not a message of JSON-RPC: `Welcome to the agent!",
        ),
        (
            "floods",
            &["--max-turn-output", "1MiB"],
            "wrote more than 1048576 bytes before it had answered `initialize`",
        ),
        ("long-line", &[], "a line of more than 16777216 bytes where `initialize` is to be answered"),
        ("silent", &["--start-timeout", "500ms"], "no session within 0.5 s"),
        ("silent", &["--start-timeout", "500ms"], "it wrote to its standard error: loading the model"),
        ("speaks-2", &[], "speaks version 2 of the Agent Client Protocol, and the pod version 1"),
        ("refuses", &[], "it answered `initialize`: not today"),
        (
            "wants-login",
            &[],
            "it answered `session/new`: Authentication required; it may want to be logged in first (A key)",
        ),
        ("ok", &["--resume"], "it can go on with no session"),
    ];
    for &(start, options, why) in cases {
        let options: Vec<&str> = [&["--acp"][..], options].concat();
        let mut command = world.command(&world.base());
        command.env("XDG_STATE_HOME", world.path("state"));
        let (code, said) = world.refused_by(command, "x", &options, &[agent.as_str(), start]);
        assert!(code == 1 && said.contains(why), "{start}: {code}: {said}");
        assert_eq!(world.traces("x"), [""; 0], "{start}");
        let kept = fs::read_dir(world.path("state/pod-tools/sessions")).map_or(0, Iterator::count);
        assert_eq!(kept, 0, "{start}");
    }
    let (_, said) = world.refused("x", &["--acp"], &["cat"]);
    assert!(said.contains("the agent `cat` does not start"), "{said}");
}

#[test]
fn an_agent_that_dies_in_mid_turn_fails_it_and_is_started_again() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    client.run("die 7");
    let error = client.data("error");
    assert_eq!(error["code"], "provider_error");
    assert!(error["message"].as_str().unwrap().ends_with("exited with status 7: out of memory"), "{error}");
    let items = client.history()["items"].clone();
    assert_eq!(
        (&items[1], &items[2]),
        (&answer("half", "incomplete"), &failure("exit status 7: out of memory"))
    );
    assert_eq!(pod.state(), "idle");
    let next = say(&mut client, "count");
    assert!(
        next.starts_with("[the agent had ended (exit status 7: out of memory") && next.ends_with("]\n1"),
        "{next}"
    );
    assert_eq!(say(&mut client, "count"), "2");
}

#[test]
fn an_agent_that_remembers_goes_on_when_it_is_started_again() {
    let world = World::new();
    let memory = world.work_dir("memory");
    let pod = pod(&world, &[], &["ok", memory.to_str().unwrap()]);
    let mut client = pod.connect();
    say(&mut client, "say one");
    client.run("die 1");
    client.until("error");
    assert_eq!(say(&mut client, "count"), "3");
    assert!(!client.history().to_string().contains("began anew"));
}

#[test]
fn what_is_too_much_or_no_message_ends_the_turn_and_not_the_pod() {
    let world = World::new();
    let pod = pod(&world, &["--max-turn-output", "1MiB"], &[]);
    let mut client = pod.connect();
    for (message, why) in [
        ("garbage", "it wrote what is no message: not a message of JSON-RPC: `Traceback"),
        ("flood", "too long: it wrote more than 1048576 bytes"),
        ("flood-errors", "too long: it wrote more than 1048576 bytes"),
        ("permit-for-ever", "it asked for permission more than 256 times in one turn"),
    ] {
        client.run(message);
        let error = client.data("error");
        assert_eq!(error["code"], "provider_error", "{message}");
        let reason = last(&mut client)["reason"].clone();
        assert!(reason.as_str().unwrap().starts_with(why), "{message}: {reason}");
        assert_eq!(pod.state(), "idle");
    }
    assert!(say(&mut client, "say here").ends_with("here"));
}

#[test]
fn a_conversation_goes_on_with_the_next_pod_of_that_name() {
    let world = World::new();
    let memory = world.work_dir("memory");
    let agent = agent();
    let begin = |options: &[&str]| {
        let mut command = world.command(&world.base());
        command.env("XDG_STATE_HOME", world.path("state"));
        let options: Vec<&str> = [&["--acp"][..], options].concat();
        world.pod_by(command, "x", &options, &[agent.as_str(), "ok", memory.to_str().unwrap()])
    };
    let end = |mut pod: Pod| {
        pod.connect().send("shutdown");
        assert!(pod.ended().0.success());
    };
    let first = begin(&["--resume"]);
    let mut client = first.connect();
    say(&mut client, "say one");
    let session = say(&mut client, "variable POD_SESSION");
    end(first);

    let second = begin(&["--resume"]);
    let mut client = second.connect();
    let items = client.history()["items"].clone();
    assert_eq!(items[0], message("user", "say one"));
    assert_eq!(items[1], answer("(answered say one)", "completed"));
    assert_eq!(say(&mut client, "count"), "3");
    assert_eq!(say(&mut client, "variable POD_SESSION"), session);
    assert_eq!(say(&mut client, "variable POD_TURN"), "3");
    end(second);

    let other = begin(&[]);
    assert_eq!(say(&mut other.connect(), "count"), "1");
    end(other);

    for kept in fs::read_dir(&memory).unwrap() {
        fs::remove_file(kept.unwrap().path()).unwrap();
    }
    let mut command = world.command(&world.base());
    command.env("XDG_STATE_HOME", world.path("state"));
    let program = [agent.as_str(), "ok", memory.to_str().unwrap()];
    let (code, said) = world.refused_by(command, "x", &["--acp", "--resume"], &program);
    assert!(code == 1 && said.contains("to begin anew") && said.contains("no such session"), "{said}");
    assert_eq!(world.traces("x"), [""; 0]);
}

#[test]
fn a_command_that_is_run_once_a_message_goes_on_too() {
    let world = World::new();
    let told = || {
        let mut command = world.command(&world.base());
        command.env("XDG_STATE_HOME", world.path("state"));
        let mut pod = world.pod_by(command, "x", &["--resume"], &["sh", "-c", "echo $POD_SESSION $POD_TURN"]);
        let told = say(&mut pod.connect(), "");
        pod.connect().send("shutdown");
        pod.ended();
        told
    };
    let (first, second) = (told(), told());
    let (session, turn) = first.trim().split_once(' ').unwrap();
    assert_eq!((turn, second.trim()), ("1", format!("{session} 2").as_str()));
}

#[test]
fn the_options_of_an_agent_want_one() {
    let world = World::new();
    let (code, said) = world.refused("x", &["--permit", "ask"], &["cat"]);
    assert!(code == 2 && said.contains("--acp"), "{said}");
    assert!(!world.base().exists());
}
