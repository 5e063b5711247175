//! Pods in the background, and the commands for them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::*;

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }
}

/// A world whose pods are ended with it, however the test ends.
pub struct Background {
    pub world: World,
}

impl Background {
    pub fn new() -> Background {
        Background { world: World::new() }
    }

    pub fn command(&self) -> Command {
        let mut command = self.world.command(&self.world.base());
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.env_remove("POD_NAME").env_remove("POD_SOCKET");
        command
    }

    pub fn run(&self, words: &[&str]) -> Done {
        let mut command = self.command();
        done(command.args(words))
    }

    /// Spawns a pod, which must go well; what was said of it.
    pub fn spawn(&self, words: &[&str]) -> String {
        self.run(&[&["spawn"], words].concat()).ok()
    }

    /// Spawns a pod, which must fail and leave nothing: the exit code, and what was said.
    pub fn refused(&self, name: &str, words: &[&str]) -> (i32, String) {
        let done = self.run(&[&["spawn", name], words].concat());
        assert_eq!(done.out, "", "{done:?}");
        (done.code.unwrap(), done.err)
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        self.world.base().join(name)
    }

    pub fn pid(&self, name: &str) -> Option<Pid> {
        let pid = fs::read_to_string(self.dir(name).join("pid")).ok()?;
        Pid::from_raw(pid.parse().unwrap())
    }

    pub fn list(&self) -> Vec<Value> {
        let listed: Value = serde_json::from_str(&self.run(&["ls", "--json"]).ok()).unwrap();
        listed["pods"].as_array().unwrap().clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let pods = fs::read_dir(self.world.base()).into_iter().flatten().flatten();
        for pid in pods.filter_map(|pod| self.pid(pod.file_name().to_str()?)) {
            let _ = kill_process(pid, Signal::KILL);
            eventually("the pod is gone", || !runs(&pid.as_raw_nonzero().to_string()));
        }
    }
}

pub fn done(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The processes that were told of that directory in their arguments or environment.
pub fn processes_of(base: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mentions =
        |file: PathBuf| fs::read(file).is_ok_and(|told| String::from_utf8_lossy(&told).contains(base));
    processes
        .filter(|process| {
            mentions(process.path().join("cmdline")) || mentions(process.path().join("environ"))
        })
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| runs(pid))
        .collect()
}
