//! Pods of a machine that ssh leads to: a real `sshd` on the loopback interface, and keys that may run one command there.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cli::{Batch, Finished, Refusal, at, place_with, run};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, event, history};
use serde_json::json;

const SSHD: &str = "/usr/sbin/sshd";

/// A server of SSH, the place of pods that its keys lead to, and a place of the caller's own. Dropped, it is killed.
struct World {
    server: Child,
    /// What is run for `ssh`.
    program: PathBuf,
    /// Dropped before its place is.
    _pod: FakePod,
    there: Place,
    here: Place,
}

impl World {
    /// A machine `build`, with a pod `child` that answers, on which the caller has these grants. `None` where there is no
    /// OpenSSH.
    fn new(grants: &str) -> Option<World> {
        let said = Script::new()
            .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
            .on("get_history", [Step::line(history(&[assistant("all is well")]))]);
        let (there, pod) = place_with(said);
        let root = there.root();
        for key in ["host", "alice"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(root.join(key))
                .stdin(Stdio::null())
                .status();
            if !made.is_ok_and(|made| made.success()) || !Path::new(SSHD).exists() {
                eprintln!("not run: there is no OpenSSH");
                return None;
            }
        }
        let grants_file = root.join("alice.toml");
        fs::write(&grants_file, format!("grants = [{grants}]\n")).unwrap();
        fs::set_permissions(&grants_file, fs::Permissions::from_mode(0o600)).unwrap();
        let options: Vec<String> =
            there.options().iter().map(|option| format!("'{}'", option.to_string_lossy())).collect();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let command = format!(
            "XDG_CACHE_HOME='{}' '{}' call --batch --grants '{}' {}",
            cache.display(),
            env!("CARGO_BIN_EXE_pod-tools"),
            grants_file.display(),
            options.join(" ")
        );
        let key = fs::read_to_string(root.join("alice.pub")).unwrap();
        fs::write(root.join("authorized_keys"), format!("restrict,command=\"{command}\" {key}")).unwrap();

        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shown = root.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized_keys\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPidFile none\n"
        );
        fs::write(root.join("sshd_config"), config).unwrap();
        // Where it is started by root, it wants its empty directory.
        let _ = fs::create_dir_all("/run/sshd");
        let mut server = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(root.join("sshd_config"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("Server listening") {
            assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));

        let host = fs::read_to_string(root.join("host.pub")).unwrap();
        fs::write(root.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let config = format!(
            "Host build\n HostName 127.0.0.1\n Port {port}\n IdentityFile {shown}/alice\n IdentitiesOnly yes\n \
             UserKnownHostsFile {shown}/known_hosts\nHost nowhere\n HostName 127.0.0.1\n Port 1\n"
        );
        fs::write(root.join("ssh_config"), config).unwrap();
        let program = root.join("ssh");
        fs::write(&program, format!("#!/bin/sh\nexec ssh -F '{shown}/ssh_config' \"$@\"\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Some(World { server, program, there, _pod: pod, here: Place::new().unwrap() })
    }

    /// The caller's command line, which leads to that machine.
    fn command(&self, words: &[&str], hosts: &str) -> Command {
        let mut command = at(&self.here, words);
        command.args(["--ssh", hosts, "--ssh-program"]).arg(&self.program);
        command
    }

    fn call(&self, tool: &str, arguments: &[&str]) -> Finished {
        run(self.command(&[&["call", tool, "--json"], arguments].concat(), "build"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn pods_of_another_machine_are_listed_sent_to_and_read_by_its_grants() {
    let Some(world) = World::new(r#""list,send,read""#) else { return };
    let listed = world.call("ListPods", &[]).ok();
    assert_eq!(listed["data"]["pods"][0]["name"], "child@build");
    assert_eq!(listed["summary"], "1 pod(s) known");
    assert_eq!(listed["content"], "child@build [alive] scope=write:/work/child");

    let sent = world.call("SendToPod", &["name=child@build", "message=hello"]).ok();
    assert_eq!(sent["summary"], "sent message to `child@build`");
    let read = world.call("ReadPodOutput", &["name=child@build"]).ok();
    assert_eq!(read["content"], "all is well");
    let again = world.call("ReadPodOutput", &["name=child@build"]).ok();
    assert_eq!(again["content"], json!(null));

    // What is denied, that machine denies, by its own file.
    let denied = world.call("StopPod", &["name=child@build"]).err();
    assert_eq!(denied.words(), ("denied", "not-granted"));
    assert!(denied.message.starts_with("node `build`: ") && denied.message.contains("stop"), "{denied:?}");
    assert_eq!(world.call("ListPods", &[]).ok()["data"]["pods"][0]["state"], "alive");
}

#[test]
fn text_that_was_not_delivered_is_given_again() {
    let Some(world) = World::new(r#""list,send,read""#) else { return };
    let words = ["call", "ReadPodOutput", "name=child@build"];
    let mut nobody = world.command(&words, "build").stdout(Stdio::piped()).spawn().unwrap();
    drop(nobody.stdout.take());
    assert_eq!(nobody.wait().unwrap().code(), Some(1));
    let peeked = world.call("ReadPodOutput", &["name=child@build", "--peek"]).ok();
    assert_eq!(peeked["content"], "all is well");
    assert_eq!(world.call("ReadPodOutput", &["name=child@build"]).ok()["content"], "all is well");
    assert_eq!(world.call("ReadPodOutput", &["name=child@build"]).ok()["content"], json!(null));
}

#[test]
fn one_connection_serves_one_call_after_the_other_and_ends_with_its_caller() {
    let Some(world) = World::new(r#""list,send,read""#) else { return };
    let mut batch = Batch::spawn(world.command(&["call", "--batch"], "build"));
    for _ in 0..3 {
        assert_eq!(
            batch.ask("ReadPodOutput", json!({ "name": "child@build" }))["ok"]["data"]["pod"],
            "child"
        );
    }
    let connections = || {
        let children = run({
            let mut command = Command::new("pgrep");
            command.args(["-c", "-f", &format!("{}/ssh_config", world.there.root().display())]);
            command
        });
        children.stdout.trim().to_owned()
    };
    assert_eq!(connections(), "1");
    assert_eq!(batch.finish().1, Some(0));
    assert_eq!(connections(), "0");
}

#[test]
fn a_machine_that_is_not_there_is_named_with_what_ssh_says() {
    let Some(world) = World::new(r#""list""#) else { return };
    let gone =
        run(world.command(&["call", "ReadPodOutput", "name=child@nowhere", "--json"], "nowhere")).err();
    assert_eq!(gone.words(), ("execution-failed", "unreachable"));
    assert!(gone.message.contains("node `nowhere`: ssh has no connection to it"), "{gone:?}");
    assert!(gone.message.contains("refused"), "{gone:?}");

    let listed = run(world.command(&["call", "ListPods", "--json"], "nowhere,build")).ok();
    assert_eq!(listed["summary"], "1 pod(s) known; 1 node did not answer: nowhere");

    let other = world.call("ReadPodOutput", &["name=child@biuld"]).err();
    assert_eq!(other.words(), ("invalid-argument", "unknown-pod"));
    assert!(other.message.contains("did you mean `build`"), "{other:?}");
}

#[test]
fn what_is_no_machines_name_is_refused_and_nothing_is_run() {
    let place = Place::new().unwrap();
    for (hosts, why) in [
        ("-oProxyCommand=touch x", "is no name of a machine"),
        ("me@build", "~/.ssh/config"),
        ("build,build", "twice"),
    ] {
        let mut command = at(&place, ["call", "ListPods", "--json"]);
        command.args([&format!("--ssh={hosts}"), "--ssh-program", "/nonexistent"]);
        let refused = run(command);
        assert_ne!(refused.code, Some(0), "{refused:?}");
        let said = refused.stderr.clone() + &refused.stdout;
        assert!(said.contains(why), "{hosts}: {refused:?}");
    }
    let mut command = at(&place, ["call", "ReadPodOutput", "name=a@build", "--json"]);
    command.args(["--ssh", "build", "--ssh-program", "/nonexistent"]);
    let refused = Refusal::of(&run(command).line()["err"]);
    assert!(refused.message.contains("install OpenSSH"), "{refused:?}");
}
