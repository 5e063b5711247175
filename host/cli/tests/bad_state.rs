//! State that cannot be used or written, where the command line has a word of its own to say.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{call, run, snapshot};
use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

#[test]
fn a_runtime_directory_that_does_not_exist_is_named_and_nothing_is_made() {
    let place = Place::new().unwrap();
    let before = snapshot(place.root());
    for option in [&["--runtime-dir", "/nowhere/spawner"][..], &["--spawner", "nobody"]] {
        let mut command = cli::bare();
        command.args(["call", "ListPods", "--json"]).arg("--base-dir").arg(place.base()).args(option);
        let error = run(command).err();
        assert_eq!(error.words(), ("execution-failed", "registry-damaged"));
        for part in [option[1], "--runtime-dir or --spawner"] {
            assert!(error.message.contains(part), "{part}: {}", error.message);
        }
    }
    assert_eq!(snapshot(place.root()), before);
}

/// A small file system of its own. Dropped, it is unmounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a word about it, where this process may not mount anything.
    fn mount(at: &Path) -> Option<Self> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            _ => {
                println!("not run: a full disk takes the right to mount one");
                None
            }
        }
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let blocks = std::iter::repeat_n([b'x'; 4096], 64).flatten().collect::<Vec<u8>>();
        fs::write(self.0.join("filler"), blocks).unwrap_err();
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_the_text_is_given_with_a_warning_and_given_again() {
    let place = Place::new().unwrap();
    let Some(disk) = SmallDisk::mount(&place.runtime_dir()) else { return };
    place.write_registry("[]").unwrap();
    let script = Script::new().on("get_history", [Step::line(history(&[assistant("precious")]))]);
    let _pod = FakePod::start(&place, "child", script).unwrap();
    disk.fill();
    let before = snapshot(&place.runtime_dir());
    let read = || call(&place, "ReadPodOutput", &json!({"name": "child"}));
    for _ in 0..2 {
        let given = read();
        assert_eq!(given.ok()["content"], "precious");
        for part in ["warning: the read cursor of pod `child` was not stored", "given again", "No space left"]
        {
            assert!(given.stderr.contains(part), "{part}: {}", given.stderr);
        }
        let mut after = snapshot(&place.runtime_dir());
        // The lock's own file takes no room.
        after.retain(|path, _| !path.ends_with("spawned_pods.lock"));
        assert_eq!(after, before);
    }
    disk.make_room();
    assert_eq!(read().ok()["content"], "precious");
    assert_eq!(read().ok()["content"], Value::Null);
}
