//! Agents of the Agent Client Protocol: what a turn with one looks like from the other side of the socket. The agent is
//! `tests/src/acp_agent`, which does what each message says.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::*;

/// The scripted agent, with how it is to start.
pub fn agent() -> String {
    let agent = Path::new(env!("CARGO_BIN_EXE_pod-tools")).with_file_name("acp-agent");
    assert!(agent.exists(), "`cargo build --workspace --all-targets` builds it");
    agent.into_os_string().into_string().unwrap()
}

/// A pod around it.
pub fn pod(world: &World, options: &[&str], arguments: &[&str]) -> Pod {
    let options: Vec<&str> = [&["--acp"][..], options].concat();
    let agent = agent();
    let program: Vec<&str> = [&[agent.as_str()][..], arguments].concat();
    world.pod("x", &options, &program)
}

/// What it says to a message.
pub fn say(client: &mut Client, message: &str) -> String {
    client.run(message);
    deltas(&client.until_either("run_end", "error"))
}

#[test]
fn one_agent_answers_all_messages_in_one_session() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    assert_eq!((say(&mut client, "count"), say(&mut client, "count")), ("1".into(), "2".into()));
    client.run("say hello");
    let events = client.until("run_end");
    assert_eq!(
        kinds(&events),
        ["turn_start", "text_delta", "text_done", "usage", "turn_end", "run_end"],
        "{events:?}"
    );
    assert_eq!(client.history()["items"][5], answer("hello", "completed"));
    let greeting = client.history()["greeting"].clone();
    assert_eq!((&greeting["provider"], &greeting["model"]), (&json!("acp"), &json!("scripted 1")));
    assert_eq!(pod.json("history.json"), client.history()["items"]);
}

#[test]
fn thoughts_and_tools_are_told_and_kept() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    say(&mut client, "think");
    assert_eq!(client.history()["items"][1], json!({"type": "reasoning", "text": "hm"}));
    client.run("tool");
    let events = client.until("run_end");
    assert_eq!(
        kinds(&events[..5]),
        ["turn_start", "tool_call_start", "tool_call_done", "tool_result", "text_delta"]
    );
    assert_eq!(events[1]["data"], json!({"id": "c1", "name": "look"}));
    assert_eq!(events[2]["data"], json!({"id": "c1", "name": "look", "arguments": "{\"at\":\"x\"}"}));
    assert_eq!(events[3]["data"], json!({"id": "c1", "output": "seen", "is_error": false}));
    let items = client.history()["items"].clone();
    assert_eq!(
        items[4],
        json!({"type": "tool_call", "call_id": "c1", "name": "look", "arguments": "{\"at\":\"x\"}"})
    );
    assert_eq!(
        items[5],
        json!({"type": "tool_result", "call_id": "c1", "summary": "Look", "content": "seen"})
    );
    assert_eq!(items[6], answer("looked", "completed"));
}

#[test]
fn what_a_turn_used_and_why_it_stopped_are_told() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    client.run("usage");
    assert_eq!(client.data("usage"), json!({"input_tokens": 7, "output_tokens": 2}));
    client.until("run_end");
    for (reason, why) in [
        ("max_tokens", "too long: it reached its limit of tokens"),
        ("max_turn_requests", "too long: it reached its limit of requests to its model"),
    ] {
        client.run(&format!("stop {reason}"));
        assert_eq!(client.until("run_end").pop().unwrap()["data"], json!({"result": "limit_reached"}));
        assert_eq!(last(&mut client), failure(why));
    }
    for (message, why) in [
        ("stop refusal", "refusal: the agent refused to go on"),
        ("fail", "the model is overloaded"),
        ("stop nonsense", "its answer to the prompt is none: unknown variant `nonsense`"),
    ] {
        client.run(message);
        let error = client.data("error");
        assert!(
            error["code"] == "provider_error" && error["message"].as_str().unwrap().contains(why),
            "{error}"
        );
        assert!(last(&mut client)["reason"].as_str().unwrap().starts_with(why));
        assert_eq!(pod.state(), "idle");
    }
    assert_eq!(say(&mut client, "say still here"), "still here");
}

/// The newest item of the history.
pub fn last(client: &mut Client) -> Value {
    client.history()["items"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn its_files_are_the_scopes() {
    let world = World::new();
    let (read, write, out) = (world.work_dir("read"), world.work_dir("write"), world.work_dir("out"));
    fs::write(read.join("x"), "inside").unwrap();
    fs::write(out.join("x"), "outside").unwrap();
    let scope = [format!("read:{}", read.display()), format!("write:{}", write.display())];
    let options: [&str; 6] = ["--scope", &scope[0], "--scope", &scope[1], "--enforce", "off"];
    let pod = pod(&world, &options, &[]);
    let mut client = pod.connect();
    let mut told = |message: String| say(&mut client, &message);
    assert_eq!(told(format!("read {}/x", read.display())), "inside");
    assert_eq!(told(format!("write {}/new text", write.display())), "done");
    assert_eq!(fs::read_to_string(write.join("new")).unwrap(), "text");
    let refused = told(format!("read {}/x", out.display()));
    assert!(refused.ends_with(&format!("it takes `--scope read:{}`", out.display())), "{refused}");
    let refused = told(format!("write {}/x text", read.display()));
    assert!(refused.ends_with(&format!("it takes `--scope write:{}`", read.display())), "{refused}");
    assert_eq!(told("terminal".into()), "the pod has no `terminal/create`");
}

#[test]
fn behind_a_fence_it_is_not_given_the_operators_own_either() {
    let world = World::new();
    let home = world.work_dir("home");
    fs::create_dir_all(home.join(".config/pod-tools")).unwrap();
    fs::write(home.join(".config/pod-tools/grants.toml"), "all of it").unwrap();
    fs::write(home.join("notes"), "mine").unwrap();
    let mut command = world.command(&world.base());
    command
        .env("HOME", &home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME");
    let (agent, scope) = (agent(), format!("write:{}", home.display()));
    let also = format!("read:{}", Path::new(&agent).parent().unwrap().display());
    let options: [&str; 5] = ["--acp", "--scope", &scope, "--also", &also];
    let pod = world.pod_by(command, "x", &options, &[agent.as_str()]);
    let mut client = pod.connect();
    assert_eq!(say(&mut client, &format!("read {}/notes", home.display())), "mine");
    for message in ["read {}/.config/pod-tools/grants.toml", "write {}/.config/pod-tools/grants.toml x"] {
        let refused = say(&mut client, &message.replace("{}", home.to_str().unwrap()));
        assert!(refused.contains("it is the operator's own"), "{refused}");
    }
    assert_eq!(fs::read_to_string(home.join(".config/pod-tools/grants.toml")).unwrap(), "all of it");
}

#[test]
fn a_cancelled_turn_leaves_the_agent_and_its_session() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    client.run("wait");
    client.until("text_delta");
    client.send("cancel");
    assert_eq!(client.data("error"), json!({"code": "internal", "message": "Cancelled"}));
    assert_eq!(last(&mut client), failure("cancelled"));
    assert_eq!(say(&mut client, "count"), "2");
}

#[test]
fn an_agent_that_does_not_end_its_turn_is_ended_and_begins_anew() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    client.run("deaf");
    client.until("text_delta");
    client.send("cancel");
    assert_eq!(client.data("error")["message"], "Cancelled");
    let answer = say(&mut client, "count");
    let notice = "[the agent had ended (it did not end its turn when it was asked to) and began anew: it knows nothing of what is above]\n";
    assert_eq!(answer, format!("{notice}1"));
}

#[test]
fn what_it_left_in_the_background_is_gone_with_the_pod() {
    let world = World::new();
    let mut pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    let left = say(&mut client, "leave");
    assert!(runs(&left));
    client.send("shutdown");
    client.until("shutdown");
    assert!(pod.ended().0.success());
    assert!(!runs(&left));
    assert_eq!(world.traces("x"), [""; 0]);
}

#[test]
fn it_finds_the_conversation_in_its_environment() {
    let world = World::new();
    let pod = pod(&world, &[], &[]);
    let mut client = pod.connect();
    assert_eq!(say(&mut client, "variable POD_NAME"), "x");
    assert_eq!(say(&mut client, "variable POD_SESSION").len(), 36);
    assert_eq!(say(&mut client, "variable POD_TURN"), "1");
}
