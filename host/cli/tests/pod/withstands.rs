//! What pods in the background, and their starts, withstand: the end of a terminal, of who starts them, and of each other.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::background::*;
use crate::harness::*;

#[test]
fn a_pod_whose_starter_is_gone_when_it_is_ready_ends() {
    let place = Background::new();
    let (reader, told) = std::io::pipe().unwrap();
    drop(reader);
    let mut pod = place.command();
    pod.args(["pod", "--background", "x", "--", "cat"]).stdin(Stdio::null()).stdout(told);
    let ended = pod.stderr(Stdio::null()).status().unwrap();
    assert_eq!(ended.code(), Some(1));
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
}

#[test]
fn ctrl_c_while_a_pod_starts_takes_back_what_was_begun() {
    let place = Background::new();
    place.spawn(&["first", "--", "cat"]);
    // The table is held, so that the start comes no further.
    let table = File::open(place.world.base().join("scope.lock")).unwrap();
    rustix::fs::flock(&table, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let base = place.world.base().canonicalize().unwrap().display().to_string();
    let before = processes_of(&base).len();
    let mut spawn = place.command();
    let mut spawn = spawn.args(["spawn", "x", "--", "cat"]).stdout(Stdio::null()).spawn().unwrap();
    // The starter, and the pod's process.
    eventually("the pod's process is there", || processes_of(&base).len() >= before + 2);
    kill_process(Pid::from_child(&spawn), Signal::INT).unwrap();
    drop(table);
    assert_eq!(spawn.wait().unwrap().code(), Some(130));
    assert_eq!(place.world.traces("x"), Vec::<String>::new());
}

/// A terminal, and a shell's session at it: its end, as when a window is closed, ends what is in the session.
fn hung_up(command: &mut Command) -> String {
    let mut name = [0; 128];
    // SAFETY: the calls take a descriptor that was just opened, and a buffer with its length.
    let terminal = unsafe {
        let terminal = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(terminal >= 0 && libc::grantpt(terminal) == 0 && libc::unlockpt(terminal) == 0);
        assert_eq!(libc::ptsname_r(terminal, name.as_mut_ptr(), name.len()), 0);
        File::from_raw_fd(terminal)
    };
    let name: Vec<u8> = name.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect();
    let path = String::from_utf8(name).unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    let number = slave.as_raw_fd();
    // SAFETY: system calls alone, on a descriptor that the child has.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() < 0 || libc::ioctl(number, libc::TIOCSCTTY, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let stream = || Stdio::from(slave.try_clone().unwrap());
    let mut shell = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop(slave);
    let mut said = String::new();
    let mut lines = BufReader::new(&terminal);
    while !said.contains("spawned") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(terminal);
    // SIGHUP ends it, and all of its session that does not withstand it.
    assert!(!shell.wait().unwrap().success());
    said
}

#[test]
fn a_pod_outlives_the_terminal_and_the_signal_that_its_end_sends() {
    let place = Background::new();
    let spawn = place.command();
    let mut shell = Command::new("sh");
    let script = "\"$@\" && echo spawned; cat";
    shell.args(["-c", script, "sh"]).arg(spawn.get_program()).args(spawn.get_args());
    shell.args(["spawn", "x", "--", "cat"]).current_dir(place.world.path(""));
    for (name, value) in spawn.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let said = hung_up(&mut shell);
    assert!(said.contains("pod `x` ready at "), "{said}");

    let pid = place.pid("x").unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // Session and terminal: its own, and none.
    assert_eq!((fields[3], fields[4]), (&*pid.as_raw_nonzero().to_string(), "0"), "{stat}");
    kill_process(pid, Signal::HUP).unwrap();
    let mut client = Client::of(&place.dir("x"));
    client.run("still there?");
    assert_eq!(deltas(&client.until("run_end")), "still there?\n");
    // The command has the signal as everybody has it: not ignored.
    place.spawn(&["y", "--", "grep", "SigIgn", "/proc/self/status"]);
    let mut client = Client::of(&place.dir("y"));
    client.run("");
    let mask = deltas(&client.until("run_end"));
    let mask = u64::from_str_radix(mask.trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask & 1, 0, "SIGHUP is ignored");
}

#[test]
fn nothing_that_the_starter_has_open_is_held_open() {
    let place = Background::new();
    let mut command = place.command();
    let (mut end, mut writer) = (std::io::pipe().unwrap(), None);
    writer.replace(end.1.try_clone().unwrap());
    let number = writer.as_ref().unwrap().as_raw_fd();
    // SAFETY: a flag of a descriptor that the child has.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(number, libc::F_SETFD, 0);
            Ok(())
        });
    }
    done(command.args(["spawn", "x", "--", "cat"])).ok();
    drop((writer, end.1));
    // It would wait for as long as the pod lives.
    assert_eq!(end.0.read(&mut [0]).unwrap(), 0);
    assert!(place.pid("x").is_some_and(|pid| runs(&pid.as_raw_nonzero().to_string())));
}

#[test]
fn of_fifty_spawned_at_once_of_which_half_are_killed_none_is_lost_and_none_doubled() {
    let place = Background::new();
    let names: Vec<String> = (0..50).map(|number| format!("pod-{number}")).collect();
    let rules: Vec<String> = names
        .iter()
        .map(|name| format!("write:{}", place.world.work_dir(&format!("work/{name}")).display()))
        .collect();
    thread::scope(|scope| {
        let spawning: Vec<_> = names
            .iter()
            .zip(&rules)
            .map(|(name, rule)| {
                let words = [&**name, "--enforce", "off", "--scope", rule, "--", "cat"];
                let place = &place;
                scope.spawn(move || place.run(&[&["spawn"], &words[..]].concat()))
            })
            .collect();
        for spawned in spawning {
            spawned.join().unwrap().ok();
        }
    });
    let pids: Vec<Pid> = names.iter().map(|name| place.pid(name).unwrap()).collect();
    let (killed, left) = pids.split_at(25);
    for pid in killed {
        kill_process(*pid, Signal::KILL).unwrap();
    }
    for pid in killed {
        eventually("a killed pod is gone", || !runs(&pid.as_raw_nonzero().to_string()));
    }
    let listed = place.list();
    let mut found: Vec<&str> = listed.iter().map(|pod| pod["name"].as_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "each once");
    for (name, rule) in names.iter().zip(&rules) {
        let pod = listed.iter().find(|pod| pod["name"] == **name).unwrap();
        let state = if names[..25].contains(name) { "stopped" } else { "idle" };
        assert_eq!(pod["state"], state, "{name}");
        assert_eq!(format!("write:{}", pod["scope"][0]["target"].as_str().unwrap()), *rule);
    }
    // The listing has released what the dead ones held, and nothing else.
    let mut holders: Vec<String> = place
        .world
        .allocations()
        .iter()
        .map(|entry| entry["pod_name"].as_str().unwrap().to_owned())
        .collect();
    holders.sort_unstable();
    let mut living = names[25..].to_vec();
    living.sort_unstable();
    assert_eq!(holders, living);
    assert!(left.iter().all(|pid| runs(&pid.as_raw_nonzero().to_string())));

    place.run(&["stop", "--all", "--yes"]).ok();
    for (name, pid) in names.iter().zip(&pids) {
        eventually("the process is gone", || !runs(&pid.as_raw_nonzero().to_string()));
        // The directory of one that was killed is for the next pod of its name to clear.
        let left = if killed.contains(pid) { vec!["directory"] } else { Vec::new() };
        assert_eq!(place.world.traces(name), left, "{name}");
    }
    // Nor does anything else run that was theirs.
    let base = place.world.base().canonicalize().unwrap().display().to_string();
    eventually("no process is left", || processes_of(&base).is_empty());
}
