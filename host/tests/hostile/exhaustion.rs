//! Plugins that take all that there is.

use std::time::Duration;

use pod_tools_conformance::{Script, Step};
use pod_tools_host::ErrorKind;
use serde_json::{Value, json};

use crate::attack::{Attack, answering};

#[test]
pub fn loops_for_ever() {
    Attack::new("loops_for_ever").in_little_time().run().fails(ErrorKind::Limit, "(set CPU time)");
    // The call's time is up before that of the processor.
    let attack = Attack::new("loops_for_ever").limit(|limits| {
        limits.cpu_time = Duration::from_secs(60);
        limits.call_time = Duration::from_millis(400);
    });
    attack.run().fails(ErrorKind::Timeout, "(set call time)");
}

#[test]
pub fn recurses_for_ever() {
    Attack::new("recurses_for_ever").run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn takes_all_memory() {
    Attack::new("takes_all_memory")
        .run()
        .fails(ErrorKind::Limit, "more than 67108864 bytes of memory (set memory)");
}

#[test]
pub fn floods_the_host_with_calls() {
    Attack::new("floods_the_host_with_calls").run().fails(ErrorKind::Limit, "more than 20000 host calls");
}

#[test]
pub fn floods_wasi_with_calls() {
    Attack::new("floods_wasi_with_calls").in_little_time().run().fails(ErrorKind::Limit, "(set CPU time)");
}

#[test]
pub fn sleeps_for_ever() {
    Attack::new("sleeps_for_ever").in_little_time().run().fails(ErrorKind::Limit, "(set CPU time)");
}

#[test]
pub fn waits_for_a_silent_pod_for_ever() {
    let attack = Attack::new("waits_for_a_silent_pod_for_ever").script(Script::new()).sends(&["get_history"]);
    let attack = attack.limit(|limits| limits.call_time = Duration::from_millis(400));
    attack.run().fails(ErrorKind::Timeout, "(set call time)");
}

#[test]
pub fn reads_for_ever_a_byte_at_a_time() {
    let endless = Script::new().on("get_history", [Step::Flood(1 << 40)]);
    let attack = Attack::new("reads_for_ever_a_byte_at_a_time").script(endless).sends(&["get_history"]);
    attack.run().fails(ErrorKind::Limit, "more than 20000 host calls");
}

#[test]
pub fn hoards_pods() {
    Attack::new("hoards_pods").run().fails(ErrorKind::Limit, "more than 5000 handles (set handles)");
}

#[test]
pub fn hoards_pollables() {
    few_handles("hoards_pollables");
}

#[test]
pub fn writes_gigabytes_to_the_log() {
    let attack = Attack::new("writes_gigabytes_to_the_log");
    attack.limit(|limits| limits.cpu_time = Duration::from_secs(2)).run();
}

#[test]
pub fn asks_wasi_for_gigabytes() {
    for of in ["random", "insecure random", "zeroes", "zeroes, flushed", "zeroes to stdout"] {
        let attack = Attack::new("asks_wasi_for_gigabytes").input(of);
        attack.run().fails(ErrorKind::Internal, "the plugin failed");
    }
    for of in ["input", "skipped input", "splice"] {
        let attack = Attack::new("asks_wasi_for_gigabytes").input(of).script(answering());
        assert_eq!(attack.run().found(), "it did not care");
    }
}

#[test]
pub fn hoards_streams() {
    few_handles("hoards_streams");
}

fn few_handles(attack: &'static str) {
    Attack::new(attack).run().fails(ErrorKind::Limit, "more than 5000 handles (set handles)");
}

/// A record of that name whose scope takes that many bytes.
fn large(attack: &Attack, name: &str, bytes: usize) -> Value {
    let mut record = attack.place().native_record(name);
    let rule = json!({ "target": "x".repeat(1000), "permission": "read", "recursive": true });
    record["scope_delegated"] = vec![rule; bytes / 1000].into();
    record
}

#[test]
pub fn hoards_one_large_record() {
    let attack = Attack::new("hoards_one_large_record").grants(&["read:large"]).input("large");
    let record = large(&attack, "large", 176 << 10);
    attack.record(record).run().fails(ErrorKind::Limit, "more than 5000 handles (set handles)");
}

#[test]
pub fn hoards_the_versions_of_a_record() {
    let attack = Attack::new("hoards_the_versions_of_a_record").limit(|limits| limits.memory = 8 << 20);
    let (record, registry) = (large(&attack, "large", 1 << 20), attack.place().registry());
    let next = attack.place().root().join("next");
    let attack = attack.record(record).grants(&["read:large", "send:granted"]);
    let attack =
        attack.input("large granted").changes(&["spawner/spawned_pods.json"]).sends_over_and_over("run");
    // A version for each turn, and more than there is room for.
    let attack = attack.before_each_turn(20, move |version| {
        let mut records: Vec<Value> = serde_json::from_slice(&std::fs::read(&registry).unwrap()).unwrap();
        let large = records.iter_mut().find(|record| record["pod_name"] == "large").unwrap();
        large["callback_address"] = version.to_string().into();
        std::fs::write(&next, Value::from(records).to_string()).unwrap();
        std::fs::rename(&next, &registry).unwrap();
    });
    attack.run().fails(ErrorKind::Limit, "more than 8388608 bytes of memory (set memory)");
}

#[test]
pub fn gives_a_function_all_that_it_takes() {
    let endless = || Script::new().on("get_history", [Step::Flood(1 << 40)]).on("run", [Step::text("{}\n")]);
    for function in [
        "find",
        "list",
        "forget",
        "bounds",
        "describe",
        "state",
        "cursor",
        "set-cursor",
        "open",
        "read",
        "probe",
        "await-closed",
        "release",
        "reclaim-stale",
        "append",
        "get-random-bytes",
        "insecure random bytes",
        "write",
        "poll",
        "get-environment",
    ] {
        let attack = Attack::new("gives_a_function_all_that_it_takes").input(format!("{function} granted"));
        let records: Vec<Value> =
            (0..50).map(|number| large(&attack, &format!("granted-{number}"), 40 << 10)).collect();
        let sends: &[&'static str] = if function == "read" { &["get_history"] } else { &[] };
        let attack =
            attack.records(records).script(endless()).sends(sends).grants(&["list,send,read,stop:granted*"]);
        let attack = attack.limit(|limits| limits.cpu_time = Duration::from_secs(2));
        let error = attack.contending_for_the_lock().run();
        assert_eq!(error.error().kind, ErrorKind::Limit, "{function}: {}", error.error());
    }
}
