//! A directory in which `pod-tools` is run, with a cache and with credentials of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::{Finished, bare, run};

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("docker")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// What is here, beside the directories for credentials and the cache.
    pub fn files(&self) -> Vec<String> {
        let all = fs::read_dir(self.0.path()).unwrap();
        let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "docker" && name != "cache").collect();
        names.sort();
        names
    }

    /// Stores credentials as `docker login` does.
    pub fn log_in(&self, registry: &str, user: &str, password: &str) {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        let config = serde_json::json!({"auths": {registry: {"auth": auth}}});
        fs::write(self.path("docker/config.json"), config.to_string()).unwrap();
    }

    /// `pod-tools` with those arguments, here; what is compiled is kept where all tests find it.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = bare();
        command.args(arguments).current_dir(self.0.path());
        command.env("DOCKER_CONFIG", self.path("docker")).env("HOME", self.0.path());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        run(self.command(arguments))
    }

    /// The same with a cache that nothing is in.
    pub fn run_afresh<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        let mut command = self.command(arguments);
        command.env("XDG_CACHE_HOME", self.path("cache"));
        run(command)
    }

    /// Pushes, and gives the reference with its digest.
    pub fn push(&self, arguments: &[&str]) -> String {
        said(&self.run([&["push"], arguments].concat()))
    }

    /// Pulls, and gives the reference with its digest.
    pub fn pull(&self, arguments: &[&str]) -> String {
        said(&self.run([&["pull"], arguments].concat()))
    }

    /// What `pod-tools` says where it fails, with nothing written, here or on its standard output.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let before = self.files();
        let finished = self.run_afresh(arguments);
        assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
        assert_eq!(self.files(), before, "{finished:?}");
        finished.stderr
    }
}

/// The one line on the standard output of what went well.
fn said(finished: &Finished) -> String {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stdout.matches('\n').count(), 1, "{finished:?}");
    finished.stdout.trim_end().to_owned()
}
