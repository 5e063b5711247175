//! Plugins that want to remember.

use pod_tools_host::ErrorKind;
use serde_json::json;

use crate::attack::{Attack, TEXT};
use crate::honest::honest_call;

#[test]
pub fn keeps_its_state() {
    // Often enough that every place in the pool is taken twice.
    for _ in 0..16 {
        let aftermath = Attack::new("keeps_its_state").run();
        assert_eq!(aftermath.found(), &json!({ "calls": 0, "found": 0 }));
    }
}

#[test]
pub fn sets_a_cursor_beyond_the_end_and_fails() {
    let aftermath = Attack::new("sets_a_cursor_beyond_the_end_and_fails").delivered().run();
    let (summary, content) = honest_call(&aftermath.place, "ReadPodOutput", r#"{"name":"granted"}"#).unwrap();
    assert_eq!(content.as_deref(), Some(TEXT), "{summary}");
    assert!(!summary.contains("rewritten"), "{summary}");
    aftermath.fails(ErrorKind::ExecutionFailed, "it was not me");
}

#[test]
pub fn sets_a_cursor_beyond_the_end() {
    let attack = Attack::new("sets_a_cursor_beyond_the_end").delivered();
    let attack = attack.changes(&["spawner/read_cursors.json", "spawner/spawned_pods.lock"]);
    let aftermath = attack.run();
    assert!(aftermath.place.runtime_dir().join("read_cursors.json").exists());
    // The next honest read gives everything again, and says so.
    let (summary, content) = honest_call(&aftermath.place, "ReadPodOutput", r#"{"name":"granted"}"#).unwrap();
    assert_eq!(content.as_deref(), Some(TEXT), "{summary}");
    assert!(summary.ends_with("; history was rewritten, given from its start"), "{summary}");
    // And the one after that is as if nothing had happened.
    let (summary, content) = honest_call(&aftermath.place, "ReadPodOutput", r#"{"name":"granted"}"#).unwrap();
    assert_eq!((summary.as_str(), content), ("pod `granted` idle; no new assistant text", None));
}
