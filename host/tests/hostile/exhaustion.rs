//! Plugins that take all that there is.

use std::time::Duration;

use pod_tools_conformance::{Script, Step};
use pod_tools_host::ErrorKind;

use crate::attack::{Attack, answering};

#[test]
pub fn loops_for_ever() {
    Attack::new("loops_for_ever").run().fails(ErrorKind::Limit, "(set CPU time)");
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
    let attack = Attack::new("takes_all_memory").limit(|limits| limits.cpu_time = Duration::from_secs(10));
    attack.run().fails(ErrorKind::Limit, "more than 67108864 bytes of memory (set memory)");
}

#[test]
pub fn floods_the_host_with_calls() {
    Attack::new("floods_the_host_with_calls").run().fails(ErrorKind::Limit, "more than 20000 host calls");
}

#[test]
pub fn floods_wasi_with_calls() {
    Attack::new("floods_wasi_with_calls").run().fails(ErrorKind::Limit, "(set CPU time)");
}

#[test]
pub fn sleeps_for_ever() {
    let attack = Attack::new("sleeps_for_ever").limit(|limits| limits.call_time = Duration::from_millis(400));
    attack.run().fails(ErrorKind::Timeout, "(set call time)");
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
    let attack = attack.limit(|limits| limits.cpu_time = Duration::from_secs(60));
    attack.run().fails(ErrorKind::Limit, "more than 20000 host calls");
}

#[test]
pub fn hoards_pods() {
    let attack = Attack::new("hoards_pods").limit(|limits| limits.cpu_time = Duration::from_secs(60));
    attack.run().fails(ErrorKind::Limit, "more than 5000 handles (set handles)");
}

#[test]
pub fn hoards_pollables() {
    Attack::new("hoards_pollables").run().fails(ErrorKind::Limit, "more than 5000 handles");
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
