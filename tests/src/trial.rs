//! What a case works with: a place of its own, pods in it, and the host under test, started when it is first
//! called.

use std::ffi::OsString;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::failure::{Failure, Verdict};
use crate::host::{ANSWER_LIMIT, Hearing, Host, HostCommand};
use crate::place::Place;
use crate::pod::FakePod;
use crate::script::Script;
use crate::transcript::Transcript;

/// What all cases of a run share.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The host under test.
    pub command: HostCommand,
    /// How long it may take for one answer. Default: [`ANSWER_LIMIT`].
    pub answer_limit: Duration,
}

impl Setting {
    /// That host, with a generous limit.
    pub fn new(command: HostCommand) -> Self {
        Self { command, answer_limit: ANSWER_LIMIT }
    }
}

/// One run of one case.
#[derive(Debug)]
pub struct Trial {
    setting: Setting,
    place: Place,
    options: Vec<OsString>,
    host: Option<Host>,
    hosts_started: usize,
}

impl Trial {
    /// An empty place, and no host process yet.
    pub(crate) fn new(setting: &Setting) -> Result<Self, Failure> {
        let place = Place::new()?;
        let options = place.options();
        Ok(Self { setting: setting.clone(), place, options, host: None, hosts_started: 0 })
    }

    /// Where everything is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How long anything may take that a host is waited for.
    pub fn limit(&self) -> Duration {
        self.setting.answer_limit
    }

    /// A pod that is recorded in the registry, and says that it is idle.
    pub fn pod(&self, name: &str, script: Script) -> Result<FakePod, Failure> {
        Ok(FakePod::start(&self.place, name, script)?)
    }

    /// A pod that listens at `socket`. It is recorded by whoever wants it to be.
    pub fn pod_at(&self, socket: &Path, name: &str, script: Script) -> Result<FakePod, Failure> {
        Ok(FakePod::start_at(&self.place, socket, name, script)?)
    }

    /// A pod of any name, which need not be fit for a path: it listens beneath `directory` of the base, and
    /// is recorded.
    pub fn pod_in(&self, directory: &str, name: &str, script: Script) -> Result<FakePod, Failure> {
        let socket = self.place.socket(directory);
        self.record_at(name, &socket)?;
        self.pod_at(&socket, name, script)
    }

    /// A record of a pod of that name whose socket is said to be at `socket`.
    pub fn record_at(&self, name: &str, socket: &Path) -> Verdict {
        let mut record = self.place.native_record(name);
        record["socket_path"] = json!(socket);
        Ok(self.place.record(record)?)
    }

    /// A record of a pod that has died and left its socket behind.
    pub fn crashed_pod(&self, name: &str) -> Verdict {
        let socket = self.place.socket(name);
        std::fs::create_dir_all(self.place.base().join(name))?;
        drop(UnixListener::bind(socket)?);
        self.dead_pod(name)
    }

    /// A record of a pod that is no more.
    pub fn dead_pod(&self, name: &str) -> Verdict {
        Ok(self.place.record(self.place.native_record(name))?)
    }

    /// Gives an option to host processes that are started from here on.
    pub fn option(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.options.extend([option.into(), value.into()]);
        self
    }

    /// Takes an option back, however often it was given, from host processes that are started from here on.
    pub fn without_option(&mut self, option: &str) -> &mut Self {
        let pairs = self.options.chunks(2).filter(|pair| pair[0] != *option);
        self.options = pairs.flatten().cloned().collect();
        self
    }

    /// Grants that and no more than the grants given so far, to host processes that are started from here
    /// on. Without any grant a host under test allows everything.
    pub fn grant(&mut self, grant: &str) -> &mut Self {
        self.option("--grant", grant)
    }

    /// Has another command run the host processes that are started from here on: see
    /// [`HostCommand::run_by`].
    pub fn run_by<A: Into<OsString>>(&mut self, words: impl IntoIterator<Item = A>) -> &mut Self {
        self.setting.command = self.setting.command.run_by(words);
        self
    }

    /// Starts one more host process, with the options given so far.
    pub fn start(&mut self) -> Result<Host, Failure> {
        self.start_with(Hearing::Kit)
    }

    fn start_with(&mut self, hearing: Hearing) -> Result<Host, Failure> {
        self.hosts_started += 1;
        let name = match self.hosts_started {
            1 => "host".to_owned(),
            n => format!("host {n}"),
        };
        Host::start(
            &self.setting.command,
            &self.options,
            name,
            self.setting.answer_limit,
            &self.place.root().join("elsewhere"),
            self.place.transcript(),
            hearing,
        )
    }

    /// Runs one host process by another command (see [`HostCommand::run_by`]) for one line, until it ends,
    /// however that may be. Gives its answer, if there was one.
    pub fn start_once_by<A: Into<OsString>>(
        &mut self,
        words: impl IntoIterator<Item = A>,
        line: &str,
    ) -> Result<Option<Answer>, Failure> {
        let right = self.setting.command.clone();
        self.run_by(words);
        let host = self.start();
        self.setting.command = right;
        let mut host = host?;
        host.ask(line);
        host.last_answer()
    }

    /// Runs one host process that nobody hears, for one line, until it ends.
    pub fn start_unheard(&mut self, line: &str) -> Verdict {
        let mut host = self.start_with(Hearing::Nobody)?;
        host.ask(line);
        host.last_answer().map(|_| ())
    }

    /// The host process that calls go to; started if there is none.
    pub fn host(&mut self) -> Result<&mut Host, Failure> {
        let host = match self.host.take() {
            Some(host) => host,
            None => self.start()?,
        };
        Ok(self.host.insert(host))
    }

    /// Ends the host process in good order. The next call starts another one.
    pub fn restart(&mut self) -> Verdict {
        self.host.take().map_or(Ok(()), Host::finish)
    }

    /// Kills the host process. The next call starts another one.
    pub fn kill(&mut self) {
        if let Some(mut host) = self.host.take() {
            host.kill();
        }
    }

    /// Calls a tool and waits for the answer.
    pub fn call(&mut self, tool: &str, input: impl Into<Value>) -> Result<Answer, Failure> {
        self.host()?.call(tool, input)
    }

    /// `ListPods`
    pub fn list(&mut self) -> Result<Answer, Failure> {
        self.call("ListPods", json!({}))
    }

    /// `SendToPod`
    pub fn send(&mut self, name: &str, message: &str) -> Result<Answer, Failure> {
        self.call("SendToPod", json!({ "name": name, "message": message }))
    }

    /// `ReadPodOutput`
    pub fn read(&mut self, name: &str) -> Result<Answer, Failure> {
        self.call("ReadPodOutput", json!({ "name": name }))
    }

    /// `StopPod`
    pub fn stop(&mut self, name: &str) -> Result<Answer, Failure> {
        self.call("StopPod", json!({ "name": name }))
    }
}

/// Why a command is no host that cases could be run against.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` does not work as a host: expected {}; came {}\n{transcript}", failure.expected, failure.came)]
pub struct NoHost {
    command: String,
    failure: Failure,
    transcript: Transcript,
}

/// Starts a host in an empty place and ends its input: it must come and go in good order.
pub fn check_command(setting: &Setting) -> Result<(), NoHost> {
    let command = setting.command.words().join(" ");
    let no_host = |failure, transcript| NoHost { command: command.clone(), failure, transcript };
    let mut trial = Trial::new(setting).map_err(|failure| no_host(failure, Transcript::default()))?;
    let transcript = trial.place().transcript().clone();
    let verdict = trial.host().map(|_| ()).and_then(|()| trial.restart());
    drop(trial);
    verdict.map_err(|failure| no_host(failure, transcript))
}
