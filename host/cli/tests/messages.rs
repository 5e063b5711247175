//! What a call that fails says, to the letter, where the words are the host's: what the operating system, a
//! grant, a socket, a lock or a limit has against it, and which option changes that. A failed call changes
//! nothing on disk.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use cli::{Batch, Refusal, place_with, snapshot, tools_on};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

/// The error of a call by a process with those options. It has changed nothing on disk.
fn fails(place: &Place, options: &[&str], tool: &str, input: Value) -> Refusal {
    let before = snapshot(place.root());
    let mut host = Batch::start(place, options);
    let refusal = Refusal::of(&host.ask(tool, input)["err"]);
    assert_eq!(host.finish(), (String::new(), Some(0)));
    assert_eq!(snapshot(place.root()), before, "{tool} has changed something: {refusal:?}");
    refusal
}

fn read(name: &str) -> (&'static str, Value) {
    ("ReadPodOutput", json!({ "name": name }))
}

fn send(name: &str, message: &str) -> (&'static str, Value) {
    ("SendToPod", json!({ "name": name, "message": message }))
}

fn stop(name: &str) -> (&'static str, Value) {
    ("StopPod", json!({ "name": name }))
}

fn refusal(kind: &str, reason: &str, message: impl Into<String>) -> Refusal {
    Refusal { kind: kind.to_owned(), reason: reason.to_owned(), message: message.into() }
}

#[test]
fn a_time_out_says_what_took_too_long_and_which_option_allows_more() {
    let half = [Step::text("{\"event\":\"turn_start\""), Step::Hang];
    let long = "x".repeat(8 << 20);
    for (script, (tool, input), message) in [
        (Script::new(), send("child", "hello"), "send to `child`: read timed out after 300ms"),
        (Script::new().on("*", half), send("child", "hello"), "send to `child`: read timed out after 300ms"),
        (Script::new(), read("child"), "read `child`: read timed out after 300ms"),
        (
            Script::new().greeting([Step::Hang]),
            send("child", &long),
            "send to `child`: write timed out after 300ms",
        ),
    ] {
        let (place, _pod) = place_with(script);
        let message = format!("{message} (allow more with --op-timeout)");
        let expected = refusal("execution-failed", "socket-timeout", message);
        assert_eq!(fails(&place, &["--op-timeout", "300ms"], tool, input), expected);
    }

    let (place, _pod) = place_with(Script::new().never_accepting(0));
    let _first = UnixStream::connect(place.socket("child")).unwrap();
    for ((tool, input), what) in [(send("child", "hello"), "send to"), (read("child"), "read")] {
        let message = format!("{what} `child`: connect timed out after 300ms (allow more with --op-timeout)");
        let expected = refusal("execution-failed", "socket-timeout", message);
        assert_eq!(fails(&place, &["--op-timeout", "300ms"], tool, input), expected);
    }

    let (place, _pod) = place_with(Script::new());
    let (tool, input) = read("child");
    let message = "the call took longer than 300ms (raise it with --call-timeout)";
    assert_eq!(fails(&place, &["--call-timeout", "300ms"], tool, input), refusal("timeout", "", message));
}

#[test]
fn a_pod_that_is_gone_is_told_in_the_words_of_the_operating_system() {
    let place = Place::new().unwrap();
    place.record(place.native_record("gone")).unwrap();
    place.record(place.native_record("dead")).unwrap();
    fs::create_dir(place.base().join("dead")).unwrap();
    drop(UnixListener::bind(place.socket("dead")).unwrap());
    for (name, why) in
        [("gone", "No such file or directory (os error 2)"), ("dead", "Connection refused (os error 111)")]
    {
        let (tool, input) = send(name, "hello");
        let message = format!("send to `{name}`: connect: {why}");
        let expected = refusal("execution-failed", "unreachable", message);
        assert_eq!(fails(&place, &[], tool, input), expected);
    }
}

#[test]
fn a_denial_says_what_is_not_granted_and_which_grant_it_takes() {
    let (place, pod) = place_with(Script::new());
    for ((tool, input), others, message) in [
        (("ListPods", json!({})), "send,read,stop", "listing pods is not granted; it takes the grant `list`"),
        (
            send("child", "hello"),
            "list,read,stop",
            "pod `child`: sending a message is not granted; it takes the grant `send:child`",
        ),
        (
            read("child"),
            "list,send,stop",
            "pod `child`: reading its output is not granted; it takes the grant `read:child`",
        ),
        (
            stop("child"),
            "list,send,read",
            "stop `child`: pod `child`: stopping it is not granted; it takes the grant `stop:child`",
        ),
    ] {
        let expected = refusal("denied", "not-granted", message);
        assert_eq!(fails(&place, &["--grant", others], tool, input), expected);
    }
    assert_eq!(pod.connections(), 0);
}

/// All tools that take a name refuse the socket of the pod, which is said to be there.
fn assert_refused(place: &Place, socket: impl AsRef<Path>, why: &str) {
    let mut record = place.native_record("child");
    record["socket_path"] = json!(socket.as_ref());
    place.write_registry(&json!([record]).to_string()).unwrap();
    let shown = socket.as_ref().to_string_lossy().replace('\n', "\\n").replace('\0', "\\u{0}");
    for (tool, input) in tools_on("child") {
        let context = if tool == "StopPod" { "stop `child`: " } else { "" };
        let message = format!("{context}pod `child`: its socket {shown} {why}");
        let expected = refusal("denied", "socket-refused", message);
        let input = serde_json::from_str(&input).unwrap();
        assert_eq!(fails(place, &[], tool, input), expected, "{tool}");
    }
}

#[test]
fn a_socket_that_is_refused_is_named_with_what_is_wrong_with_it() {
    const OUTSIDE: &str = "lies outside the granted directories (grant one with --allow-sockets)";
    let place = Place::new().unwrap();
    for path in ["/outside/sock", "child/sock", "", "/nowhere\nchild [alive]"] {
        assert_refused(&place, path, OUTSIDE);
    }
    assert_refused(
        &place,
        place.base().join("../outside/sock"),
        "has a path that is not plain names beneath a granted directory",
    );
    assert_refused(&place, "\0abstract", "is in the abstract namespace, which no directory can grant");

    let real = place.base().join("real");
    let pod = FakePod::start_unrecorded(&real.join("sock"), "child", Script::new()).unwrap();
    symlink(&real, place.base().join("alias")).unwrap();
    assert_refused(&place, place.base().join("alias/sock"), "lies behind a symbolic link");
    symlink("sock", real.join("link")).unwrap();
    assert_refused(&place, real.join("link"), "is a symbolic link");
    assert_refused(&place, &real, "is not a socket");
    assert_eq!(pod.connections(), 0);
}

#[test]
fn a_socket_of_another_user_is_refused_with_both_users() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can make a socket that belongs to somebody else");
        return;
    }
    let place = Place::new().unwrap();
    let socket = place.socket("child");
    let _pod = FakePod::start_unrecorded(&socket, "child", Script::new().listening_as(12_345)).unwrap();
    assert_refused(&place, &socket, "is served by a process of user 12345, not of user 0");
    std::os::unix::fs::chown(&socket, Some(12_345), None).unwrap();
    assert_refused(&place, &socket, "belongs to user 12345, not to user 0");
}

#[test]
fn a_stop_that_the_scope_table_stands_against_says_what_to_do() {
    // Another living pod has the name in the table, at another socket.
    let place = Place::new().unwrap();
    place.record(place.native_record("child")).unwrap();
    let namesake = place.base().join("namesake/sock");
    let _pod = FakePod::start_unrecorded(&namesake, "child", Script::new()).unwrap();
    let mut allocation = place.native_allocation("child", std::process::id().into());
    allocation["socket"] = json!(namesake);
    place.write_table(&[allocation]).unwrap();
    let stopped = |place: &Place| {
        let (tool, input) = stop("child");
        fails(place, &["--op-timeout", "300ms"], tool, input)
    };
    let message = "stop `child`: pod `child` still takes connections; nothing was released";
    assert_eq!(stopped(&place), refusal("execution-failed", "still-running", message));

    // Another process holds its lock.
    let place = Place::new().unwrap();
    place.record(place.native_record("child")).unwrap();
    let lock = fs::File::create(place.scope_lock()).unwrap();
    lock.lock().unwrap();
    let path = place.scope_lock().display().to_string();
    let message = format!(
        "stop `child`: the scope lock `{path}` was held by another process for 0.3 s; nothing was changed, \
         try again"
    );
    assert_eq!(stopped(&place), refusal("execution-failed", "lock-busy", message));
    drop(lock);

    fs::write(place.scope_lock(), "{}").unwrap();
    let message = format!(
        "stop `child`: the scope lock `{path}` is damaged: it has 0 members `allocations` instead of one; \
         it was left as it is; repair it, or empty it when no pod runs"
    );
    assert_eq!(stopped(&place), refusal("execution-failed", "lock-damaged", message));
    fs::remove_file(place.scope_lock()).unwrap();
    fs::create_dir(place.scope_lock()).unwrap();
    let message = format!(
        "stop `child`: the scope lock `{path}` is damaged: it is a directory, not a regular file; remove \
         what is there, or name another file with --scope-lock"
    );
    assert_eq!(stopped(&place), refusal("execution-failed", "lock-damaged", message));
}

#[test]
fn a_damaged_registry_is_named_with_what_to_do() {
    let place = Place::new().unwrap();
    place.write_registry("{}").unwrap();
    let path = place.registry().display().to_string();
    let message = format!(
        "read `child`: the registry file `{path}` is damaged: it holds no list of pods: something \
         else than belongs there at line 1, column 0; it was left as it is; repair it, or delete \
         it to forget all pods"
    );
    let (tool, input) = read("child");
    assert_eq!(fails(&place, &[], tool, input), refusal("execution-failed", "registry-damaged", message));
}

#[test]
fn a_limit_is_named_with_its_value_and_the_option_that_raises_it() {
    let items = |count: usize, bytes: usize| {
        let item = assistant(&"x".repeat(bytes));
        Script::new().on("get_history", [Step::line(history(&vec![item; count]))])
    };
    let list = || ("ListPods", json!({}));
    for (option, value, script, (tool, input), message) in [
        ("--cpu-time", "1ms", items(1 << 18, 64), read("child"), "the plugin computed for more than 1ms"),
        (
            "--memory",
            "64KiB",
            Script::new(),
            read("child"),
            "the plugin needs more than 65536 bytes of memory",
        ),
        (
            "--table-elements",
            "1",
            Script::new(),
            read("child"),
            "the plugin needs more than 1 table elements",
        ),
        (
            "--instances",
            "1",
            Script::new(),
            read("child"),
            "the plugin needs more than 1 instances, memories or tables",
        ),
        ("--host-calls", "2", items(1, 1), read("child"), "the plugin made more than 2 host calls"),
        ("--handles", "0", Script::new(), list(), "the plugin holds more than 0 handles"),
        (
            "--exchanges",
            "0",
            items(1, 1),
            read("child"),
            "read `child`: the plugin has 0 exchanges open already",
        ),
        (
            "--max-line",
            "1000",
            items(1, 1000),
            read("child"),
            "read `child`: the pod sent a line of more than 1000 bytes",
        ),
        (
            "--max-transfer",
            "1000",
            Script::new(),
            send("child", &"x".repeat(2000)),
            "the plugin hands over more than 1000 bytes at once",
        ),
        (
            "--max-transfer",
            "1000",
            items(1, 2000),
            read("child"),
            "the plugin hands over more than 1000 bytes at once",
        ),
        (
            "--max-data",
            "10",
            items(1, 1),
            read("child"),
            "the plugin's data, summary or message has more than 10 bytes",
        ),
    ] {
        let (place, _pod) = place_with(script);
        let expected = refusal("limit", "", format!("{message} (raise it with {option})"));
        assert_eq!(fails(&place, &[option, value], tool, input), expected);
    }
}
