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
