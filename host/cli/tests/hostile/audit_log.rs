//! Whoever can fill the disk or hang up the terminal, to have calls made of which the audit log knows nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use pod_tools_conformance::{FakePod, Place, Script, Step, event};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::{self, Batch};

/// More than a line is given room for, and soon full.
const DISK: &str = "4m";

fn message() -> Value {
    json!({ "name": "child", "message": "hello" })
}

fn started() -> Step {
    Step::line(event("turn_start", json!({ "turn": 0 })))
}

/// A directory that is a file system of its own for what is started with it: a small one.
struct Disk(PathBuf);

impl Disk {
    fn new(place: &Place) -> Self {
        let directory = place.root().join("log");
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    fn log(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// Runs a command of `pod-tools` with its audit log on that disk, once `script` has been run there.
    fn with(&self, place: &Place, script: &str, arguments: &[&str]) -> Command {
        let mut audited = cli::at(place, arguments);
        audited.arg("--audit").arg(self.log());
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!(
            "mount -t tmpfs -o size={DISK} tmpfs \"$0\" || exit 77; (cd \"$0\" && {script}); exec \"$@\""
        ));
        command.arg(&self.0).arg(audited.get_program()).args(audited.get_args());
        command.env_clear().envs(audited.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Whether this process may have one; a word about it where it may not.
    fn can_be_had(&self, place: &Place) -> bool {
        let found = self.with(place, "true", &["tools"]).output().is_ok_and(|found| found.status.success());
        if !found {
            println!("not run: this process may not mount anything");
        }
        found
    }
}

/// All that is left of the disk goes into a file.
fn fill(directory: &Path) {
    let mut file = fs::File::create(directory.join("filling")).unwrap();
    std::io::copy(&mut std::io::repeat(b'x'), &mut file).unwrap_err();
}

#[test]
fn fills_the_disk_before_the_call() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new().on("run", [started()])).unwrap();
    let disk = Disk::new(&place);
    if !disk.can_be_had(&place) {
        return;
    }
    let input = message().to_string();
    let call = ["call", "SendToPod", &input, "--json"];
    let said = cli::run(disk.with(&place, "cat /dev/zero >filling 2>&-", &call));
    assert_eq!(said.err().words(), ("execution-failed", "state-unwritable"));
    assert!(said.stderr.contains("No space left") && said.stderr.contains("audit.jsonl"), "{}", said.stderr);
    assert_eq!(pod.received(), [""; 0], "a call that is nowhere recorded was made");
    // With room, it is made.
    cli::run(disk.with(&place, "true", &call)).ok();
}

#[test]
fn fills_the_disk_during_a_call() {
    let place = Place::new().unwrap();
    let script = Script::new().on("run", [Step::Wait("full".into()), started()]);
    let pod = FakePod::start(&place, "child", script).unwrap();
    let disk = Disk::new(&place);
    if !disk.can_be_had(&place) {
        return;
    }
    let patient = ["call", "--batch", "--op-timeout", "60m", "--call-timeout", "60m"];
    let mut batch = Batch::spawn(disk.with(&place, "true", &patient));
    batch.send(format!("{}\n", json!({ "tool": "SendToPod", "input": message() })).as_bytes());
    pod.await_lines(1);
    // As the process sees it.
    let root = PathBuf::from(format!("/proc/{}/root", batch.pid().as_raw_nonzero()));
    let directory = root.join(disk.0.strip_prefix("/").unwrap());
    fill(&directory);
    pod.open_gate("full");
    assert!(batch.receive()["ok"].is_object());
    let log = directory.join("audit.jsonl");
    let lines = || fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<String>>();
    assert_eq!(lines().len(), 1, "room had been kept for the line of what was begun");
    // What that leaves of the room may be enough for some more calls; for each that is made there is a line.
    let mut made = 1;
    let refused = loop {
        let answer = batch.ask("ListPods", json!({}));
        if answer["ok"].is_null() {
            break answer;
        }
        made += 1;
        assert_eq!(lines().len(), made);
    };
    assert_eq!(refused["err"]["reason"], "state-unwritable", "{refused}");
    fs::remove_file(directory.join("filling")).unwrap();
    assert!(batch.ask("ListPods", json!({}))["ok"].is_object());
    made += 1;
    let lines = lines();
    assert_eq!(lines.len(), made);
    for line in &lines {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["outcome"], "ok", "{line}");
    }
    assert_eq!(batch.finish().1, Some(0));
}

#[test]
fn hangs_up_a_thousand_times() {
    let place = Place::new().unwrap();
    let _pod = FakePod::start(&place, "child", Script::new().on("run", [started()])).unwrap();
    let (log, grants) = (place.root().join("audit.jsonl"), place.root().join("grants.toml"));
    fs::write(&grants, "grants = [\"list,send\"]\n").unwrap();
    let mut batch =
        Batch::start(&place, ["--audit", log.to_str().unwrap(), "--grants", grants.to_str().unwrap()]);
    // From its first answer on it follows the file.
    batch.ask("ListPods", json!({}));
    let (pid, over) = (batch.pid(), AtomicBool::new(false));
    let mut calls = 1;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1000 {
                kill_process(pid, Signal::HUP).unwrap();
                std::thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) || calls < 100 {
            for (tool, input) in [("ListPods", json!({})), ("SendToPod", message())] {
                let answer = batch.ask(tool, input);
                assert!(answer["ok"].is_object(), "{answer}");
                calls += 1;
            }
        }
    });
    assert_eq!(batch.finish(), (String::new(), Some(0)));
    let text = fs::read_to_string(log).unwrap();
    assert_eq!(text.lines().count(), calls);
    for line in text.lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["outcome"], "ok", "{line}");
    }
}
