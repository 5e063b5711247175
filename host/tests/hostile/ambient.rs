//! Plugins that look around: there is nothing.

use pod_tools_conformance::Script;
use serde_json::json;

use crate::attack::Attack;

#[test]
pub fn opens_files() {
    let attack = Attack::new("opens_files");
    let (file, directory) = (attack.place().registry(), attack.place().base());
    let aftermath = attack.input(format!("{}\n{}", file.display(), directory.display())).run();
    assert_eq!(aftermath.found(), &json!([]));
}

#[test]
pub fn reads_the_environment() {
    let aftermath = Attack::new("reads_the_environment").run();
    let nothing =
        json!({ "variables": 0, "arguments": 0, "directory": false, "input": false, "terminals": false });
    assert_eq!(aftermath.found(), &nothing);
}

#[test]
pub fn tells_the_time() {
    let aftermath = Attack::new("tells_the_time").run();
    assert_eq!(aftermath.found(), &json!({ "elapsed": 0, "since the epoch": 0 }));
}

#[test]
pub fn tells_the_time_by_pollables() {
    let aftermath = Attack::new("tells_the_time_by_pollables").run();
    assert_eq!(aftermath.found(), &json!({ "ready": [true, true], "polled": [0, 1, 2] }));
}

#[test]
pub fn times_its_work_by_an_exchange() {
    let attack = Attack::new("times_its_work_by_an_exchange").pod("silent", Script::new());
    let attack = attack.grants(&["read:granted", "read:silent"]).input("granted silent");
    let aftermath = attack.sends(&["get_history"]).run();
    assert_eq!(aftermath.found(), "ok");
}
