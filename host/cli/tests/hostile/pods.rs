//! `pod-tools pod` against its clients, against its command, and scopes that are spelled to be taken twice.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::*;

/// The most memory that a process has had, in MiB.
fn peak(pod: &Pod) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", pod.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
}

/// Sets this process's bound of descriptors as high as it may be: the attacker's, not the pod's.
fn take_many_descriptors() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}

fn text(client: &mut Client) -> String {
    client.data("text_done")["text"].as_str().unwrap().to_owned()
}

/// A pod whose threads wait for somebody who reads what it says.
#[test]
fn reads_nothing_of_what_a_pod_says_and_has_it_end() {
    let ended = [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)].map(|(signal, status)| {
        std::thread::spawn(move || {
            let world = World::new();
            let (_nobody, mut full) = std::io::pipe().unwrap();
            rustix::io::ioctl_fionbio(&full, true).unwrap();
            while full.write(&[b'.'; 4096]).is_ok() {}
            rustix::io::ioctl_fionbio(&full, false).unwrap();
            let mut command = world.command(&world.base());
            command.args(["pod", "x", "--", "cat"]).stdin(Stdio::null()).stderr(full);
            let mut pod = command.spawn().unwrap();
            // It listens, and says so next.
            while UnixStream::connect(world.base().join("x/sock")).is_err() {
                assert_eq!(pod.try_wait().unwrap(), None);
                std::thread::yield_now();
            }
            rustix::process::kill_process(rustix::process::Pid::from_child(&pod), signal).unwrap();
            let end = Instant::now() + Duration::from_secs(60);
            let ended = loop {
                match pod.try_wait().unwrap() {
                    Some(ended) => break ended,
                    None if Instant::now() > end => {
                        pod.kill().unwrap();
                        break pod.wait().unwrap();
                    }
                    None => std::thread::sleep(Duration::from_millis(10)),
                }
            };
            assert_eq!(ended.code(), Some(status), "{ended}");
        })
    });
    for pod in ended {
        pod.join().unwrap();
    }
}

#[test]
fn writes_to_standard_error_without_end() {
    let world = World::new();
    let pod =
        world.pod("x", &["--max-turn-output", "1MiB"], &["sh", "-c", "echo $$; sleep 1000 & exec yes >&2"]);
    let mut client = pod.connect();
    client.run("");
    let pid = client.data("text_delta")["text"].as_str().unwrap().trim().to_owned();
    let error = client.data("error");
    assert!(error["message"].as_str().unwrap().contains("more than 1048576 bytes"), "{error}");
    assert!(!runs(&pid), "it is killed");
    let items = client.history()["items"].clone();
    assert_eq!(items[2], failure("too long: it wrote more than 1048576 bytes, the most that one turn may"));
}

#[test]
fn writes_one_endless_line_of_what_is_no_text() {
    let world = World::new();
    let garbage = "echo $$; trap '' TERM; while :; do printf '\\377\\300\\200\\033'; done";
    let pod = world.pod("x", &["--max-turn-output", "64KiB"], &["sh", "-c", garbage]);
    let mut client = pod.connect();
    client.run("");
    assert!(client.data("error")["message"].as_str().unwrap().contains("more than 65536 bytes"));
    let items = client.history()["items"].clone();
    let (pid, answer) = items[1]["content"][0]["text"].as_str().unwrap().split_once('\n').unwrap();
    assert!(!runs(pid), "also where it ignores SIGTERM");
    assert!(answer.len() <= 64 << 10 && answer.chars().all(|c| matches!(c, '\u{fffd}' | '\u{1b}')));
    assert!(peak(&pod) < 100, "{} MiB", peak(&pod));
}

#[test]
fn makes_a_history_without_end() {
    let world = World::new();
    let options = ["--max-history", "4MiB"];
    let pod = world.pod("x", &options, &["sh", "-c", "cat; head -c 1000000 /dev/zero | tr '\\0' x"]);
    let mut client = pod.connect();
    for number in 0..24 {
        client.run(&format!("turn {number}"));
        client.until("run_end");
    }
    let history = client.history()["items"].clone();
    let notice = history[0]["content"][0]["text"].as_str().unwrap();
    assert!(notice.contains("oldest turn(s) were dropped"), "{notice:.80}");
    assert!(
        history.as_array().unwrap().last().unwrap().to_string().contains("turn 23"),
        "the last one is there"
    );
    assert!(fs::metadata(pod.dir.join("history.json")).unwrap().len() < 5 << 20);
    assert!(peak(&pod) < 120, "{} MiB", peak(&pod));
}

#[test]
fn connects_until_no_descriptor_is_left() {
    let world = World::new();
    take_many_descriptors();
    let pod = few_descriptors(&world, 100);
    let mut earlier = pod.connect();
    earlier.history();
    // More than the pod has descriptors, none of which says anything. Those that wait to be let in do not wait here.
    let silent: Vec<UnixStream> = (0..400).filter_map(|_| connect_without_waiting(&pod)).collect();
    assert!(silent.len() >= 100, "{}", silent.len());
    earlier.run("still here");
    assert_eq!(text(&mut earlier), "still here\n", "the command has its descriptors");
    let mut later = pod.connect();
    later.run("new");
    assert_eq!(text(&mut later), "new\n", "and others are let in");
    assert!(pod.descriptors() <= 100);
}

/// A pod that may have so few descriptors.
fn few_descriptors(world: &World, most: u32) -> Pod {
    let shell = world.script("pod", &format!("ulimit -n {most}; exec \"$@\""));
    world.started_by(&shell, "x", &[], &["cat"])
}

fn connect_without_waiting(pod: &Pod) -> Option<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(pod.dir.join("sock")).unwrap()).ok()?;
    Some(socket.into())
}

#[test]
fn connects_a_hundred_thousand_times() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut other = pod.connect();
    other.history();
    let before = pod.descriptors();
    for number in 0..100_000 {
        drop(UnixStream::connect(pod.dir.join("sock")).unwrap());
        if number % 10_000 == 0 {
            other.history();
        }
    }
    other.run("after");
    assert_eq!(text(&mut other), "after\n");
    eventually("they are gone", || pod.descriptors() <= before);
    assert!(peak(&pod) < 100, "{} MiB", peak(&pod));
}

#[test]
fn sends_the_longest_lines_from_many_clients_at_once() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let socket = pod.dir.join("sock");
    // Each stays when its line is refused.
    let attackers: Vec<_> = (0..24)
        .map(|_| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let mut stream = UnixStream::connect(socket).unwrap();
                let piece = vec![b'x'; 1 << 20];
                for _ in 0..63 {
                    stream.write_all(&piece).unwrap();
                }
                stream.write_all(b"\n").unwrap();
                let mut answer = [0; 64];
                stream.read_exact(&mut answer).unwrap();
                stream
            })
        })
        .collect();
    let mut other = pod.connect();
    other.history();
    let _all: Vec<UnixStream> = attackers.into_iter().map(|one| one.join().unwrap()).collect();
    other.run("done");
    assert_eq!(text(&mut other), "done\n");
    assert!(peak(&pod) < 500, "{} MiB", peak(&pod));
}

#[test]
fn is_refused_in_as_many_bytes_as_it_sent() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut client = pod.connect();
    client.write(format!("{{\"method\":\"{}\"}}\n", "x".repeat(32 << 20)).as_bytes());
    let refusal = client.line().unwrap();
    assert!(refusal.contains("invalid method") && refusal.len() < 1000, "{} bytes", refusal.len());
    client.history();
}

#[test]
fn asks_for_each_history_and_reads_none() {
    let world = World::new();
    let options = ["--max-history", "32MiB", "--max-turn-output", "16MiB"];
    let script = "head -c $(cat) /dev/zero | tr '\\0' x";
    let pod = world.pod("x", &options, &["sh", "-c", script]);
    let mut worker = pod.connect();
    let mut turn = |bytes: &str| {
        worker.run(bytes);
        worker.until("run_end");
    };
    // A long history, which a short turn makes another one.
    for _ in 0..2 {
        turn("15000000");
    }
    let mut silent = Vec::new();
    for _ in 0..64 {
        turn("1");
        let mut client = UnixStream::connect(pod.dir.join("sock")).unwrap();
        client.write_all(b"{\"method\":\"get_history\"}\n").unwrap();
        // Its history is on the way.
        client.read_exact(&mut [0]).unwrap();
        silent.push(client);
    }
    turn("1");
    assert!(peak(&pod) < 5 * 32 + 8 * 16 + 1024, "{} MiB", peak(&pod));
}

#[test]
fn leaves_two_hundred_processes_in_sessions_of_their_own() {
    let world = World::new();
    let hold = world.fifo("hold");
    // Each is forked twice, so that nothing beneath the command is its parent, leads a session, ignores what asks it to
    // end, and has no stream of the command's.
    let script = "for n in $(seq 200); do \
        (setsid sh -c 'trap \"\" TERM HUP INT; echo $$; exec <&- >&- 2>&-; while :; do sleep 1000; done' &); \
        done; exec cat \"$0\"";
    let mut pod = world.pod("x", &[], &["sh", "-c", script, hold.as_str()]);
    let mut client = pod.connect();
    client.run("");
    let mut pids = String::new();
    while pids.lines().count() < 200 {
        pids.push_str(&match client.event() {
            event if event["event"] == "text_delta" => event["data"]["text"].as_str().unwrap().to_owned(),
            event if event["event"] == "text_done" => panic!("the turn is over: {}", pids.lines().count()),
            _ => String::new(),
        });
    }
    pod.signal(Signal::TERM);
    assert_eq!(pod.ended().0.code(), Some(0));
    assert_eq!(pids.lines().filter(|pid| runs(pid)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn flees_by_forking_without_end() {
    let world = World::new();
    // Each process lives only until it has started the next.
    let flee = world.script("flee", "printf . >>\"$1\"; \"$0\" \"$1\" &");
    let trace = world.path("trace");
    let mut pod = world.pod("x", &[], &[&flee, trace.to_str().unwrap()]);
    let mut client = pod.connect();
    client.run("");
    client.until("run_end");
    let steps = || fs::metadata(&trace).map_or(0, |trace| trace.len());
    eventually("it runs on", || steps() > 50);
    pod.signal(Signal::TERM);
    assert_eq!(pod.ended().0.code(), Some(0));
    // Who is to write more needs longer than a process that is being killed: it would be seen to go on.
    let after = steps();
    for _ in 0..20 {
        assert!(Command::new("true").status().unwrap().success());
    }
    assert_eq!(steps(), after, "it is gone with the pod");
}

#[test]
fn stops_itself_and_cannot_be_asked_to_end() {
    let world = World::new();
    let script = "trap '' TERM; echo $$; exec >&- 2>&-; kill -STOP $$; sleep 1000";
    let pod = world.pod("x", &[], &["sh", "-c", script]);
    let mut client = pod.connect();
    client.run("");
    let pid = client.data("text_delta")["text"].as_str().unwrap().trim().to_owned();
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    eventually("it has stopped", || stat().contains(") T "));
    client.send("cancel");
    client.until("error");
    assert!(!runs(&pid));
    client.run("");
    client.until("text_delta");
}

#[test]
fn looks_for_descriptors_that_it_was_not_given() {
    let world = World::new();
    // The pod's parent has left one open.
    let shell = world.script("pod", "exec 9</etc/passwd; exec \"$@\"");
    let list = "for fd in /proc/$$/fd/*; do readlink $fd; done; true";
    let pod = world.started_by(&shell, "x", &[], &["sh", "-c", list]);
    let mut client = pod.connect();
    // One more connection, and the pod's own files, are there to be found.
    let _other = pod.connect().history();
    client.run("");
    let found = text(&mut client);
    let beyond: Vec<&str> = found.lines().filter(|line| !line.starts_with("pipe:")).collect();
    assert_eq!(found.lines().count() - beyond.len(), 3, "{found}");
    assert!(beyond.len() == 1 && beyond[0].ends_with("scope.lock.lives"), "{found}");
}

#[test]
fn looks_for_tokens_in_its_environment() {
    let world = World::new();
    let environment = |options: &[&str]| -> Vec<String> {
        let shell = world.script(
            "pod",
            "export GITHUB_TOKEN=secret MODEL_API_KEY=key POD_TOOLS_TOKEN=own LC_TIME=C XDG_CONFIG_HOME=/c; exec \"$@\"",
        );
        let pod = world.started_by(&shell, "x", options, &["env"]);
        let mut client = pod.connect();
        client.run("");
        text(&mut client).lines().map(|line| line.split('=').next().unwrap().to_owned()).collect()
    };
    let has = |names: &[String], name: &str| names.iter().any(|one| one == name);
    let by_default = environment(&[]);
    for name in ["PATH", "LC_TIME", "XDG_CONFIG_HOME", "POD_NAME", "POD_SOCKET"] {
        assert!(has(&by_default, name), "{name}: {by_default:?}");
    }
    let secret = ["GITHUB_TOKEN", "MODEL_API_KEY", "POD_TOOLS_TOKEN"];
    assert!(!secret.iter().any(|name| has(&by_default, name)), "{by_default:?}");
    let named = environment(&["--env", "MODEL_API_KEY"]);
    assert!(has(&named, "MODEL_API_KEY") && !has(&named, "GITHUB_TOKEN"), "{named:?}");
    let passed = environment(&["--env", "pass"]);
    assert!(has(&passed, "GITHUB_TOKEN") && !has(&passed, "POD_TOOLS_TOKEN"), "{passed:?}");
}

#[test]
fn takes_a_scope_twice_by_spelling_it_otherwise() {
    let world = World::new();
    let work = world.work_dir("work/a");
    let root = world.work_dir("work").parent().unwrap().to_owned();
    symlink("work", root.join("link")).unwrap();
    symlink("link/a", root.join("links")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd-\xff");
    symlink(&work, root.join(odd)).unwrap();
    let _holder = world.pod("holder", &["--scope", &format!("write:{}", work.display())], &["cat"]);
    let root = root.display();
    for spelled in [
        format!("{root}/work/a/"),
        format!("{root}//work///a"),
        format!("{root}/./work/./a/."),
        format!("{root}/work/../work/a"),
        format!("{root}/work/a/../../work/a"),
        format!("{root}/link/a"),
        format!("{root}/links"),
        format!("{root}/links/../a"),
        format!("{root}/link"),
        "work/a".to_owned(),
        "./link/../work/a".to_owned(),
    ] {
        let (code, said) = world.refused("x", &["--scope", &format!("write:{spelled}")], &["cat"]);
        assert!(code == 1 && said.contains("`holder`"), "{spelled}: {said}");
        // What is not within another's cannot be had by its other names either.
        assert!(world.traces("x").is_empty());
    }
    // A name that is not UTF-8 cannot be given at all.
    let mut option = std::ffi::OsString::from(format!("write:{root}/"));
    option.push(odd);
    let mut command = world.command(&world.base());
    command.args(["pod", "x", "--scope"]).arg(option).args(["--", "cat"]).stdin(Stdio::null());
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn puts_a_link_in_the_place_of_what_it_holds() {
    let world = World::new();
    let (held, other) = (world.work_dir("held"), world.work_dir("other"));
    let _holder = world.pod("holder", &["--scope", &format!("write:{}", held.display())], &["cat"]);
    // What it holds is now what it writes to by that name: that is another's to be refused.
    fs::rename(&held, world.path("moved")).unwrap();
    symlink(&other, &held).unwrap();
    for target in [&other, &held] {
        let (code, said) = world.refused("x", &["--scope", &format!("write:{}", target.display())], &["cat"]);
        assert!(code == 1 && said.contains("`holder`"), "{}: {said}", target.display());
    }
    let rules: Vec<Value> = world.allocations();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0]["scope_allow"][0]["target"], json!(held));
}
