//! A process that runs follows its grants file: what is good takes effect at the next call, what is bad or
//! gone changes nothing and is reported. Real files, real signals, a process of its own.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use pod_tools_conformance::{FakePod, Place, Script, Step, event};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cli::{at, signal};
use crate::write;

/// Longer than anything here takes, and not for ever.
const PATIENCE: Duration = Duration::from_secs(60);

const LIST: &str = "grants = [\"list\"]\n";
const NOTHING: &str = "grants = []\n";

/// A batch that follows a grants file, with its log.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: Receiver<String>,
}

impl Process {
    fn start(place: &Place, file: &Path) -> Self {
        let mut command =
            at(place, ["-v", "call", "--batch", "--op-timeout", "60m", "--call-timeout", "60m"]);
        command.arg("--grants").arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut process = Self { child, stdin, stdout, log };
        // It has read its file, and is watching it, before it answers anything.
        process.kind();
        process
    }

    fn send(&mut self, tool: &str, input: &Value) {
        writeln!(self.stdin, "{}", json!({ "tool": tool, "input": input })).unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// What comes of ListPods: `ok`, or an error's kind.
    fn kind(&mut self) -> String {
        self.send("ListPods", &json!({}));
        let answer = self.receive();
        if answer["ok"].is_object() {
            "ok".to_owned()
        } else {
            answer["err"]["kind"].as_str().unwrap().to_owned()
        }
    }

    /// Waits until the log says this.
    fn await_log(&self, part: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the log never says {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts another file in the place of one, as editors and careful programs do.
fn rename_over(file: &Path, text: &str) {
    let next = file.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, file).unwrap();
}

#[test]
fn a_changed_file_takes_effect_however_it_was_changed() {
    let place = Place::new().unwrap();
    let file = write(&place, LIST);
    let mut process = Process::start(&place, &file);
    let in_place = |file: &Path, text: &str| fs::write(file, text).unwrap();
    let anew = |file: &Path, text: &str| {
        fs::remove_file(file).unwrap();
        fs::write(file, text).unwrap();
    };
    for (round, change) in [rename_over, in_place, anew].into_iter().enumerate() {
        for (listed, kind) in [("", "denied"), ("\"list\"", "ok")] {
            // As many grants as in no other round, nor in a file that is half written.
            let reading = "\"read\", ".repeat(2 + 2 * round);
            let grants = 2 + 2 * round + usize::from(kind == "ok");
            change(&file, &format!("grants = [{reading}{listed}]\n"));
            process.await_log(&format!("read again; {grants} grant(s) are in force"));
            assert_eq!(process.kind(), kind);
        }
    }
}

#[test]
fn a_file_that_others_can_write_to_is_no_longer_believed_and_what_was_granted_stays() {
    let place = Place::new().unwrap();
    // Others get as far as the file.
    fs::set_permissions(place.root(), Permissions::from_mode(0o755)).unwrap();
    let file = write(&place, LIST);
    let mode = |mode| fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let mut process = Process::start(&place, &file);
    mode(0o666);
    process.await_log("is not believed: others than you can write to it (mode 0666)");
    process.await_log("what was granted before stays in force");
    fs::write(&file, "grants = [\"read\", \"send\"]\n").unwrap();
    signal(&process.child, Signal::HUP);
    process.await_log("is not believed");
    assert_eq!(process.kind(), "ok");
    mode(0o644);
    process.await_log("2 grant(s) are in force");
    assert_eq!(process.kind(), "denied");
}

#[test]
fn a_file_behind_links_is_followed_to_where_they_lead() {
    let place = Place::new().unwrap();
    for (version, text) in [("one", LIST), ("two", NOTHING)] {
        fs::create_dir(place.root().join(version)).unwrap();
        fs::write(place.root().join(version).join("grants.toml"), text).unwrap();
    }
    // As a cluster hands configuration out: the file by way of a directory that is swapped as a whole.
    let (file, current) = (place.root().join("grants.toml"), place.root().join("current"));
    symlink("one", &current).unwrap();
    symlink("current/grants.toml", &file).unwrap();
    let mut process = Process::start(&place, &file);
    assert_eq!(process.kind(), "ok");
    symlink("two", current.with_extension("next")).unwrap();
    fs::rename(current.with_extension("next"), &current).unwrap();
    process.await_log("0 grant(s) are in force");
    assert_eq!(process.kind(), "denied");
    // And there it is followed, too.
    fs::write(place.root().join("two/grants.toml"), LIST).unwrap();
    process.await_log("1 grant(s) are in force");
    assert_eq!(process.kind(), "ok");
}

#[test]
fn a_hangup_has_the_file_read_and_does_not_end_the_process() {
    let place = Place::new().unwrap();
    let file = write(&place, LIST);
    let mut process = Process::start(&place, &file);
    // Nothing has changed, and yet it is read: directories that it names may be others now.
    for _ in 0..2 {
        signal(&process.child, Signal::HUP);
        process.await_log("1 grant(s) are in force");
        assert_eq!(process.kind(), "ok");
    }
}

#[test]
fn a_file_that_becomes_bad_or_vanishes_is_reported_and_what_was_in_force_stays() {
    let place = Place::new().unwrap();
    let file = write(&place, LIST);
    let mut process = Process::start(&place, &file);
    rename_over(&file, "grants = []\n\nfly = 1\n");
    let report = process.await_log("is no key of a grants file");
    assert!(report.contains("ERROR") && report.contains(&format!("{}:3:1: ", file.display())), "{report}");
    process.await_log("what was granted before stays in force");
    assert_eq!(process.kind(), "ok");
    fs::remove_file(&file).unwrap();
    process.await_log("cannot be read: No such file");
    process.await_log("what was granted before stays in force");
    assert_eq!(process.kind(), "ok");
    // It is still followed.
    rename_over(&file, NOTHING);
    process.await_log("0 grant(s) are in force");
    assert_eq!(process.kind(), "denied");
}

#[test]
fn what_is_revoked_is_denied_to_a_call_that_runs() {
    let place = Place::new().unwrap();
    let script = Script::new().on(
        "shutdown",
        [
            Step::Wait("go".to_owned()),
            Step::StopListening,
            Step::line(event("shutdown", Value::Null)),
            Step::Close,
        ],
    );
    let pod = FakePod::start(&place, "child", script).unwrap();
    let file = write(&place, "grants = [\"list,stop\"]\n");
    let mut process = Process::start(&place, &file);
    process.send("StopPod", &json!({ "name": "child" }));
    pod.await_lines(1);
    rename_over(&file, LIST);
    process.await_log("1 grant(s) are in force");
    pod.open_gate("go");
    let error = process.receive()["err"].take();
    assert_eq!((&error["kind"], &error["reason"]), (&json!("denied"), &json!("not-granted")));
    assert!(error["message"].as_str().unwrap().contains("add the line `\"stop:child\",`"), "{error}");
    assert_eq!(place.recorded().unwrap(), ["child"]);
}
