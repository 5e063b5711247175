//! Plugins that do what they were not granted.

use std::sync::mpsc;
use std::time::Duration;

use pod_tools_conformance::{FakePod, Script, Step};
use pod_tools_host::{ErrorKind, Reason};
use serde_json::{Value, json};

use crate::attack::{Attack, answering, reason, word};

/// Each request, and the verbs of which one allows it.
const NEEDS: &[(&str, &[&str])] = &[
    ("find to Verb::List", &["list"]),
    ("find to Verb::Send", &["send"]),
    ("find to Verb::Read", &["read"]),
    ("find to Verb::Stop", &["stop"]),
    ("state", &["read", "send"]),
    ("cursor", &["read"]),
    ("set-cursor", &["read"]),
    ("run", &["send"]),
    ("get-history", &["read"]),
    ("probe", &["list"]),
    ("list", &["list"]),
    ("reclaim-stale", &["list"]),
    ("release", &["stop"]),
    ("forget", &["stop"]),
    ("await-closed", &["stop"]),
    ("shutdown", &["stop"]),
];
/// What a pod sees of them, in their order.
const SEEN: &[(&str, &str)] = &[("run", "run"), ("get-history", "get_history"), ("shutdown", "shutdown")];

#[test]
pub fn tries_every_request() {
    let verbs = ["list", "send", "read", "stop"];
    let all_but_one =
        verbs.iter().map(|missing| verbs.iter().copied().filter(|verb| verb != missing).collect());
    let only_one = verbs.iter().map(|&verb| vec![verb]);
    for granted in all_but_one.chain(only_one).chain([Vec::new()]) {
        check_every_request(&granted);
    }
}

fn check_every_request(granted: &[&str]) {
    let allowed = |needs: &[&str]| needs.iter().any(|verb| granted.contains(verb));
    let allows = |request: &str| NEEDS.iter().any(|(name, needs)| *name == request && allowed(needs));
    let grants: &[&'static str] = &[match granted.join(",") {
        none if none.is_empty() => "list,send,read,stop:somebody-else",
        verbs => Box::leak(format!("{verbs}:granted").into_boxed_str()),
    }];
    let sends: Vec<&'static str> =
        SEEN.iter().filter(|(request, _)| allows(request)).map(|(_, method)| *method).collect();
    // It answers a shutdown, and lives on.
    let script = answering().on("shutdown", [Step::text("{\"event\":\"shutdown\"}\n")]);
    let aftermath = Attack::new("tries_every_request").grants(grants).script(script).sends(&sends).run();
    let found = aftermath.found();
    for (request, needs) in NEEDS {
        let answer = &found[request];
        // Without a handle there is nothing to try.
        if answer.is_null() {
            assert!(granted.is_empty(), "{request} was not tried");
            continue;
        }
        let denied = reason(answer) == word(Reason::NotGranted);
        // Where nothing is granted for this pod, there is a grant for another.
        let for_another = granted.is_empty() && matches!(*request, "list" | "reclaim-stale");
        assert_eq!(!denied, allowed(needs) || for_another, "{request} with {granted:?}: {answer}");
        if denied {
            assert_eq!(answer["kind"], "ErrorKind::Denied");
        }
    }
}

#[test]
pub fn guesses_names() {
    // `other` exists; the rest do not.
    let names = ["other", "othe", "nobody", "", "granted2", "other\u{0}", "../other", "honest", "*"];
    let attack = Attack::new("guesses_names").input(names.join("\n"));
    let text = std::fs::read_to_string(attack.place().registry()).unwrap();
    assert_eq!(text, "[]");
    let aftermath = attack.run();
    let found = aftermath.found();
    assert_eq!(found["listed"], json!(["granted", "outside"]));
    let guesses = found["guesses"].as_array().unwrap();
    assert_eq!(guesses.len(), names.len());
    // Told apart by nothing but the name that was asked for.
    let without_name = |guess: &Value| {
        let name = guess[0].as_str().unwrap().replace('\0', "\\u{0}");
        let answers = guess[1].as_array().unwrap().iter();
        answers
            .map(|answer| {
                assert_eq!(reason(answer), word(Reason::NotGranted), "{answer}");
                let message = answer["message"].as_str().unwrap();
                message.replace(&format!("`{name}`"), "NAME").replace(&format!(":{name}`"), ":NAME`")
            })
            .collect::<Vec<_>>()
    };
    for guess in guesses {
        assert_eq!(without_name(guess), without_name(&guesses[0]), "{guess}");
    }
}

#[test]
pub fn reaches_outside() {
    let aftermath = Attack::new("reaches_outside").input("outside").run();
    let found = aftermath.found();
    let refused = word(Reason::SocketRefused);
    for request in ["run", "get-history", "shutdown", "await-closed", "release"] {
        assert_eq!(reason(&found[request]), refused, "{request}: {found}");
    }
    assert_eq!(found["probe"], "[Reachability::Denied]");
    assert_eq!(found["state"], false);
    assert_eq!(reason(&found["forget"]), word(Reason::StillRunning));
}

#[test]
pub fn releases_a_living_pod() {
    let is_refused = |attack: Attack| {
        for answer in attack.run().found().as_array().unwrap() {
            assert_eq!(reason(answer), word(Reason::StillRunning), "{answer}");
        }
    };
    is_refused(Attack::new("releases_a_living_pod"));

    // A pod that takes no connection off its backlog lives as well.
    let full = Script::new().never_accepting(0);
    let attack = Attack::new("releases_a_living_pod").pod("full", full).grants(&["stop:full"]).input("full");
    let _in_the_backlog = std::os::unix::net::UnixStream::connect(attack.place().socket("full")).unwrap();
    is_refused(attack);
}

#[test]
pub fn forgets_without_release() {
    let attack = Attack::new("forgets_without_release").gone("gone").grants(&["stop:gone"]).input("gone");
    let aftermath = attack.changes(&["scope.lock"]).run();
    for answer in aftermath.found().as_array().unwrap() {
        assert_eq!(reason(answer), word(Reason::StillRunning), "{answer}");
    }
}

#[test]
pub fn forgets_a_pod_that_came_back() {
    let messenger = Script::new().on("run", [Step::Wait("back".into()), Step::text("{}\n")]);
    let attack = Attack::new("forgets_a_pod_that_came_back").gone("gone").script(messenger);
    let socket = attack.place().socket("gone");
    let aftermath = attack
        .grants(&["stop:gone", "send:granted"])
        .input("gone granted")
        .sends(&["run"])
        .changes(&["scope.lock", "gone", "gone/sock", "gone/status.json"])
        .meanwhile(move |granted| {
            granted.await_lines(1);
            let back = FakePod::start_unrecorded(&socket, "gone", answering()).unwrap();
            granted.open_gate("back");
            Some(back)
        })
        .run();
    assert_eq!(reason(aftermath.found()), word(Reason::StillRunning), "{}", aftermath.found());
}

#[test]
pub fn hammers_the_scope_lock() {
    let (locked, native) = mpsc::channel();
    let attack = Attack::new("hammers_the_scope_lock").limit(|limits| limits.host_calls = 2000);
    let lock = attack.place().scope_lock();
    let attack = attack.meanwhile(move |_| {
        // As a native process does: it waits for as long as it takes.
        for _ in 0..10 {
            std::fs::File::open(&lock).unwrap().lock().unwrap();
        }
        locked.send(()).unwrap();
        None
    });
    attack.run().fails(ErrorKind::Limit, "more than 2000 host calls");
    native.recv().unwrap();
}

#[test]
pub fn releases_without_end() {
    // The table is large, and read on another thread: it takes far longer than what is done on this one.
    let attack = Attack::new("releases_without_end").limit(|limits| {
        limits.cpu_time = Duration::from_millis(200);
        limits.call_time = Duration::from_secs(60);
        limits.host_calls = 60;
    });
    let record = attack.place().native_record("dead");
    let records: Vec<Value> = (0..1000)
        .map(|number| {
            let mut record = record.clone();
            record["pod_name"] = format!("dead-{number}").into();
            record
        })
        .collect();
    attack.records(records).contending_for_the_lock().run().fails(ErrorKind::Limit, "(set CPU time)");
}
