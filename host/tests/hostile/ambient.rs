//! Plugins that look around: there is nothing.

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
