//! Plugins that misuse connections.

use std::time::Duration;

use pod_tools_conformance::Script;
use pod_tools_host::{ErrorKind, Reason};

use crate::attack::{Attack, reason, word};

#[test]
pub fn keeps_all_exchanges_open() {
    let attack = Attack::new("keeps_all_exchanges_open");
    attack.run().fails(ErrorKind::Limit, "8 exchanges open already (set exchanges)");
}

#[test]
pub fn floods_a_pod_with_connections() {
    let attack = Attack::new("floods_a_pod_with_connections").limit(|limits| limits.host_calls = 1000);
    attack.run().fails(ErrorKind::Limit, "more than 1000 host calls");
}

#[test]
pub fn floods_a_pod_with_probes() {
    let attack = Attack::new("floods_a_pod_with_probes").limit(|limits| limits.host_calls = 1000);
    attack.run().fails(ErrorKind::Limit, "more than 1000 host calls");
}

#[test]
pub fn asks_for_longer_waits() {
    let attack = Attack::new("asks_for_longer_waits")
        .pod("full", Script::new().never_accepting(0))
        .grants(&["read,stop:granted", "read,stop:full", "list:granted"])
        .input("granted full")
        .script(Script::new())
        .sends(&["get_history"])
        .under_a_held_lock()
        .limit(|limits| limits.operation_time = Duration::from_millis(100));
    // The backlog of `full` takes one more connection than it was asked for.
    let _in_the_backlog = std::os::unix::net::UnixStream::connect(attack.place().socket("full")).unwrap();
    let aftermath = attack.run();
    let found = aftermath.found();
    let time_is_up = word(Reason::SocketTimeout);
    assert_eq!(reason(&found["read"]), time_is_up, "{found}");
    assert_eq!(reason(&found["open"]), time_is_up, "{found}");
    assert_eq!(found["await-closed"], false, "{found}");
    assert_eq!(reason(&found["release"]), word(Reason::LockBusy), "{found}");
    assert_eq!(reason(&found["reclaim-stale"]), word(Reason::LockBusy), "{found}");
}

#[test]
pub fn drops_an_exchange_unread() {
    Attack::new("drops_an_exchange_unread").run().found();
}

#[test]
pub fn forges_a_second_method() {
    let aftermath = Attack::new("forges_a_second_method").sends(&["run"]).run();
    let line: serde_json::Value = serde_json::from_str(&aftermath.received[0]).unwrap();
    assert_eq!(line, serde_json::json!({ "method": "run", "params": { "input": aftermath.found() } }));
}

#[test]
pub fn sends_gigantic_messages() {
    Attack::new("sends_gigantic_messages").run().fails(ErrorKind::Limit, "(set transfer)");
}

#[test]
pub fn sends_a_message_beyond_the_limit() {
    let attack = Attack::new("sends_a_message_beyond_the_limit");
    attack.run().fails(ErrorKind::Limit, "more than 8388608 bytes at once (set transfer)");
}

#[test]
pub fn probes_one_pod_over_and_over() {
    let aftermath = Attack::new("probes_one_pod_over_and_over").run();
    assert_eq!(aftermath.found(), 4_000);
    // The other one came when all was over.
    assert_eq!(aftermath.granted().connections(), 2);
}

#[test]
pub fn probes_more_pods_than_it_has_time_for() {
    const PODS: usize = 2_000;
    // How long the listing takes, which comes first, and all of the probing, depends on the machine: a time between.
    let (mut too_little, mut enough) = (Duration::ZERO, Duration::from_secs(4));
    for _ in 0..16 {
        let time = (too_little + enough) / 2;
        // It has room for all of them, so that each is seen to connect.
        let script = Script { backlog: 4096, ..Script::new() };
        let attack = Attack::new("probes_more_pods_than_it_has_time_for").grants(&["list:same-*"]);
        let mut record = attack.place().native_record("granted");
        let records: Vec<_> = (0..PODS)
            .map(|number| {
                record["pod_name"] = format!("same-{number}").into();
                record.clone()
            })
            .collect();
        let aftermath = attack.records(records).script(script).limit(|limits| limits.cpu_time = time).run();
        // One came when all was over.
        match aftermath.granted().connections() - 1 {
            0 => too_little = time,
            PODS => enough = time,
            _ => return aftermath.fails(ErrorKind::Limit, "(set CPU time)"),
        }
    }
    panic!("all were probed, or none");
}
