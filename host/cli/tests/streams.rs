//! How standard input is read and standard output written: no thread is woken for a call on pipes, the streams stay as
//! they were for others who share them, and a reader that does not read holds up nothing but its answer.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use cli::{Batch, at, place_with, signal, snapshot};
use pod_tools_conformance::{Place, Script, Step, assistant, history};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

/// A line of a batch that reads the pod `child`.
const READ: &[u8] = b"{\"tool\":\"ReadPodOutput\",\"input\":{\"name\":\"child\"}}\n";

/// The threads that are not the one which runs calls, nor the one that interrupts plugins: their names, and how often
/// each has waited.
fn other_threads(process: Pid) -> Vec<(String, u64)> {
    let process = process.as_raw_nonzero().to_string();
    let mut threads = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let thread = thread.unwrap();
        // One that has ended meanwhile has no status.
        let Ok(status) = fs::read_to_string(thread.path().join("status")) else { continue };
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let name = field("Name:");
        if thread.file_name() != *process && name != "pod-tools-epoch" {
            threads.push((name, field("voluntary_ctxt_switches:").parse().unwrap()));
        }
    }
    threads
}

/// The calls that are made, each with an answer.
const CALLS: u64 = 100;

fn wakes_no_second_thread(mut process: Batch, call: &Value) {
    let line = format!("{call}\n");
    let ask = |process: &mut Batch| {
        process.send(line.as_bytes());
        process.receive()
    };
    let waits =
        |process: &Batch| -> u64 { other_threads(process.pid()).iter().map(|(_, waits)| waits).sum() };
    let first = ask(&mut process);
    let before = waits(&process);
    for _ in 0..CALLS {
        assert_eq!(ask(&mut process), first);
    }
    let more = waits(&process).saturating_sub(before);
    // A thread that has had nothing to do for some seconds may end.
    assert!(more < CALLS / 10, "{more} waits in {CALLS} calls: {:?}", other_threads(process.pid()));
}

#[test]
fn a_call_on_pipes_wakes_no_second_thread() {
    let (place, _pod) = place_with(Script::new());
    wakes_no_second_thread(Batch::start(&place, ["--op-timeout", "60m"]), &json!({"tool": "ListPods"}));

    let mut mcp = Batch::spawn(at(&place, ["mcp"]));
    mcp.send(
        format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}})
        )
        .as_bytes(),
    );
    mcp.receive();
    mcp.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ListPods"}});
    wakes_no_second_thread(mcp, &call);
}

#[test]
fn the_streams_flags_stay_as_they_were() {
    let place = Place::new().unwrap();
    let (input, mut to) = io::pipe().unwrap();
    let (from, output) = io::pipe().unwrap();
    // As a shell has them, which goes on with the same streams.
    let (kept_input, kept_output) = (input.try_clone().unwrap(), output.try_clone().unwrap());
    let mut child = at(&place, ["call", "--batch"]).stdin(input).stdout(output).spawn().unwrap();
    to.write_all(b"{\"tool\":\"ListPods\"}\n").unwrap();
    poll(&mut [PollFd::new(&from, PollFlags::IN)], None).unwrap();
    let blocks = |stream: &dyn AsFd| !fcntl_getfl(stream.as_fd()).unwrap().contains(OFlags::NONBLOCK);
    assert!(blocks(&kept_input) && blocks(&kept_output));
    drop(to);
    assert!(child.wait().unwrap().success());
}

/// A process that has begun an answer which no pipe takes whole, and that nobody reads.
fn ends_though_nobody_reads(mut command: Command, input: &[u8]) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    let stdout = child.stdout.take().unwrap();
    poll(&mut [PollFd::new(&stdout, PollFlags::IN)], None).unwrap();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_ends_a_batch_whose_answer_nobody_reads_and_it_was_not_delivered() {
    let text = "x".repeat(1 << 20);
    let script = Script::new().on("get_history", [Step::line(history(&[assistant(&text)]))]);
    let (place, _pod) = place_with(script);
    let before = snapshot(place.root());
    ends_though_nobody_reads(at(&place, ["call", "--batch"]), READ);
    assert_eq!(snapshot(place.root()), before);
    // Who reads late gets all of it, in one piece.
    let mut batch = Batch::start(&place, [] as [&str; 0]);
    batch.send(READ);
    assert_eq!(batch.receive()["ok"]["content"], text);
}
