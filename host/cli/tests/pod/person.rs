//! A person with pods: `send`, `read`, `wait` and `ls`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::background::*;
use crate::harness::*;

/// A command that goes on, and what it says line by line.
struct Going {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Going {
    fn start(place: &Background, words: &[&str]) -> Going {
        let mut process =
            place.command().args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Going { process, out }
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A pod that says `one`, waits for the FIFO, and says `two`.
fn held(place: &Background) -> Fifo {
    let fifo = place.world.fifo("held");
    let script =
        place.world.script("speak", &format!("read line; echo one; cat '{}'; echo two", fifo.as_str()));
    place.spawn(&["x", "--", &script]);
    fifo
}

/// The history has so many items.
fn has_items(place: &Background, name: &str, count: usize) -> bool {
    let history = std::fs::read(place.dir(name).join("history.json")).unwrap();
    serde_json::from_slice::<Value>(&history).unwrap().as_array().unwrap().len() == count
}

#[test]
fn what_a_person_reads_stays_to_be_read_by_agents_and_programs() {
    let place = Background::new();
    place.spawn(&["x", "--", "cat"]);
    let sent = place.run(&["send", "x", "hello", "--wait"]);
    assert_eq!((sent.code, &*sent.out), (Some(0), "hello\n"), "{sent:?}");
    assert!(sent.err.contains("sent message to `x`"), "{sent:?}");
    let read = place.run(&["read", "x"]);
    assert_eq!((read.code, &*read.out), (Some(0), ""), "{read:?}");
    assert!(read.err.contains("no new assistant text"), "{read:?}");
    assert!(place.run(&["call", "ReadPodOutput", "name=x"]).ok().contains("hello"));
    // As somebody else he has read nothing.
    assert_eq!(place.run(&["read", "x", "--reader", "me", "--peek"]).ok(), "hello\n");
    let json: Value =
        serde_json::from_str(&place.run(&["read", "x", "--reader", "me", "--json"]).ok()).unwrap();
    assert_eq!((&json["ok"]["content"], &json["ok"]["data"]["state"]), (&json!("hello\n"), &json!("idle")));
    assert_eq!(place.run(&["read", "x", "--reader", "me"]).ok(), "");
}

#[test]
fn a_message_may_come_on_standard_input() {
    let place = Background::new();
    place.spawn(&["x", "--", "cat"]);
    for words in [&["send", "x", "--wait"][..], &["send", "x", "-", "--wait"]] {
        let mut process =
            place.command().args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(b"a\nb").unwrap();
        let output = process.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"a\nb\n"[..]), "{words:?}");
    }
    let none = place.run(&["send", "x"]);
    assert!(none.code == Some(2) && none.err.contains("there is no message"), "{none:?}");
    let wrong = place.run(&["send", "xx", "hello"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("no spawned pod named `xx`"), "{wrong:?}");
}

#[test]
fn text_is_shown_as_it_comes_from_where_the_run_began() {
    let place = Background::new();
    let fifo = held(&place);
    let mut client = Client::of(&place.dir("x"));
    client.run("go");
    client.until("text_delta");
    let open = fifo.open();
    let mut follower = Going::start(&place, &["read", "x", "--follow"]);
    assert_eq!(follower.line(), "one\n");
    drop(open);
    assert_eq!(follower.line(), "two\n");
    client.until("run_end");
    // The next run, from its beginning, and nothing twice.
    client.run("go");
    assert_eq!(follower.line(), "one\n");
    drop(fifo.open());
    assert_eq!(follower.line(), "two\n");
    client.until("run_end");
    place.run(&["stop", "x"]).ok();
    assert_eq!(follower.line(), "");
    assert_eq!(follower.process.wait().unwrap().code(), Some(0));
}

#[test]
fn what_was_followed_is_read_once_the_run_has_ended() {
    let place = Background::new();
    let fifo = held(&place);
    let mut sender = Going::start(&place, &["send", "x", "go", "--wait"]);
    assert_eq!(sender.line(), "one\n");
    // The person has two terminals.
    assert_eq!(place.run(&["read", "x"]).ok(), "");
    drop(fifo.open());
    assert_eq!((sender.line(), sender.line()), ("two\n".to_owned(), String::new()));
    assert_eq!(sender.process.wait().unwrap().code(), Some(0));
    assert_eq!(place.run(&["read", "x"]).ok(), "");
}

#[test]
fn a_follower_that_nobody_reads_ends_and_what_it_did_not_show_stays_to_be_read() {
    let place = Background::new();
    place.spawn(&["x", "--", "sh"]);
    let mut client = Client::of(&place.dir("x"));
    let mut command = place.command();
    let mut follower = command.args(["read", "x", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(follower.stdout.take().unwrap());
    client.run("echo one");
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    eventually("it is taken for read", || place.run(&["read", "x", "--peek"]).out.is_empty());
    drop(shown);
    client.until("run_end");
    client.run("echo two");
    assert_eq!(follower.wait().unwrap().code(), Some(1));
    client.until("run_end");
    assert_eq!(place.run(&["read", "x"]).ok(), "two\n");
}

#[test]
fn of_a_pod_that_cannot_say_what_it_has_said_the_whole_is_shown_in_the_end() {
    let place = Background::new();
    let fifo = held(&place);
    let mut client = Client::of(&place.dir("x"));
    client.run("go");
    client.until("text_delta");
    let open = fifo.open();
    // As pods of other makes have it.
    std::fs::write(place.dir("x").join("status.json"), r#"{"pod_name":"x","state":"running"}"#).unwrap();
    let mut process = place.command();
    process.args(["read", "x", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = process.spawn().unwrap();
    let mut err = BufReader::new(process.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("in the middle of its answer") {
        assert_ne!(err.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let mut follower = Going { out: BufReader::new(process.stdout.take().unwrap()), process };
    drop(open);
    assert_eq!([follower.line(), follower.line(), follower.line()], ["two\n", "one\n", "two\n"]);
}

#[test]
fn waiting_ends_by_the_runs_result() {
    let place = Background::new();
    place.spawn(&["good", "--", "cat"]);
    place.spawn(&["bad", "--", "sh", "-c", "echo quota exceeded >&2; exit 3"]);
    let fifo = held(&place);
    let failed = place.run(&["send", "bad", "x", "--wait"]);
    assert!(failed.code == Some(1) && failed.err.contains("exit status 3: quota exceeded"), "{failed:?}");
    // It had failed before anybody waited for it.
    let failed = place.run(&["wait", "bad"]);
    assert_eq!((failed.code, &*failed.out), (Some(1), "bad: failed: exit status 3: quota exceeded\n"));
    assert_eq!(place.run(&["wait", "good"]).ok(), "good: done\n");

    place.run(&["send", "x", "go"]).ok();
    let first = place.run(&["wait", "x", "good", "--any"]);
    assert_eq!((first.code, &*first.out), (Some(0), "good: done\n"), "{first:?}");
    let late = place.run(&["wait", "x", "--timeout", "100ms"]);
    assert!(late.code == Some(3) && late.err.contains("not done: `x`"), "{late:?}");
    let mut waiting = Going::start(&place, &["wait", "x", "good", "bad"]);
    let mut before = [waiting.line(), waiting.line()];
    before.sort();
    assert_eq!(before, ["bad: failed: exit status 3: quota exceeded\n", "good: done\n"]);
    drop(fifo.open());
    assert_eq!((waiting.line(), waiting.line()), ("x: done\n".to_owned(), String::new()));
    assert_eq!(waiting.process.wait().unwrap().code(), Some(1));

    place.run(&["send", "x", "go"]).ok();
    let mut waiting = Going::start(&place, &["wait", "x"]);
    place.run(&["stop", "x"]).ok();
    // It may have been gone before it was waited for.
    let line = waiting.line();
    assert!(line.is_empty() || line.starts_with("x: "), "{line}");
    assert_eq!(waiting.process.wait().unwrap().code(), Some(1));
    assert_eq!(place.run(&["wait", "nobody"]).code, Some(1));
}

#[test]
fn a_read_may_wait_for_the_end_of_the_run() {
    let place = Background::new();
    let fifo = held(&place);
    place.run(&["send", "x", "go"]).ok();
    let mut reader = Going::start(&place, &["read", "x", "--wait", "60"]);
    drop(fifo.open());
    assert_eq!([reader.line(), reader.line(), reader.line()], ["one\n", "two\n", ""]);
}

#[test]
fn a_busy_pod_is_sent_the_message_when_its_run_has_ended_if_that_was_asked() {
    let place = Background::new();
    let fifo = held(&place);
    place.run(&["send", "x", "go"]).ok();
    let refused = place.run(&["send", "x", "again"]);
    assert!(refused.code == Some(1) && refused.err.contains("already running"), "{refused:?}");
    let mut sender = Going::start(&place, &["send", "x", "again", "--when-busy", "wait", "--wait"]);
    drop(fifo.open());
    eventually("the first run has ended", || has_items(&place, "x", 2));
    drop(fifo.open());
    let mut said = String::new();
    sender.out.read_to_string(&mut said).unwrap();
    // Of two runs that are read at once the texts are set apart.
    let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(said, ["one", "two", "one", "two"]);
    assert_eq!(sender.process.wait().unwrap().code(), Some(0));
}

#[test]
fn the_list_is_shown_anew_when_something_has_changed() {
    let place = Background::new();
    place.spawn(&["x", "--", "cat"]);
    let mut list = Going::start(&place, &["ls", "--watch", "--json"]);
    let mut next = || serde_json::from_str::<Value>(&list.line()).unwrap()["pods"].take();
    assert_eq!(next()[0]["unread_lines"], 0);
    place.run(&["send", "x", "hello\nyou"]).ok();
    // It may be seen while it runs, or when it is done.
    let mut pods = next();
    while pods[0]["unread_lines"] != 2 {
        pods = next();
    }
    place.spawn(&["y", "--", "cat"]);
    while pods.as_array().unwrap().len() != 2 {
        pods = next();
    }
    place.run(&["stop", "x", "y"]).ok();
    while !pods.as_array().unwrap().is_empty() {
        pods = next();
    }
}

#[test]
fn a_table_is_as_wide_as_its_lines_in_a_pipe_and_coloured_only_if_that_is_forced() {
    let place = Background::new();
    place.spawn(&["x", "--", "cat"]);
    let with = |variables: &[(&str, &str)]| {
        done(place.command().arg("ls").env("TERM", "xterm").envs(variables.iter().copied())).ok()
    };
    assert!(!with(&[]).contains('\u{1b}'));
    assert!(with(&[("CLICOLOR_FORCE", "1")]).starts_with("\u{1b}[1mNAME\u{1b}[0m"));
    assert!(!with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn what_a_pod_has_spawned_is_stopped_with_it_where_that_was_asked() {
    let place = Background::new();
    place.spawn(&["parent", "--", "cat"]);
    place.spawn(&["child", "--spawner", "parent", "--", "cat"]);
    let stopped = place.run(&["stop", "parent", "--descendants"]).ok();
    assert!(stopped.contains("`parent`") && stopped.contains("`child`"), "{stopped}");
    assert_eq!(place.world.traces("parent"), Vec::<String>::new());
    assert!(!place.dir("child").exists());
}
