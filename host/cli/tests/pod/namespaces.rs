//! Pods in two pid namespaces over one base directory, as two containers have them: random histories of starts, kills,
//! stops, cleaners and restarts of a whole namespace, whose numbers begin anew. No scope and no name is given twice.
//!
//! `POD_TOOLS_HISTORIES` sets how many histories are tried; without it, few enough for every day.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::harness::World;

const NAMES: [&str; 3] = ["a", "b", "c"];
const SCOPES: [&str; 2] = ["one", "two"];

#[derive(Debug, Clone)]
enum Step {
    /// Starts a pod of that name, for writing in that directory, in that namespace.
    Start { namespace: usize, name: usize, scope: usize },
    /// Kills a pod with SIGKILL.
    Kill { name: usize },
    /// Stops a pod, by a call from that namespace.
    Stop { namespace: usize, name: usize },
    /// Lists pods from that namespace, which reclaims what is stale.
    List { namespace: usize },
    /// A cleaner removes all sockets.
    Clean,
    /// Kills a namespace with all that is in it, and makes a new one.
    Restart { namespace: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (namespace, name, scope) = (0..2_usize, 0..NAMES.len(), 0..SCOPES.len());
    let step = prop_oneof![
        4 => (namespace.clone(), name.clone(), scope)
            .prop_map(|(namespace, name, scope)| Step::Start { namespace, name, scope }),
        2 => name.clone().prop_map(|name| Step::Kill { name }),
        2 => (namespace.clone(), name).prop_map(|(namespace, name)| Step::Stop { namespace, name }),
        1 => namespace.clone().prop_map(|namespace| Step::List { namespace }),
        1 => Just(Step::Clean),
        1 => namespace.prop_map(|namespace| Step::Restart { namespace }),
    ];
    prop::collection::vec(step, 2..10)
}

/// A shell that is process 1 of a pid namespace of its own, with a `/proc` of its own.
struct Namespace {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Namespace {
    fn new() -> Self {
        let mut process = unshare()
            .arg("sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Some versions complain when the shell is killed.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut namespace = Self { process, input, output };
        assert_eq!(namespace.tell("echo ready"), "ready");
        namespace
    }

    /// Has the shell do that, which writes one line.
    fn tell(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

/// Ends it, and everything in it.
impl Drop for Namespace {
    fn drop(&mut self) {
        // The child of `unshare` is process 1 there; `unshare` ends when that has.
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        for child in fs::read_to_string(children).unwrap().split_whitespace() {
            let _ = Command::new("kill").args(["-9", child]).status();
        }
        self.process.wait().unwrap();
    }
}

fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--mount-proc"]);
    unshare
}

/// A pod that lives, as far as the test knows.
struct Living {
    name: usize,
    scope: usize,
    namespace: usize,
    /// Its number in its namespace.
    pid: String,
    /// It says here what it has to say; at the end of it, it is gone.
    says: BufReader<File>,
}

struct Histories {
    world: World,
    namespaces: Vec<Namespace>,
    living: Vec<Living>,
    started: usize,
}

impl Histories {
    fn new() -> Self {
        let world = World::new();
        for scope in SCOPES {
            world.work_dir(scope);
        }
        Self { world, namespaces: vec![Namespace::new(), Namespace::new()], living: Vec::new(), started: 0 }
    }

    fn program(&self) -> String {
        let base = self.world.base();
        format!("{} --base-dir {}", quoted(Path::new(env!("CARGO_BIN_EXE_pod-tools"))), quoted(&base))
    }

    fn start(&mut self, namespace: usize, name: usize, scope: usize) {
        self.started += 1;
        let fifo = self.world.path(&format!("says-{}", self.started));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let line = format!(
            "{} pod {} --scope write:{} -- cat 2>{} </dev/null >/dev/null & echo $!",
            self.program(),
            NAMES[name],
            quoted(&self.world.path(SCOPES[scope])),
            quoted(&fifo),
        );
        let pid = self.namespaces[namespace].tell(&line);
        let mut says = BufReader::new(File::open(&fifo).unwrap());
        let mut said = String::new();
        says.read_line(&mut said).unwrap();
        let in_the_way = self.living.iter().any(|other| other.name == name || other.scope == scope);
        assert_eq!(said.contains("ready at"), !in_the_way, "{said}");
        if in_the_way {
            self.namespaces[namespace].tell(&format!("wait {pid}; echo done"));
        } else {
            self.living.push(Living { name, scope, namespace, pid, says });
        }
    }

    fn kill(&mut self, name: usize) {
        if let Some(at) = self.living.iter().position(|pod| pod.name == name) {
            let pod = self.living.swap_remove(at);
            self.namespaces[pod.namespace].tell(&format!("kill -9 {0}; wait {0}; echo done", pod.pid));
        }
    }

    /// A call of a tool from a namespace; whether it succeeded.
    fn call(&mut self, namespace: usize, tool: &str, input: &str) -> bool {
        let line = format!(
            "{} call {tool} '{input}' --op-timeout 200ms >/dev/null 2>&1 && echo done || echo failed",
            self.program()
        );
        self.namespaces[namespace].tell(&line) == "done"
    }

    fn stop(&mut self, namespace: usize, name: usize) {
        let is_recorded =
            self.world.records("pod-tools").iter().any(|record| record["pod_name"] == NAMES[name]);
        let stopped = self.call(namespace, "StopPod", &format!("{{\"name\":\"{}\"}}", NAMES[name]));
        let living = self.living.iter().position(|pod| pod.name == name);
        match living {
            Some(at) if stopped => {
                let mut pod = self.living.swap_remove(at);
                // It has ended, or is about to.
                pod.says.read_to_string(&mut String::new()).unwrap();
                self.namespaces[pod.namespace].tell(&format!("wait {}; echo done", pod.pid));
            }
            // A cleaner has taken its socket: it keeps all that it has.
            Some(_) => {}
            None => {
                assert_eq!(stopped, is_recorded, "what is dead can be stopped, as often as it is recorded")
            }
        }
    }

    fn clean(&self) {
        for name in NAMES {
            let _ = fs::remove_file(self.world.base().join(name).join("sock"));
        }
    }

    fn restart(&mut self, namespace: usize) {
        let ended = std::mem::replace(&mut self.namespaces[namespace], Namespace::new());
        drop(ended);
        self.living.retain(|pod| pod.namespace != namespace);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Start { namespace, name, scope } => self.start(namespace, name, scope),
            Step::Kill { name } => self.kill(name),
            Step::Stop { namespace, name } => self.stop(namespace, name),
            Step::List { namespace } => assert!(self.call(namespace, "ListPods", "{}")),
            Step::Clean => self.clean(),
            Step::Restart { namespace } => self.restart(namespace),
        }
        let table =
            if self.world.base().join("scope.lock").exists() { self.world.allocations() } else { Vec::new() };
        for pod in &self.living {
            let is_own = |entry: &&Value| entry["pod_name"] == NAMES[pod.name];
            let entry = table.iter().find(is_own).expect("a pod that lives has its entry");
            let target = self.world.path(SCOPES[pod.scope]).canonicalize().unwrap();
            assert_eq!(entry["pid"].to_string(), pod.pid);
            assert_eq!(entry["scope_allow"][0]["target"], target.to_str().unwrap());
            let recorded =
                self.world.records("pod-tools").iter().any(|record| record["pod_name"] == NAMES[pod.name]);
            assert!(recorded, "a pod that lives has its record");
        }
    }

    fn table(&self) -> Vec<Value> {
        if self.world.base().join("scope.lock").exists() { self.world.allocations() } else { Vec::new() }
    }

    /// Ends what lives, so that the next history begins with nothing.
    fn finish(&mut self) {
        for name in 0..NAMES.len() {
            self.kill(name);
            self.stop(0, name);
        }
        assert_eq!(self.table(), Vec::<Value>::new());
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn no_scope_is_given_twice_over_two_pid_namespaces() {
    match unshare().arg("true").output() {
        Ok(done) if done.status.success() => {}
        done => {
            println!("not run: pid namespaces cannot be made here ({done:?})");
            return;
        }
    }
    let cases = std::env::var("POD_TOOLS_HISTORIES").map_or(30, |many| many.parse().unwrap());
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let histories = std::cell::RefCell::new(Histories::new());
    let done = runner.run(&steps(), |steps| {
        // What a failed history left is none of the next one's.
        let mut of_now = histories.replace(Histories::new());
        for step in &steps {
            of_now.take(step);
        }
        of_now.finish();
        histories.replace(of_now);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}
