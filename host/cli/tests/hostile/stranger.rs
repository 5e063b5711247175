//! Another user: places that he can look into, and files that he plants or could have written.
//!
//! Whose process may give files away plants real ones of another user; any process plants its own where others could
//! have put them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::Value;

use crate::cli::{call, snapshot};

/// No user of any machine.
const STRANGER: u32 = 54_321;

pub fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A place that others can look into, as they can into `/tmp/x` made with the usual umask.
pub fn place() -> Place {
    let place = Place::new().unwrap();
    for directory in [place.root().to_owned(), place.base(), place.runtime_dir()] {
        mode(directory, 0o755);
    }
    place
}

/// The same, with a pod `child` that has a record, an allocation and a word to say.
pub fn place_with_pod() -> (Place, FakePod) {
    let place = place();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("hello")]))]);
    let pod = FakePod::start(&place, "child", script).unwrap();
    place.write_table(&[place.native_allocation("child", i64::from(std::process::id()))]).unwrap();
    for file in [place.registry(), place.scope_lock(), place.base().join("child/status.json")] {
        mode(file, 0o644);
    }
    mode(place.base().join("child"), 0o755);
    (place, pod)
}

/// Gives a file away. `false`, and a word about it, where this process may not.
pub fn give_away(path: impl AsRef<Path>) -> bool {
    let given = std::os::unix::fs::chown(path, Some(STRANGER), None).is_ok();
    if !given {
        println!("not run: only root can give files away");
    }
    given
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Calls, and expects to be told what to do about that file, with nothing changed.
pub fn refused(place: &Place, tool: &str, input: &Value, reason: &str, named: &Path, remedy: &str) {
    let before = snapshot(place.root());
    let error = call(place, tool, input).err();
    assert_eq!(error.words(), ("execution-failed", reason), "{error:?}");
    for part in [named.to_str().unwrap(), remedy] {
        assert!(error.message.contains(part), "{part} is not in: {}", error.message);
    }
    assert_eq!(snapshot(place.root()), before);
}
