//! Plugins that end in the middle of something.

use pod_tools_host::ErrorKind;

use crate::attack::Attack;
use crate::honest::honest_call;

#[test]
pub fn traps_at_once() {
    Attack::new("traps_at_once").run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_inside_a_connection() {
    let attack = Attack::new("traps_inside_a_connection").sends(&["get_history"]);
    attack.run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_between_release_and_forget() {
    let attack = Attack::new("traps_between_release_and_forget")
        .gone("gone")
        .grants(&["stop:gone"])
        .input("gone")
        .changes(&["scope.lock"]);
    let aftermath = attack.run();
    assert!(!aftermath.place.allocated().unwrap().contains(&"gone".to_owned()));
    assert!(aftermath.place.recorded().unwrap().contains(&"gone".to_owned()));
    // What was begun can be finished.
    let (summary, _) = honest_call(&aftermath.place, "StopPod", r#"{"name":"gone"}"#).unwrap();
    assert_eq!(summary, "stopped pod `gone`; reclaimed scope: write:/work/gone");
    assert!(!aftermath.place.recorded().unwrap().contains(&"gone".to_owned()));
    aftermath.fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn traps_after_setting_a_cursor() {
    Attack::new("traps_after_setting_a_cursor").run().fails(ErrorKind::Internal, "the plugin failed");
}

#[test]
pub fn exits() {
    Attack::new("exits").run().fails(ErrorKind::Internal, "the plugin failed");
}

/// The other way in is guarded as the first one is.
#[test]
fn a_transcript_is_no_way_out() {
    for (name, kind, says) in [
        ("traps_at_once", ErrorKind::Internal, "the plugin failed"),
        ("exits", ErrorKind::Internal, "the plugin failed"),
        ("recurses_for_ever", ErrorKind::Internal, "the plugin failed"),
        ("floods_the_host_with_calls", ErrorKind::Limit, "(set host calls)"),
        ("answers_without_end", ErrorKind::Limit, "(set transfer)"),
        ("fails_with_a_gigantic_message", ErrorKind::Limit, "(set transfer)"),
    ] {
        Attack::transcript(name).run().fails(kind, says);
    }
    let endless = Attack::transcript("loops_for_ever").in_little_time();
    endless.run().fails(ErrorKind::Limit, "(set CPU time)");
    // What it says is not read as anything but text.
    Attack::transcript("answers_what_is_not_json").run();
}
