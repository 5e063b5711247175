//! Other users, who plant files of state, and files that they could have written: the registry, cursors, what pods
//! write about themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use pod_tools_conformance::{FakePod, Script};
use serde_json::json;

use crate::cli::{self, Batch, RealPod, call};
use crate::stranger::{give_away, mode, place, place_with_pod, refused};

/// Stands in files that are damaged: no answer may have it.
const SECRET: &str = "correct-horse-battery";

#[test]
fn writes_grants_of_his_own() {
    let (place, _pod) = place_with_pod();
    let directory = place.root().join("config");
    fs::create_dir(&directory).unwrap();
    let grants = directory.join("grants.toml");
    let refused = |named: &Path, remedy: &str| {
        for command in [&["call", "ListPods"][..], &["mcp"], &["grants", "check", grants.to_str().unwrap()]] {
            let mut command = cli::at(&place, command);
            if !command.get_args().any(|argument| argument == "check") {
                command.arg("--grants").arg(&grants);
            }
            let said = cli::run(command);
            assert!(matches!(said.code, Some(1 | 2)) && said.stdout.is_empty(), "{said:?}");
            for part in ["is not believed", named.to_str().unwrap(), remedy] {
                assert!(said.stderr.contains(part), "{part} is not in: {}", said.stderr);
            }
        }
    };
    let believed = || {
        let mut command = cli::at(&place, ["call", "ListPods", "--json"]);
        command.arg("--grants").arg(&grants);
        cli::run(command).ok();
    };
    fs::write(&grants, "grants = [\"list\"]\n").unwrap();
    for (of_directory, of_file, named) in [
        (0o755, 0o666, &grants),
        (0o755, 0o664, &grants),
        (0o777, 0o644, &directory),
        (0o775, 0o600, &directory),
    ] {
        mode(&directory, of_directory);
        mode(&grants, of_file);
        refused(named, "chmod go-w");
    }
    // Where nobody else gets, it does not matter.
    mode(&grants, 0o664);
    mode(&directory, 0o700);
    believed();
    // What counts is what links lead to.
    mode(&directory, 0o755);
    mode(&grants, 0o644);
    believed();
    let real = place.root().join("real.toml");
    fs::rename(&grants, &real).unwrap();
    symlink(&real, &grants).unwrap();
    believed();
    mode(&real, 0o646);
    refused(&real, "chmod go-w");
    mode(&real, 0o644);
    if give_away(&real) {
        refused(&real, "another user");
    }
}

#[test]
fn plants_a_registry() {
    let (place, pod) = place_with_pod();
    let chmod = |path: &Path| format!("chmod go-w {}`", path.display());
    let tools = cli::tools_on("child").map(|(tool, input)| (tool, serde_json::from_str(&input).unwrap()));
    for (tool, input) in [("ListPods", json!({}))].into_iter().chain(tools) {
        mode(place.registry(), 0o666);
        refused(&place, tool, &input, "registry-damaged", &place.registry(), &chmod(&place.registry()));
        mode(place.registry(), 0o644);
        mode(place.runtime_dir(), 0o777);
        refused(&place, tool, &input, "registry-damaged", &place.registry(), &chmod(&place.runtime_dir()));
        mode(place.runtime_dir(), 0o755);
        for path in [place.registry(), place.runtime_dir()] {
            if give_away(&path) {
                refused(&place, tool, &input, "registry-damaged", &place.registry(), "another user");
                std::os::unix::fs::chown(&path, Some(rustix::process::geteuid().as_raw()), None).unwrap();
            }
        }
    }
    assert_eq!(pod.received(), [""; 0]);
}

#[test]
fn moves_cursors_so_that_text_is_never_given() {
    let (place, _pod) = place_with_pod();
    let read = || call(&place, "ReadPodOutput", &json!({ "name": "child" }));
    read().ok();
    let cursors = place.runtime_dir().join("read_cursors.json");
    mode(&cursors, 0o666);
    let error = read().err();
    assert_eq!(error.reason, "registry-damaged");
    assert!(error.message.contains(&format!("chmod go-w {}`", cursors.display())), "{error:?}");
    mode(&cursors, 0o600);
    read().ok();
}

#[test]
fn holds_the_registry_lock_for_ever() {
    let place = place();
    let _pod = FakePod::start(&place, "child", Script::new().stopping()).unwrap();
    let lock = place.runtime_dir().join("spawned_pods.lock");
    fs::write(&lock, "").unwrap();
    mode(&lock, 0o666);
    let error = call(&place, "StopPod", &json!({ "name": "child" })).err();
    assert_eq!(error.reason, "registry-damaged", "{error:?}");
    assert!(error.message.contains(&format!("chmod go-w {}`", lock.display())), "{error:?}");
}

#[test]
fn says_that_a_pod_is_gone_in_files_that_others_can_write_to() {
    let (place, _pod) = place_with_pod();
    let directory = place.base().join("sleeper");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("pid"), "4194305").unwrap();
    mode(directory.join("pid"), 0o666);
    mode(&directory, 0o755);
    // Nobody can tell by that file whether its pod is gone, so its directory is not taken.
    let mut pod = cli::at(&place, ["pod", "sleeper"]);
    let refused = cli::run({
        pod.args(["--", "cat"]);
        pod
    });
    assert_ne!(refused.code, Some(0));
    for part in ["`pid`", "others than you can write to it (mode 0666)"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert!(directory.join("pid").exists());
}

#[test]
fn lies_about_the_state_of_a_pod() {
    let (place, _pod) = place_with_pod();
    let status = place.base().join("child/status.json");
    fs::write(&status, r#"{"pod_name":"child","state":"paused"}"#).unwrap();
    let state = || call(&place, "ReadPodOutput", &json!({ "name": "child" })).ok()["data"]["state"].clone();
    assert_eq!(state(), "paused");
    mode(&status, 0o666);
    assert_eq!(state(), "unknown");
}

#[test]
fn has_a_secret_read_to_him_by_an_error() {
    let (place, _pod) = place_with_pod();
    let cursors = place.runtime_dir().join("read_cursors.json");
    let status = place.base().join("child/status.json");
    let files = [place.registry(), place.scope_lock(), cursors, status];
    let whole = files.each_ref().map(|path| fs::read(path).ok());
    let texts: [&[&str]; 4] = [
        &[
            "?\n",
            "\"?\"",
            "{\"?\":1}",
            "[\"?\"]",
            "[{\"pod_name\":\"child\",\"?\":?}]",
            "[{\"pod_name\":\"?\"}]",
        ],
        &[
            "?\n",
            "\"?\"",
            "{\"?\":1}",
            "{\"allocations\":\"?\"}",
            "{\"allocations\":[],\"allocations\":[],\"x\":\"?\"}",
            "{\"allocations\":[{\"pod_name\":\"child\",\"pid\":\"?\"}]}",
        ],
        &[
            "?\n",
            "{\"version\":\"?\"}",
            "{\"version\":2}\n?\n",
            "{\"version\":2}\n{\"pod\":\"child\",\"items\":\"?\"}\n",
            "{\"version\":1,\"pods\":{\"child\":\"?\"}}",
            "{\"version\":1,\"pods\":\"?\"}",
        ],
        &["?\n", "{\"state\":\"?\"}"],
    ];
    for (file, texts) in files.iter().zip(texts) {
        for text in texts {
            for (tool, input) in
                [("ListPods", "{}"), tools_on_child("ReadPodOutput"), tools_on_child("StopPod")]
            {
                fs::write(file, text.replace('?', SECRET)).unwrap();
                let said = cli::call_with(&place, tool, input, &["-v", "--op-timeout", "100ms"]);
                assert!(
                    !said.stdout.contains(SECRET) && !said.stderr.contains(SECRET),
                    "{tool}, {text}: {said:?}"
                );
                for (path, whole) in files.iter().zip(&whole) {
                    match whole {
                        Some(whole) => fs::write(path, whole).unwrap(),
                        None => drop(fs::remove_file(path)),
                    }
                }
            }
        }
    }
}

fn tools_on_child(tool: &'static str) -> (&'static str, &'static str) {
    (tool, r#"{"name":"child"}"#)
}

#[test]
fn swaps_the_registry_at_every_moment() {
    let (place, _pod) = place_with_pod();
    let forged = place.runtime_dir().join("forged");
    let record = json!([place.native_record("forged")]).to_string();
    fs::write(&forged, record).unwrap();
    mode(&forged, 0o666);
    let genuine = place.runtime_dir().join("genuine");
    fs::copy(place.registry(), &genuine).unwrap();
    mode(&genuine, 0o644);
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                for file in [&forged, &genuine] {
                    let draft = place.runtime_dir().join("draft");
                    // The permissions come along with the name.
                    fs::hard_link(file, &draft).unwrap();
                    fs::rename(&draft, place.registry()).unwrap();
                    // Renaming one name of a file onto another does nothing.
                    let _ = fs::remove_file(&draft);
                }
            }
        });
        let mut batch = Batch::start(&place, [""; 0]);
        let (mut believed, mut refused) = (0, 0);
        while (believed == 0 || refused == 0) || believed + refused < 300 {
            let answer = batch.ask("ListPods", json!({})).to_string();
            assert!(!answer.contains("/work/forged"), "{answer}");
            match answer.contains("chmod go-w") {
                true => refused += 1,
                false => believed += 1,
            }
        }
        ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn mounts_a_directory_of_his_over_the_runtime_directory() {
    let (place, _pod) = place_with_pod();
    let his = place.root().join("his");
    fs::create_dir(&his).unwrap();
    fs::write(his.join("spawned_pods.json"), json!([place.native_record("forged")]).to_string()).unwrap();
    if !give_away(&his) {
        return;
    }
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "sh",
        "-c",
        "mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"",
        "sh",
    ]);
    unshare.arg(&his).arg(place.runtime_dir());
    unshare.arg(env!("CARGO_BIN_EXE_pod-tools")).args(["call", "ListPods", "--json"]).args(place.options());
    let said = cli::run(unshare);
    if said.code == Some(77) {
        println!("not run: this process may not mount anything");
        return;
    }
    let error = said.err();
    assert!(error.message.contains("another user (54321)"), "{error:?}");
}

#[test]
fn sends_descriptors_until_the_host_has_none_left() {
    let place = place();
    let sender = place.root().join("sender.py");
    fs::write(&sender, SENDER).unwrap();
    let directory = place.base().join("child");
    fs::create_dir(&directory).unwrap();
    let Ok(mut pod) =
        Command::new("python3").arg(&sender).arg(place.socket("child")).stdout(Stdio::piped()).spawn()
    else {
        println!("not run: there is no Python on this machine");
        return;
    };
    let mut ready = [0];
    std::io::Read::read_exact(pod.stdout.as_mut().unwrap(), &mut ready).unwrap();
    place.record(place.native_record("child")).unwrap();
    let mut batch = Batch::start(&place, [""; 0]);
    let open =
        |batch: &Batch| fs::read_dir(format!("/proc/{}/fd", batch.pid().as_raw_nonzero())).unwrap().count();
    let read = |batch: &mut Batch| {
        let answer = batch.ask("SendToPod", json!({ "name": "child", "message": "hello" }));
        assert!(answer["ok"].is_object(), "{answer}");
    };
    read(&mut batch);
    let before = open(&batch);
    for _ in 0..20 {
        read(&mut batch);
    }
    let after = open(&batch);
    pod.kill().unwrap();
    pod.wait().unwrap();
    assert!(after <= before + 2, "{before} descriptors before, {after} after 20 answers with 100 each");
}

/// A pod that hands 100 descriptors along with each piece of its answer.
const SENDER: &str = r#"
import array, os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
listener.listen()
os.write(1, b"r")
files = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(100)])
while True:
    client, _ = listener.accept()
    if not client.recv(65536):
        continue
    for line in (b'{"event":"turn_start","data":{"turn":0}}\n',
                 b'{"event":"text_delta","data":{"text":"hi"}}\n',
                 b'{"event":"run_end","data":{"result":"finished"}}\n'):
        client.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    client.close()
"#;

#[test]
fn keeps_a_pods_name_by_a_directory_of_his() {
    let place = place();
    let directory = place.base().join("mine");
    fs::create_dir(&directory).unwrap();
    let forged = json!({ "pod_name": "mine", "state": "idle" }).to_string();
    fs::write(directory.join("status.json"), forged).unwrap();
    if !give_away(&directory) {
        return;
    }
    let mut pod = cli::at(&place, ["pod", "mine"]);
    pod.args(["--", "cat"]);
    let refused = cli::run(pod);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains(directory.to_str().unwrap()), "{}", refused.stderr);
    // Another name is free.
    drop(RealPod::start(&place, "other", &[], &["cat"]));
}
