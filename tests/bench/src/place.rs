//! A place with pods: directories, registry, scope table, and the process that serves the pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::pods::Behaviour;
use crate::side::Lines;

/// A temporary directory with pods in it. Dropped, it ends them.
pub struct Place {
    /// The process that serves them: it ends before the directory does.
    pods: Lines,
    root: tempfile::TempDir,
    names: Vec<String>,
    allocations: usize,
    /// The pods can be stopped.
    ending: bool,
}

impl Place {
    /// So many pods, named `pod-0` and so on, and a table of so many allocations, the pods' among them.
    pub fn new(pods: usize, behaviour: Behaviour, allocations: usize) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("pods-").tempdir()?;
        let names: Vec<String> = (0..pods).map(|number| format!("pod-{number}")).collect();
        fs::create_dir_all(root.path().join("base/spawner"))?;
        let mut sockets = Vec::new();
        for name in &names {
            let directory = root.path().join("base").join(name);
            fs::create_dir_all(&directory)?;
            let status = json!({ "pod_name": name, "session_id": "0", "state": "idle" });
            fs::write(directory.join("status.json"), status.to_string())?;
            sockets.push(directory.join("sock"));
        }
        let ending = matches!(behaviour, Behaviour::Answer(_));
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("pods").arg(serde_json::to_string(&behaviour)?).args(sockets);
        let pods = Lines::start(&mut command)?;
        let mut place = Self { pods, root, names, allocations: allocations.max(1), ending };
        place.renew()?;
        Ok(place)
    }

    /// As it was at first: all pods listen, with an empty backlog; registry and table are whole.
    pub fn renew(&mut self) -> anyhow::Result<()> {
        let records: Vec<Value> = self.names.iter().map(|name| self.record(name)).collect();
        fs::write(self.registry(), serde_json::to_string_pretty(&records)?)?;
        let others = (self.names.len()..self.allocations).map(|number| format!("other-{number}"));
        // A pod that can be stopped has a process that ends: here, one that is gone. The largest number is 2^22.
        let pid = if self.ending { (1 << 22) + 1 } else { self.pods.id() };
        let own = self.names.iter().map(|name| self.allocation(name, pid));
        let others = others.map(|name| self.allocation(&name, self.pods.id()));
        let allocations: Vec<Value> = own.chain(others).collect();
        let table = json!({ "allocations": allocations });
        fs::write(self.scope_lock(), serde_json::to_string_pretty(&table)?)?;
        self.listen()
    }

    /// All pods listen anew.
    pub fn listen(&mut self) -> anyhow::Result<()> {
        let answer = self.pods.ask("listen").context("the pods' process")?;
        anyhow::ensure!(answer == "listening", "the pods' process says {answer:?}");
        Ok(())
    }

    /// Nothing has been read: the files of a spawner's read cursors are those that are not its registry.
    pub fn forget_cursors(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(self.runtime_dir())? {
            let path = entry?.path();
            if path != self.registry() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where pods have their directories.
    pub fn base(&self) -> PathBuf {
        self.root.path().join("base")
    }

    /// The spawner's directory.
    pub fn runtime_dir(&self) -> PathBuf {
        self.base().join("spawner")
    }

    pub fn registry(&self) -> PathBuf {
        self.runtime_dir().join("spawned_pods.json")
    }

    pub fn scope_lock(&self) -> PathBuf {
        self.base().join("scope.lock")
    }

    /// For whatever else belongs to a run.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    fn record(&self, name: &str) -> Value {
        json!({
            "pod_name": name,
            "socket_path": self.base().join(name).join("sock"),
            "scope_delegated": [{ "target": format!("/work/{name}"), "permission": "write", "recursive": true }],
            "callback_address": self.runtime_dir().join("sock"),
        })
    }

    fn allocation(&self, name: &str, pid: u32) -> Value {
        json!({
            "pod_name": name,
            "pid": pid,
            "socket": self.base().join(name).join("sock"),
            "scope_allow": [{ "target": format!("/work/{name}"), "permission": "write", "recursive": true }],
            "delegated_from": null,
        })
    }
}

/// Thousands of pods need a descriptor each.
pub fn raise_descriptor_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
