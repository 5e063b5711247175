//! What a parent may leave to a process: standard streams in every state, signals that are ignored or blocked, and
//! variables that are empty.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use cli::{Batch, RealPod, at, bare, call, place_with, run, signal};
use pod_tools_conformance::{Place, Script, Step, assistant, history};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use serde_json::json;

/// The command line of each subcommand that writes something and ends.
fn that_write(place: &Place) -> Vec<Command> {
    let grants = place.root().join("grants.toml");
    std::fs::write(&grants, "grants = [\"list\"]").unwrap();
    let grants = grants.to_str().unwrap();
    let lines: [&[&str]; 12] = [
        &["--help"],
        &["--version"],
        &["help", "call"],
        &["tools"],
        &["tools", "--json"],
        &["inspect"],
        &["inspect", "--json"],
        &["grants", "check", grants],
        &["call", "ReadPodOutput", r#"{"name":"child"}"#],
        &["call", "ReadPodOutput", r#"{"name":"child"}"#, "--json"],
        &["mcp", "--print-config", "claude"],
        &["demo"],
    ];
    let is_bare = |line: &[&str]| line.len() == 1 || line[0] == "help";
    lines.into_iter().map(|line| if is_bare(line) { bare_with(line) } else { at(place, line) }).collect()
}

/// A pod `x` around a command.
fn pod(place: &Place, command: &[&str]) -> Command {
    let mut pod = at(place, ["pod", "x"]);
    pod.arg("--").args(command);
    pod
}

fn bare_with(line: &[&str]) -> Command {
    let mut command = bare();
    command.args(line);
    command
}

/// A pod that has something to say.
fn saying(text: &str) -> Script {
    Script::new().on("get_history", [Step::line(history(&[assistant(text)]))])
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The same command, started by a shell that has done this before.
fn after(preparation: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{preparation}; exec \"$0\" \"$@\"")).arg(command.get_program());
    shell.args(command.get_args()).env_clear().stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell
}

/// What is wrong with the end of a command that could not write what it had to say.
fn lost(Output { status, stderr, .. }: &Output, says: &str) -> Option<String> {
    let stderr = String::from_utf8_lossy(stderr);
    (status.code() != Some(1) || !stderr.contains(says)).then(|| format!("{status}: {stderr}"))
}

#[test]
fn what_cannot_be_written_is_an_error_and_was_not_delivered() {
    let (place, _pod) = place_with(saying("precious"));
    for mut command in that_write(&place) {
        let closed = after("exec >&-", &command).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(lost(&closed, "standard output: it is closed"), None, "{command:?}");
        let to_full = command.stdout(full()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(lost(&to_full, "standard output: No space left on device"), None, "{command:?}");
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let to_nobody = command.stdout(writer).output().unwrap();
        assert_eq!((lost(&to_nobody, ""), to_nobody.stderr.as_slice()), (None, &b""[..]), "{command:?}");
    }
    let read = call(&place, "ReadPodOutput", &json!({"name": "child"})).ok();
    assert_eq!(read["content"], "precious");
}

#[test]
fn an_answer_of_a_batch_or_of_mcp_that_cannot_be_written_was_not_delivered() {
    let (place, _pod) = place_with(saying("precious"));
    let batch = r#"{"tool":"ReadPodOutput","input":{"name":"child"}}"#.to_owned() + "\n";
    let mcp = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "ReadPodOutput", "arguments": {"name": "child"}}}),
    ];
    let mcp: String = mcp.iter().map(|message| format!("{message}\n")).collect();
    for (line, input) in [(&["call", "--batch"][..], &batch), (&["mcp"], &mcp)] {
        let file = place.root().join("input");
        std::fs::write(&file, input).unwrap();
        let command = at(&place, line);
        let with_input = |mut command: Command| command.stdin(File::open(&file).unwrap()).output().unwrap();
        let closed = with_input(after("exec >&-", &command));
        assert_eq!(lost(&closed, "standard output: it is closed"), None, "{line:?}");
        let to_full = with_input(after("exec >/dev/full", &command));
        assert_eq!(lost(&to_full, "standard output: No space left on device"), None, "{line:?}");
        // Input that cannot be read is not the end of it.
        let from_directory = at(&place, line).stdin(File::open("/").unwrap()).output().unwrap();
        let said = [from_directory.stdout, from_directory.stderr].concat();
        assert_eq!(from_directory.status.code(), Some(1), "{line:?}");
        assert!(String::from_utf8_lossy(&said).contains("Is a directory"), "{line:?}");
    }
    let read = call(&place, "ReadPodOutput", &json!({"name": "child"})).ok();
    assert_eq!(read["content"], "precious");
}

#[test]
fn standard_error_that_takes_nothing_costs_no_answer() {
    let (place, _pod) = place_with(saying("text"));
    let mut command = at(&place, ["call", "ReadPodOutput", r#"{"name":"child"}"#]);
    command.env("RUST_LOG", "trace");
    let read = command.stderr(full()).output().unwrap();
    assert!(read.status.success() && read.stdout.ends_with(b"text\n"), "{read:?}");
    let closed = after("exec 2>&- <&-", &at(&place, ["call", "ListPods"])).output().unwrap();
    assert!(closed.status.success() && closed.stdout.starts_with(b"1 pod(s) known"), "{closed:?}");
    let failed = at(&place, ["call", "Fly"]).stderr(full()).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
}

/// Sets a stream not to block, as another process that shares it may.
fn not_blocking(stream: impl AsFd + Into<OwnedFd>) -> Stdio {
    fcntl_setfl(&stream, fcntl_getfl(&stream).unwrap() | OFlags::NONBLOCK).unwrap();
    stream.into().into()
}

#[test]
fn streams_that_do_not_block_are_waited_for() {
    let text = "0123456789abcde\n".repeat(40_000);
    let (place, _pod) = place_with(saying(&text));
    let (from, mut to) = io::pipe().unwrap();
    let (mut answers, output) = io::pipe().unwrap();
    let (mut errors, error) = io::pipe().unwrap();
    let mut command = at(&place, ["call", "--batch"]);
    command.stdin(not_blocking(from)).stdout(not_blocking(output)).stderr(not_blocking(error));
    let mut child = command.spawn().unwrap();
    drop(command);
    // The first is asked for, and the next only when all of a long answer has come, by way of a full pipe.
    let mut line = Vec::new();
    for ask in ["ReadPodOutput", "ListPods"] {
        writeln!(to, "{}", json!({"tool": ask, "input": {"name": "child"}})).unwrap();
        line.clear();
        while line.last() != Some(&b'\n') {
            let mut piece = [0; 4096];
            let read = answers.read(&mut piece).unwrap();
            assert!(read > 0, "the end, after {} bytes", line.len());
            line.extend_from_slice(&piece[..read]);
        }
        let answer: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert!(answer["ok"].is_object(), "{ask}");
        if ask == "ReadPodOutput" {
            assert!(answer["ok"]["content"] == text, "all of the text");
        }
    }
    drop(to);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn a_byte_order_mark_before_a_first_line_or_the_arguments_is_passed_over() {
    let (place, _pod) = place_with(saying("text"));
    let mut batch = Batch::start::<&str>(&place, []);
    batch.send(b"\xef\xbb\xbf\r\n");
    batch.send(b"{\"tool\":\"ListPods\"}\n");
    assert!(batch.receive()["ok"].is_object());
    drop(batch);
    let mut batch = Batch::start::<&str>(&place, []);
    batch.send(b"\xef\xbb\xbf{\"tool\":\"ListPods\"}\n\xef\xbb\xbf{\"tool\":\"ListPods\"}\n");
    assert!(batch.receive()["ok"].is_object());
    assert!(batch.receive()["err"].is_object(), "it is none behind the first line");
    assert_eq!(batch.finish().1, Some(0));
    let read = run(at(&place, ["call", "ReadPodOutput", "\u{feff}{\"name\":\"child\"}"]));
    assert_eq!(read.code, Some(0), "{read:?}");
    let grants = place.root().join("grants.toml");
    std::fs::write(&grants, "\u{feff}grants = [\"list\"]").unwrap();
    let listed = run(at(&place, ["call", "ListPods", "--grants", grants.to_str().unwrap()]));
    assert_eq!(listed.code, Some(0), "{listed:?}");
}

#[test]
fn a_variable_that_is_empty_is_one_that_is_not_set() {
    let place = Place::new().unwrap();
    let help = run(bare_with(&["help", "options"])).stdout;
    let named = help.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let mut variables: Vec<&str> = named.filter(|word| word.starts_with("POD_TOOLS_")).collect();
    variables.sort_unstable();
    variables.dedup();
    assert!(variables.len() > 20, "{variables:?}");
    variables.extend(["INSOMNIA_SCOPE_LOCK", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "RUST_LOG", "NO_COLOR"]);
    let list = |variable: Option<&str>| {
        let mut command = bare_with(&["call", "ListPods", "--json"]);
        command.env("HOME", place.root());
        let listed = run(match variable {
            Some(variable) => {
                command.env(variable, "");
                command
            }
            None => command,
        });
        (listed.code, listed.stdout, listed.stderr)
    };
    let unset = list(None);
    assert_eq!(unset.0, Some(0), "{unset:?}");
    for variable in variables {
        assert_eq!(list(Some(variable)), unset, "{variable}");
    }
    let mut without_home = bare_with(&["call", "ListPods"]);
    without_home.env("HOME", "").env("XDG_RUNTIME_DIR", "");
    assert_eq!(run(without_home).code, Some(2));
}

/// Whether a pod that was started so lives on behind a signal: it is one that ends a pod otherwise.
fn outlives(place: &Place, preparation: &str, by: Signal) -> bool {
    let command = pod(place, &["cat"]);
    let mut child = after(preparation, &command).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.contains("ready at"), "{line}");
    signal(&child, by);
    // It is answered behind the signal, where there is still somebody.
    let asked = call(place, "SendToPod", &json!({"name": "x", "message": "hi"})).code == Some(0);
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    asked
}

#[test]
fn a_signal_that_the_parent_has_ignored_stays_ignored() {
    for (name, by) in [("HUP", Signal::HUP), ("INT", Signal::INT)] {
        let place = Place::new().unwrap();
        assert!(outlives(&place, &format!("trap '' {name}"), by), "{name}");
    }
}

#[test]
fn a_signal_that_the_parent_has_blocked_still_ends_a_pod_and_its_command_can_get_it() {
    let place = Place::new().unwrap();
    let script = "grep SigBlk /proc/self/status";
    let mut command = pod(&place, &["sh", "-c", script]);
    // SAFETY: between fork and exec, only functions that are safe there.
    unsafe {
        command.pre_exec(|| {
            let mut all = std::mem::MaybeUninit::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
            Ok(())
        });
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.contains("ready at"), "{line}");
    assert_eq!(call(&place, "SendToPod", &json!({"name": "x", "message": ""})).code, Some(0));
    let text = until_answered(&place);
    assert_eq!(text.trim(), "SigBlk:\t0000000000000000");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Reads until the pod `x` has answered.
fn until_answered(place: &Place) -> String {
    loop {
        let read = call(place, "ReadPodOutput", &json!({"name": "x"})).ok();
        if let Some(text) = read["content"].as_str() {
            return text.to_owned();
        }
        if read["data"]["failed"].is_object() {
            return read["summary"].to_string();
        }
    }
}

#[test]
fn how_a_command_ended_is_known_where_the_parent_has_ignored_that_children_end() {
    let place = Place::new().unwrap();
    let command = pod(&place, &["sh", "-c", "exit 3"]);
    let mut child = after("trap '' CHLD", &command).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(child.stderr.take().unwrap()), &mut line).unwrap();
    assert!(line.contains("ready at"), "{line}");
    assert_eq!(call(&place, "SendToPod", &json!({"name": "x", "message": ""})).code, Some(0));
    assert!(until_answered(&place).contains("; the last turn failed: exit status 3"));
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_pod_with_closed_or_full_streams_gives_its_command_whole_ones() {
    for preparation in ["exec <&- >&- 2>&-", "exec <&- >/dev/full 2>/dev/full"] {
        let place = Place::new().unwrap();
        let command = pod(&place, &["sh", "-c", "cat; echo err >&2; exit 3"]);
        let mut child = after(preparation, &command).spawn().unwrap();
        // Nothing says when it is ready.
        while call(&place, "SendToPod", &json!({"name": "x", "message": "hello"})).code != Some(0) {
            assert!(child.try_wait().unwrap().is_none(), "{preparation}");
        }
        let text = until_answered(&place);
        assert_eq!(text, "hello\n", "{preparation}");
        signal(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_failed_turn_is_told_to_every_reader_of_a_real_pod() {
    let place = Place::new().unwrap();
    let script = "cat >/dev/null; echo half; echo 'quota exceeded' >&2; exit 3";
    let _pod = RealPod::start(&place, "x", &[], &["sh", "-c", script]);
    assert_eq!(call(&place, "SendToPod", &json!({"name": "x", "message": ""})).code, Some(0));
    assert_eq!(until_answered(&place), "half\n");
    for _ in 0..2 {
        let read = call(&place, "ReadPodOutput", &json!({"name": "x"})).ok();
        let summary =
            "pod `x` idle; no new assistant text; the last turn failed: exit status 3: quota exceeded";
        assert_eq!(read["summary"], summary);
        assert_eq!(read["data"]["failed"], json!({"reason": "exit status 3: quota exceeded", "last": true}));
    }
}
