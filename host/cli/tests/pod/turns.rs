//! Runs: what a command's life looks like from the other side of the socket.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::*;

fn error(code: &str, message: &str) -> Value {
    json!({"event": "error", "data": {"code": code, "message": message}})
}

#[test]
fn a_run_streams_what_the_command_writes_and_keeps_it_as_the_answer() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut client = pod.connect();
    client.run("hello\nwörld");
    let events = client.until("run_end");
    assert_eq!(
        kinds(&events),
        ["turn_start", "text_delta", "text_done", "usage", "turn_end", "run_end"],
        "{events:?}"
    );
    assert_eq!(events[0]["data"], json!({"turn": 0}));
    assert_eq!(events[1]["data"], json!({"text": "hello\nwörld\n"}));
    assert_eq!(events[2]["data"], json!({"text": "hello\nwörld\n"}));
    assert_eq!(events[3]["data"], json!({"input_tokens": null, "output_tokens": null}));
    assert_eq!(events[4]["data"], json!({"turn": 0, "result": "finished"}));
    assert_eq!(events[5]["data"], json!({"result": "finished"}));
    let history = client.history();
    let items = json!([message("user", "hello\nwörld"), answer("hello\nwörld\n", "completed")]);
    assert_eq!(history["items"], items);
    assert_eq!(
        history["greeting"],
        json!({
            "pod_name": "x", "cwd": world.path("").canonicalize().unwrap(), "provider": "command",
            "model": "cat", "scope_summary": "(none)", "tools": [],
        })
    );
}

#[test]
fn the_files_are_up_to_date_whenever_an_event_says_so() {
    let world = World::new();
    let fifo = world.fifo("hold");
    let pod = world.pod("x", &[], &["cat", fifo.as_str()]);
    let mut client = pod.connect();
    assert_eq!(pod.state(), "idle");
    client.run("hi");
    client.until("turn_start");
    assert_eq!(pod.state(), "running");
    let mut hold = fifo.open();
    hold.write_all(b"text").unwrap();
    client.until("text_delta");
    assert_eq!(pod.json("history.json"), json!([]), "the history changes when a run ends");
    assert_eq!(client.history()["items"], json!([]));
    drop(hold);
    client.until("text_done");
    assert_eq!(pod.json("history.json"), json!([message("user", "hi"), answer("text", "completed")]));
    assert_eq!(pod.state(), "idle");
}

#[test]
fn a_command_that_fails_is_a_provider_error_with_the_end_of_its_standard_error() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "echo oops >&2; exit 3"]);
    let mut client = pod.connect();
    client.run("hi");
    let events = client.until("error");
    assert_eq!(kinds(&events), ["turn_start", "error"]);
    assert_eq!(events[1], error("provider_error", "`sh` exited with status 3: oops"));
    assert_eq!(pod.state(), "idle");
    let items = json!([message("user", "hi"), failure("exit status 3: oops")]);
    assert_eq!(client.history()["items"], items, "nothing follows the error");
}

#[test]
fn what_a_failed_command_wrote_is_kept_as_incomplete() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "echo part; exit 1"]);
    let mut client = pod.connect();
    client.run("hi");
    let events = client.until("error");
    assert_eq!(deltas(&events), "part\n");
    assert_eq!(events.last(), Some(&error("provider_error", "`sh` exited with status 1")));
    let items = json!([message("user", "hi"), answer("part\n", "incomplete"), failure("exit status 1")]);
    assert_eq!(pod.json("history.json"), items);
}

#[test]
fn only_the_end_of_a_long_standard_error_is_told() {
    let world = World::new();
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the-end >&2; exit 1";
    let pod = world.pod("x", &[], &["sh", "-c", script]);
    let mut client = pod.connect();
    client.run("hi");
    let said = client.data("error")["message"].as_str().unwrap().to_owned();
    assert!(said.ends_with("the-end") && said.len() > 4000 && said.len() < 4200, "{} bytes", said.len());
}

#[test]
fn a_command_killed_by_a_signal_or_not_to_be_found_is_a_provider_error() {
    let world = World::new();
    let killed = world.pod("killed", &[], &["sh", "-c", "kill -9 $$"]);
    let mut client = killed.connect();
    client.run("hi");
    assert_eq!(client.until("error")[1], error("provider_error", "`sh` was killed by signal 9"));

    let script = world.script("agent", "");
    let missing = world.pod("missing", &[], &[&script]);
    std::fs::remove_file(&script).unwrap();
    let mut client = missing.connect();
    client.run("hi");
    let said = client.data("error");
    assert_eq!(said["code"], "provider_error");
    let why = format!("cannot start `{script}`: No such file or directory (os error 2)");
    assert_eq!(said["message"], why);
    assert_eq!(missing.state(), "idle");
    assert_eq!(client.history()["items"], json!([message("user", "hi"), failure(&why)]));
}

#[test]
fn only_the_end_of_a_long_standard_error_is_in_the_history() {
    let world = World::new();
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the-end >&2; exit 1";
    let pod = world.pod("x", &[], &["sh", "-c", script]);
    let mut client = pod.connect();
    client.run("hi");
    client.until("error");
    let reason = client.history()["items"][1]["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("exit status 1: xxx") && reason.ends_with("the-end"), "{reason}");
    assert!(reason.len() < 1100, "{} bytes", reason.len());
}

#[test]
fn a_message_ends_in_exactly_one_line_break() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "while read -r line; do echo \"<$line>\"; done"]);
    let mut client = pod.connect();
    for (message, lines) in
        [("one\ntwo", "<one>\n<two>\n"), ("one\n", "<one>\n"), ("one\n\n", "<one>\n<>\n"), ("", "<>\n")]
    {
        client.run(message);
        assert_eq!(deltas(&client.until("run_end")), lines, "{message:?}");
    }
}

#[test]
fn a_turn_ends_with_its_command_and_what_it_left_behind_goes_on_until_the_pod_ends() {
    let world = World::new();
    let (hold, late) = (world.fifo("hold"), world.path("late"));
    // What is left behind holds the output, and writes to it when the turn has long ended.
    let left = format!(
        "(cat {} >/dev/null; echo late; echo alive > {}; exec sleep 1000) &",
        hold.as_str(),
        late.display()
    );
    let script = format!("{left} head -c 50000 /dev/zero | tr '\\0' x; echo $!");
    let mut pod = world.pod("x", &[], &["sh", "-c", &script]);
    let mut client = pod.connect();
    client.run("");
    let text = client.data("text_done")["text"].as_str().unwrap().to_owned();
    let (xs, pid) = text.split_at(50_000);
    assert!(xs.bytes().all(|byte| byte == b'x'), "all that was written before the end is there");
    client.until("run_end");
    assert_eq!(pod.state(), "idle");
    assert!(runs(pid.trim()));

    drop(hold.open());
    eventually("it can still write", || late.exists());
    client.run("");
    let again = client.data("text_done")["text"].as_str().unwrap().to_owned();
    assert!(again.len() < 50_100, "what comes late belongs to no turn");
    let other = again.split_at(50_000).1.trim().to_owned();
    pod.signal(rustix::process::Signal::TERM);
    assert_eq!(pod.ended().0.code(), Some(0));
    assert!(!runs(pid.trim()) && !runs(&other), "gone when the pod is");
}

#[test]
fn a_command_is_in_a_session_that_it_does_not_lead_and_that_is_not_the_pods() {
    let world = World::new();
    // A process that leads no session cannot open a terminal as its own.
    let pod = world.pod("x", &[], &["sh", "-c", "echo $$; cat /proc/$$/stat"]);
    let mut client = pod.connect();
    client.run("");
    let text = client.data("text_done")["text"].as_str().unwrap().to_owned();
    let (pid, stat) = text.split_once('\n').unwrap();
    let of_pod = std::fs::read_to_string(format!("/proc/{}/stat", pod.id())).unwrap();
    let field = |stat: &str, at: usize| {
        stat.rsplit(") ").next().unwrap().split_whitespace().nth(at).unwrap().to_owned()
    };
    let (group, session, terminal) = (field(stat, 2), field(stat, 3), field(stat, 4));
    assert_ne!(session, field(&of_pod, 3));
    assert_ne!(session, pid);
    assert_eq!((group.as_str(), terminal.as_str()), (pid, "0"));
}

#[test]
fn characters_are_never_cut_and_what_is_none_is_replaced() {
    let world = World::new();
    let fifo = world.fifo("hold");
    let pod = world.pod("x", &[], &["cat", fifo.as_str()]);
    let mut client = pod.connect();
    client.run("");
    let mut hold = fifo.open();
    hold.write_all(b"a\xc3").unwrap();
    assert_eq!(client.data("text_delta"), json!({"text": "a"}));
    hold.write_all(b"\xa9\xff\xe2\x82").unwrap();
    assert_eq!(client.data("text_delta"), json!({"text": "é\u{fffd}"}));
    drop(hold);
    let events = client.until("text_done");
    assert_eq!(deltas(&events), "\u{fffd}");
    assert_eq!(events[events.len() - 1]["data"], json!({"text": "aé\u{fffd}\u{fffd}"}));
}

#[test]
fn a_message_larger_than_any_pipe_goes_in_while_the_answer_comes_out() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut client = pod.connect();
    let message = "0123456789abcde\n".repeat(200_000);
    client.run(&message);
    let events = client.until("text_done");
    assert!(deltas(&events) == message && events[events.len() - 1]["data"]["text"] == *message);
}

#[test]
fn a_command_need_not_read_its_message() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "exec <&-; echo done"]);
    let mut client = pod.connect();
    client.run(&"x".repeat(1 << 20));
    assert_eq!(deltas(&client.until("run_end")), "done\n");
}

#[test]
fn the_command_finds_the_pods_name_and_socket_in_its_environment() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "echo $POD_NAME $POD_SOCKET"]);
    let mut client = pod.connect();
    client.run("");
    let socket = pod.dir.join("sock");
    assert_eq!(client.data("text_done")["text"], format!("x {}\n", socket.display()));
}

#[test]
fn a_run_while_another_is_running_is_refused_and_everybody_sees_it() {
    let world = World::new();
    let fifo = world.fifo("hold");
    let pod = world.pod("x", &[], &["cat", fifo.as_str()]);
    let (mut first, mut second) = (pod.connect(), pod.connect());
    second.history();
    first.run("one");
    second.until("turn_start");
    second.run("two");
    let refused = error("already_running", "Pod is already executing a turn");
    assert_eq!(second.event(), refused);
    assert_eq!(first.until("error")[1], refused);
    drop(fifo.open());
    assert_eq!(kinds(&second.until("run_end")), ["text_done", "usage", "turn_end", "run_end"]);
    assert_eq!(second.history()["items"], json!([message("user", "one"), answer("", "completed")]));
    second.run("three");
    second.until("turn_start");
    drop(fifo.open());
    second.until("run_end");
    assert_eq!(second.history()["items"][2], message("user", "three"));
}

#[test]
fn cancel_ends_all_that_the_command_has_started() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "sleep 1000 & echo $$ $!; wait"]);
    let mut client = pod.connect();
    client.run("hi");
    let started = client.data("text_delta")["text"].as_str().unwrap().to_owned();
    let pids: Vec<_> = started.split_whitespace().collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| runs(pid)), "{started}");
    client.send("cancel");
    assert_eq!(client.event(), error("internal", "Cancelled"));
    eventually("they die", || !pids.iter().any(|pid| runs(pid)));
    assert_eq!(pod.state(), "idle");
    let items = json!([message("user", "hi"), answer(&started, "incomplete"), failure("cancelled")]);
    assert_eq!(client.history()["items"], items);
    client.run("again");
    client.until("text_delta");
}

#[test]
fn cancel_ends_a_command_that_ignores_the_first_signal() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "trap '' TERM; sleep 1000 & echo $$ $!; wait"]);
    let mut client = pod.connect();
    client.run("hi");
    let started = client.data("text_delta")["text"].as_str().unwrap().to_owned();
    client.send("cancel");
    assert_eq!(client.event(), error("internal", "Cancelled"));
    let pids: Vec<_> = started.split_whitespace().collect();
    assert!(pids.len() == 2);
    eventually("they die", || !pids.iter().any(|pid| runs(pid)));
}

#[test]
fn what_makes_no_sense_in_an_idle_pod_is_an_error_that_everybody_sees() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let (mut client, mut other) = (pod.connect(), pod.connect());
    // Whoever has been answered is connected.
    other.history();
    client.send("cancel");
    client.send("resume");
    for client in [&mut client, &mut other] {
        assert_eq!(client.event(), error("not_running", "Pod is not executing a turn"));
        assert_eq!(client.event(), error("not_paused", "Pod is not paused"));
    }
}

#[test]
fn a_command_that_never_stops_writing_is_ended() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "echo $$; exec yes"]);
    let mut client = pod.connect();
    client.run("");
    let pid = client.data("text_delta")["text"].as_str().unwrap().lines().next().unwrap().to_owned();
    drop(client);
    eventually("the run is ended", || pod.state() == "idle");
    assert!(!runs(&pid));
    let items = pod.connect().history()["items"].clone();
    assert_eq!(items[1]["status"], "incomplete");
    let reason = "too long: it wrote more than 67108864 bytes, the most that one turn may";
    assert_eq!(items[2], failure(reason));
    let length = items[1]["content"][0]["text"].as_str().unwrap().len();
    assert!(length > 63 << 20 && length <= 64 << 20, "{length} bytes");
}

#[test]
fn the_command_finds_one_conversation_and_the_number_of_each_message_in_its_environment() {
    let world = World::new();
    let pod = world.pod("x", &[], &["sh", "-c", "echo $POD_SESSION $POD_TURN"]);
    let other = world.pod("y", &[], &["sh", "-c", "echo $POD_SESSION $POD_TURN"]);
    let mut client = pod.connect();
    let told = |client: &mut Client| {
        client.run("");
        let text = client.data("text_done")["text"].as_str().unwrap().to_owned();
        client.until("run_end");
        let (session, turn) = text.trim().split_once(' ').unwrap();
        (session.to_owned(), turn.to_owned())
    };
    let (session, first) = told(&mut client);
    let shape: Vec<usize> = session.split('-').map(str::len).collect();
    assert_eq!((shape.as_slice(), &session[14..15]), ([8, 4, 4, 4, 12].as_slice(), "4"), "{session}");
    assert_eq!((first.as_str(), told(&mut client)), ("1", (session.clone(), "2".to_owned())));
    assert_ne!(told(&mut other.connect()).0, session);
}
