//! Start and end: what a pod leaves where, and that it takes all of it with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const NOTHING: &[String] = &[];

#[test]
fn a_ready_pod_has_its_files_its_allocation_and_its_record() {
    let world = World::new();
    let work = world.work_dir("work");
    let pod = world.pod("x", &["--scope", &format!("write:{}", work.display())], &["cat"]);
    assert_eq!(mode(&pod.dir), 0o700);
    assert_eq!(names(&pod.dir), ["history.json", "pid", "sock", "status.json"]);
    for file in names(&pod.dir) {
        assert_eq!(mode(&pod.dir.join(&file)), 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(pod.dir.join("pid")).unwrap(), pod.id().to_string());
    assert_eq!(fs::read_to_string(pod.dir.join("history.json")).unwrap(), "[]");
    let status = pod.json("status.json");
    assert_eq!((&status["pod_name"], &status["state"]), (&json!("x"), &json!("idle")));
    assert!(!status["session_id"].as_str().unwrap().is_empty());
    let rules = json!([{"target": work, "permission": "write", "recursive": true}]);
    // What it says of itself is the same in both places.
    assert_eq!(status["holder"]["pid"], pod.id());
    assert_eq!(
        world.allocations(),
        [json!({
            "pod_name": "x", "pid": pod.id(), "socket": pod.dir.join("sock"), "scope_allow": rules,
            "delegated_from": null, "holder": status["holder"],
        })]
    );
    assert_eq!(
        world.records("pod-tools"),
        [json!({
            "pod_name": "x", "socket_path": pod.dir.join("sock"), "scope_delegated": rules,
            "callback_address": world.base().join("pod-tools/sock"), "fence": status["fence"],
        })]
    );
}

#[test]
fn shutdown_is_told_to_everybody_and_leaves_nothing() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["cat"]);
    let (mut client, mut other) = (pod.connect(), pod.connect());
    other.history();
    client.send("shutdown");
    for client in [&mut client, &mut other] {
        assert_eq!(client.event(), json!({"event": "shutdown"}));
        let late = UnixStream::connect(pod.dir.join("sock"));
        assert!(late.is_err(), "no connections are taken once shutdown has been told");
        assert_eq!(client.next(), None);
    }
    let (status, said) = pod.ended();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert_eq!(world.traces("x"), NOTHING);
}

#[test]
fn shutdown_ends_a_running_command_first() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["sh", "-c", "sleep 1000 & echo $$ $!; wait"]);
    let mut client = pod.connect();
    client.run("hi");
    let started = client.data("text_delta")["text"].as_str().unwrap().to_owned();
    client.send("shutdown");
    let cancelled = json!({"event": "error", "data": {"code": "internal", "message": "Cancelled"}});
    assert_eq!(client.event(), cancelled);
    assert_eq!(client.event(), json!({"event": "shutdown"}));
    assert_eq!(client.next(), None);
    eventually("they die", || !started.split_whitespace().any(runs));
    assert_eq!(pod.ended().0.code(), Some(0));
    assert_eq!(world.traces("x"), NOTHING);
}

#[test]
fn signals_end_the_pod_and_its_command_and_leave_nothing() {
    for (signal, code) in [(Signal::TERM, 0), (Signal::HUP, 0), (Signal::INT, 130)] {
        let world = World::new();
        let mut pod = world.pod("x", &[], &["sh", "-c", "sleep 1000 & echo $$ $!; wait"]);
        let mut client = pod.connect();
        client.run("hi");
        let started = client.data("text_delta")["text"].as_str().unwrap().to_owned();
        pod.signal(signal);
        let events = client.until("shutdown");
        assert_eq!(kinds(&events), ["error", "shutdown"]);
        let (status, said) = pod.ended();
        assert_eq!((status.code(), said.as_str()), (Some(code), ""), "{signal:?}");
        eventually("they die", || !started.split_whitespace().any(runs));
        assert_eq!(world.traces("x"), NOTHING);
    }
}

/// A command that has started processes in every way: in the background, in a group and in a session of their own,
/// and without a parent.
const LITTER: &str = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; \
    (setsid sh -c 'sleep 1000 & echo $!' &) ; set -m; sleep 1000 & echo $!; echo $$; cat >/dev/null; exec sleep 1000";

/// Starts [`LITTER`], and gives what it has started.
fn litter(pod: &Pod) -> Vec<String> {
    let mut client = pod.connect();
    client.run("");
    let mut started = String::new();
    while started.matches('\n').count() < 5 {
        started.push_str(client.data("text_delta")["text"].as_str().unwrap());
    }
    let pids: Vec<String> = started.split_whitespace().map(str::to_owned).collect();
    assert!(pids.iter().all(|pid| runs(pid)), "{started}");
    pids
}

#[test]
fn a_killed_pod_takes_everything_that_its_command_has_started_with_it() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["sh", "-c", LITTER]);
    let pids = litter(&pod);
    pod.kill();
    eventually("they die", || !pids.iter().any(|pid| runs(pid)));
}

#[test]
fn a_pod_that_ends_leaves_nothing_that_its_command_has_started() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["sh", "-c", LITTER]);
    let pids = litter(&pod);
    pod.connect().send("shutdown");
    assert_eq!(pod.ended().0.code(), Some(0));
    assert!(!pids.iter().any(|pid| runs(pid)), "they are gone when the pod is");
}

#[test]
fn a_supervisor_that_is_killed_costs_the_turn_and_no_more() {
    let world = World::new();
    let mut pod =
        world.pod("x", &[], &["sh", "-c", "echo $PPID $$; exec cat \"$0\"", world.fifo("hold").as_str()]);
    let mut client = pod.connect();
    for _ in 0..2 {
        client.run("hi");
        let started = client.data("text_delta")["text"].as_str().unwrap().to_owned();
        let (supervisor, command) = started.trim().split_once(' ').unwrap();
        let supervisor = Pid::from_raw(supervisor.parse().unwrap()).unwrap();
        kill_process(supervisor, Signal::KILL).unwrap();
        let said = client.data("error")["message"].as_str().unwrap().to_owned();
        assert_eq!(said, "cannot wait for `sh`: its supervisor was killed");
        eventually("the command dies", || !runs(command));
        assert_eq!(pod.state(), "idle");
    }
    client.send("shutdown");
    assert_eq!(pod.ended().0.code(), Some(0));
}

#[test]
fn a_command_that_cannot_be_run_is_wrong_use_before_anything_is_made() {
    let world = World::new();
    let plain = world.path("plain").display().to_string();
    fs::write(&plain, "").unwrap();
    for (program, why) in [
        ("no-such-agent", "cannot run `no-such-agent`: no such file in any directory of PATH"),
        ("./no-such-agent", "cannot run `./no-such-agent`: no such file"),
        (&plain, "it is not an executable file (permission denied)"),
    ] {
        let (code, said) = world.refused("x", &[], &[program]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert!(!world.base().exists());
}

#[test]
fn a_client_that_does_not_read_cannot_keep_the_pod_from_ending() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["sh", "-c", "yes | head -c 4000000"]);
    let (mut stuck, mut client) = (pod.connect(), pod.connect());
    stuck.history();
    client.history();
    let connected = pod.descriptors();
    client.run("");
    client.until("run_end");
    assert!(pod.descriptors() >= connected, "it is not far enough behind to be dropped");
    client.send("shutdown");
    client.until("shutdown");
    assert_eq!(client.next(), None);
    assert_eq!(pod.ended().0.code(), Some(0));
    assert_eq!(world.traces("x"), NOTHING);
}

#[test]
fn what_somebody_else_has_released_already_is_no_fault() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["cat"]);
    fs::write(world.base().join("scope.lock"), "").unwrap();
    fs::write(world.base().join("pod-tools/spawned_pods.json"), "[]").unwrap();
    pod.connect().send("shutdown");
    let (status, said) = pod.ended();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert_eq!(world.traces("x"), NOTHING);
}

#[test]
fn an_entry_that_belongs_to_another_process_by_now_is_left_alone() {
    let world = World::new();
    let mut pod = world.pod("x", &[], &["cat"]);
    let lock = world.base().join("scope.lock");
    let other = json!({"allocations": [{
        "pod_name": "x", "pid": std::process::id(), "socket": "/elsewhere", "scope_allow": [],
        "delegated_from": null,
    }]});
    fs::write(&lock, other.to_string()).unwrap();
    pod.connect().send("shutdown");
    assert_eq!(pod.ended().0.code(), Some(0));
    assert_eq!(fs::read_to_string(&lock).unwrap(), other.to_string());
}

#[test]
fn a_name_in_use_is_refused_and_its_pod_goes_on() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("a pod `x` is there already") && said.contains("choose another name"), "{said}");
    pod.connect().history();
    assert_eq!(world.traces("x").len(), 3);
}

#[test]
fn of_many_pods_that_start_under_one_name_one_gets_it() {
    let world = World::new();
    let base = world.base();
    let start = || world.start(&base, "x", &[], &["cat"]);
    let pods: Vec<Result<Pod, (i32, String)>> = thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let refused: Vec<_> = pods.iter().filter_map(|pod| pod.as_ref().err()).collect();
    assert_eq!(refused.len(), 5, "{refused:?}");
    assert!(
        refused.iter().all(|(code, said)| *code == 1 && said.contains("is there already")),
        "{refused:?}"
    );
    assert_eq!((world.allocations().len(), world.records("pod-tools").len()), (1, 1));
}

#[test]
fn what_a_killed_pod_left_is_cleaned_up_by_the_next_of_its_name() {
    let world = World::new();
    let work = format!("write:{}", world.work_dir("work").display());
    let mut killed = world.pod("x", &["--scope", &work], &["cat"]);
    let mut client = killed.connect();
    client.run("old");
    client.until("run_end");
    killed.kill();
    assert_eq!(world.traces("x").len(), 3);
    let pod = world.pod("x", &["--scope", &work], &["cat"]);
    assert_eq!(pod.connect().history()["items"], json!([]));
    assert_eq!(world.allocations()[0]["pid"], pod.id());
    assert_eq!((world.allocations().len(), world.records("pod-tools").len()), (1, 1));
}

#[test]
fn the_directory_of_a_living_pod_of_another_make_is_not_touched() {
    let world = World::new();
    let dir = world.base().join("x");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("pid"), std::process::id().to_string()).unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("process {} (`", std::process::id())), "{said}");

    fs::write(dir.join("pid"), "0").unwrap();
    let listener = UnixListener::bind(dir.join("sock")).unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("its socket takes connections"), "{said}");
    assert_eq!(names(&dir), ["pid", "sock"]);

    drop(listener);
    world.pod("x", &[], &["cat"]).connect().history();
}

#[test]
fn a_directory_whose_pod_was_killed_is_taken_over_whoever_has_its_number_now() {
    let world = World::new();
    let mut killed = world.pod("x", &[], &["cat"]);
    killed.kill();
    fs::write(killed.dir.join("pid"), std::process::id().to_string()).unwrap();
    world.pod("x", &[], &["cat"]).connect().history();
}

#[test]
fn a_start_that_is_refused_leaves_what_a_dead_pod_left() {
    let world = World::new();
    let mut killed = world.pod("x", &[], &["cat"]);
    killed.kill();
    let left = names(&killed.dir);
    // Somebody else holds the name by now, as the table says.
    let mut entry = world.allocations()[0].clone();
    entry["pid"] = json!(std::process::id());
    entry.as_object_mut().unwrap().remove("holder");
    fs::write(world.base().join("scope.lock"), json!({ "allocations": [entry] }).to_string()).unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("a pod named `x` holds an allocation already"), "{said}");
    assert_eq!(names(&killed.dir), left);
}

/// The table as a program rewrites it that keeps what it knows, and nothing else.
fn rewritten_by_a_native_program(world: &World) {
    let mut entries = world.allocations();
    for entry in &mut entries {
        let known = ["pod_name", "pid", "socket", "scope_allow", "delegated_from"];
        entry.as_object_mut().unwrap().retain(|member, _| known.contains(&member.as_str()));
    }
    let table = serde_json::to_string_pretty(&json!({ "allocations": entries })).unwrap();
    fs::write(world.base().join("scope.lock"), table).unwrap();
}

#[test]
fn a_pod_is_protected_and_can_be_stopped_though_another_program_dropped_what_it_wrote_beside_its_number() {
    let world = World::new();
    let scope = format!("write:{}", world.work_dir("w").display());
    let mut pod = world.pod("x", &["--scope", &scope], &["cat"]);
    rewritten_by_a_native_program(&world);
    let (_, said) = world.refused("y", &["--scope", &scope], &["cat"]);
    assert!(said.contains("conflicts with") && said.contains("which `x` holds"), "{said}");
    let mut stop = world.command(&world.base());
    let stopped = stop.args(["call", "StopPod", r#"{"name":"x"}"#]).output().unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(pod.ended().0.code(), Some(0));
    assert_eq!(world.traces("x"), NOTHING);

    // The same of a pod that was killed.
    let mut pod = world.pod("x", &["--scope", &scope], &["cat"]);
    rewritten_by_a_native_program(&world);
    pod.kill();
    world.pod("y", &["--scope", &scope], &["cat"]);
}

#[test]
fn what_a_pod_of_the_version_before_left_is_understood() {
    let world = World::new();
    let work = world.work_dir("w");
    let dir = world.base().join("x");
    fs::create_dir_all(&dir).unwrap();
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let table = |pid: u32| {
        format!(
            r#"{{
  "allocations": [
    {{
      "pod_name": "x",
      "pid": {pid},
      "socket": "{}/sock",
      "scope_allow": [
        {{
          "target": "{}",
          "permission": "write",
          "recursive": true
        }}
      ],
      "delegated_from": null
    }}
  ]
}}"#,
            dir.display(),
            work.display()
        )
    };
    let status = r#"{"pod_name":"x","session_id":"8f14e45fceea167a5a36dedd4bea2543","state":"idle"}"#;
    fs::write(dir.join("status.json"), status).unwrap();
    fs::write(dir.join("history.json"), "[]").unwrap();
    let scope = format!("write:{}", work.display());
    for (pid, lives) in [(std::process::id(), true), (gone.id(), false)] {
        fs::write(dir.join("pid"), pid.to_string()).unwrap();
        fs::write(world.base().join("scope.lock"), table(pid)).unwrap();
        for name in ["x", "y"] {
            let started = world.start(&world.base(), name, &["--scope", &scope], &["cat"]);
            assert_eq!(started.is_err(), lives, "{name}, {pid}: {:?}", started.err());
        }
    }
}

#[test]
fn the_scope_of_a_killed_pod_that_did_nothing_is_free_at_the_next_listing() {
    let world = World::new();
    let mut pod = world.pod("x", &["--scope", &format!("write:{}", world.work_dir("w").display())], &["cat"]);
    pod.kill();
    let listed = world.command(&world.base()).args(["call", "ListPods"]).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert_eq!(world.traces("x"), ["directory", "record"]);
}

#[test]
fn a_state_that_cannot_be_written_is_unknown_and_not_the_one_before() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    // As a full disk does it: no new file can be made.
    fs::create_dir(pod.dir.join(".status.json.new")).unwrap();
    let mut client = pod.connect();
    client.run("hello");
    client.until("run_end");
    assert!(!pod.dir.join("status.json").exists());
    fs::remove_dir(pod.dir.join(".status.json.new")).unwrap();
    client.run("hello");
    client.until("run_end");
    assert_eq!(pod.state(), "idle");
}

#[test]
fn a_pod_whose_socket_is_removed_listens_again() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    let mut old = pod.connect();
    fs::remove_file(pod.dir.join("sock")).unwrap();
    pod.await_file("sock");
    pod.connect().history();
    old.history();
}

#[test]
fn a_client_that_waits_to_be_accepted_is_served_though_the_socket_is_removed() {
    let world = World::new();
    let pod = world.pod("x", &[], &["cat"]);
    pod.signal(Signal::STOP);
    // Many, since the pod may by chance accept some before it looks.
    let clients: Vec<_> = (0..64).map(|_| pod.connect()).collect();
    fs::remove_file(pod.dir.join("sock")).unwrap();
    // The pod looks once a second: it is to have both to do when it goes on.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    pod.signal(Signal::CONT);
    pod.await_file("sock");
    for mut client in clients {
        client.history();
    }
}

#[test]
fn a_pod_whose_directory_is_taken_away_says_so_ends_and_leaves_nothing() {
    for replaced in [false, true] {
        let world = World::new();
        let mut pod =
            world.pod("x", &["--scope", &format!("write:{}", world.work_dir("w").display())], &["cat"]);
        // Between its files and itself the pod may miss its socket, and make it anew.
        eventually("the directory is taken away", || fs::remove_dir_all(&pod.dir).is_ok());
        if replaced {
            fs::create_dir(&pod.dir).unwrap();
            fs::write(pod.dir.join("precious"), "").unwrap();
        }
        let (status, said) = pod.ended();
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("pod `x` ends: its directory `") && said.contains("was taken away"), "{said}");
        let left: &[String] = if replaced { &["directory".into()] } else { NOTHING };
        assert_eq!(world.traces("x"), left);
        assert_eq!(pod.dir.join("precious").exists(), replaced);
    }
}

#[test]
fn a_directory_that_no_pod_left_is_not_touched() {
    let world = World::new();
    let precious = world.base().join("x/precious");
    fs::create_dir_all(world.base().join("x")).unwrap();
    fs::write(&precious, "").unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("no pod has left it"), "{said}");
    assert!(precious.exists());

    fs::create_dir(world.base().join("spawner")).unwrap();
    let (code, said) = world.refused("spawner", &["--spawner", "spawner"], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("its own spawner"), "{said}");
    assert!(world.base().join("spawner").exists());
}

#[test]
fn a_start_that_fails_at_any_step_leaves_nothing() {
    let world = World::new();
    let (code, said) = world.refused("x", &["--spawner", "nobody"], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("nobody"), "{said}");

    fs::create_dir_all(world.base().join("pod-tools")).unwrap();
    fs::write(world.base().join("scope.lock"), "").unwrap();
    let registry = world.base().join("pod-tools/spawned_pods.json");
    fs::write(&registry, "garbage").unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains(registry.to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(&registry).unwrap(), "garbage");
    assert!(!world.base().join("x").exists() && world.allocations().is_empty());

    fs::remove_file(&registry).unwrap();
    fs::write(world.base().join("scope.lock"), "garbage").unwrap();
    let (code, said) = world.refused("x", &[], &["cat"]);
    assert_eq!(code, 1);
    assert!(said.contains("scope.lock"), "{said}");
    assert_eq!(fs::read_to_string(world.base().join("scope.lock")).unwrap(), "garbage");
    assert!(!world.base().join("x").exists() && world.records("pod-tools").is_empty());
}

#[test]
fn names_and_options_that_cannot_be_are_wrong_use() {
    let world = World::new();
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "a\nb", "scope.lock", "scope.lock.next", "pod-tools", &long] {
        let (code, said) = world.refused(name, &[], &["cat"]);
        assert_eq!(code, 2, "{name:?}: {said}");
        assert!(said.contains("[NAME]"), "{said}");
    }
    let file = world.path("file");
    fs::write(&file, "").unwrap();
    let file = format!("read:{}", file.display());
    for scope in ["", "/tmp", "delete:/tmp", "write:", "read:/no/such/directory", &file] {
        let (code, said) = world.refused("x", &["--scope", scope], &["cat"]);
        assert_eq!(code, 2, "{scope:?}: {said}");
        assert!(said.contains("--scope"), "{said}");
    }
    assert_eq!(world.refused("x", &[], &[]).0, 2, "no command");
    assert!(!world.base().join("x").exists());
}

#[test]
fn a_socket_whose_path_is_too_long_for_an_address_works() {
    let world = World::new();
    let base = world.path(&"long-".repeat(25));
    let mut pod = world.pod_at(&base, "x", &[], &["cat"]);
    assert!(pod.dir.join("sock").as_os_str().len() > 108);
    let mut client = pod.connect();
    client.run("hi");
    assert_eq!(client.data("text_done")["text"], "hi\n");
    client.send("shutdown");
    assert_eq!(pod.ended().0.code(), Some(0));
    assert!(!pod.dir.exists());
    let records: Value =
        serde_json::from_slice(&fs::read(base.join("pod-tools/spawned_pods.json")).unwrap()).unwrap();
    assert_eq!(records, json!([]));
}

#[test]
fn a_command_given_by_a_relative_path_runs_where_the_pod_was_started() {
    let world = World::new();
    let script = world.path("agent.sh");
    fs::write(&script, "#!/bin/sh\npwd\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    let pod = world.pod("x", &[], &["./agent.sh"]);
    let mut client = pod.connect();
    client.run("");
    let cwd = world.path("").canonicalize().unwrap();
    assert_eq!(client.data("text_done")["text"], format!("{}\n", cwd.display()));
}
