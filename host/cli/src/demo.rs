//! `pod-tools demo`: real pods, one of them behind a fence, and the four tools on them, every call through the component.
//!
//! Everything happens in a temporary directory. What the demo expects it checks: it exits 0 only if every
//! answer was the right one.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, ensure};
use pod_tools_host::{Authority, ErrorKind, Grant, PodTools, Reason, ToolError};
use serde_json::json;

use crate::exit::INTERRUPTED;
use crate::interrupt::Interrupt;
use crate::options::Loading;
use crate::options::remedy::{explained, remedy};
use crate::streams::{Form, write_out};

/// See the four tools at work on real pods, in a temporary directory
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

pub async fn run(loading: &Loading) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::catch()?;
    let demo = async {
        let mut stage = Stage::set(loading).await?;
        let outcome = play(&mut stage).await;
        let cleared = stage.clear();
        outcome.and(cleared)
    };
    match interrupt.or(demo).await {
        Some(outcome) => outcome.map(|()| ExitCode::SUCCESS),
        None => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    say("Three pods are running, each a process of its own with a part of the disk to itself:")?;
    say("  echo      answers with what it was sent      (its command: cat)")?;
    say("  thinker   takes its time over every answer   (its command: a script that waits)")?;
    say("  victim    will not see the end of this\n")?;

    step("Which pods are there?")?;
    let answer = stage.call("ListPods", json!({})).await?;
    ensure!(answer.contains("3 pod(s) known"), "three pods should be known");
    ensure!(answer.matches("[alive]").count() == 3, "all three should be alive");

    step("Send one a message, and read what it answers once its turn is over.")?;
    let turn = stage.await_turn_of("echo")?;
    stage.call("SendToPod", json!({"name": "echo", "message": "Hello, pod!"})).await?;
    turn.over()?;
    let answer = stage.call("ReadPodOutput", json!({"name": "echo"})).await?;
    ensure!(answer.contains("Hello, pod!"), "the pod should have echoed the message");

    step("Read again: only what is new is given, and nothing is.")?;
    let answer = stage.call("ReadPodOutput", json!({"name": "echo"})).await?;
    ensure!(answer.contains("idle; no new assistant text"), "there should be nothing new");

    step("Give the slow one something to do, and look in while it runs.")?;
    let turn = stage.await_turn_of("thinker")?;
    stage.call("SendToPod", json!({"name": "thinker", "message": "What is the answer?"})).await?;
    let answer = stage.call("ReadPodOutput", json!({"name": "thinker"})).await?;
    ensure!(answer.contains("running; no new assistant text"), "it should still be thinking");

    step("A second message meanwhile is refused, and the first one goes on undisturbed.")?;
    let error = stage.fail("SendToPod", json!({"name": "thinker", "message": "Hurry!"})).await?;
    ensure!(error.reason == Some(Reason::AlreadyRunning), "the pod should be busy");

    step("Now it gets done, and what is new is read.")?;
    stage.let_the_thinker_finish()?;
    turn.over()?;
    let answer = stage.call("ReadPodOutput", json!({"name": "thinker"})).await?;
    ensure!(answer.contains("42"), "it should have found the answer");

    step(
        "The same plugin with fewer grants, only list and read: it cannot stop a pod, whatever its code does.",
    )?;
    let error = stage.fail_with(&["list,read"], "StopPod", json!({"name": "echo"})).await?;
    ensure!(error.kind == ErrorKind::Denied, "stopping should be denied");

    step(
        "One pod is killed with SIGKILL. The machine-wide table still gives it its scope, until the next listing.",
    )?;
    stage.kill("victim")?;
    show_answer(&format!("scope.lock: {}", stage.allocated()?.join(", ")))?;
    ensure!(
        stage.allocated()?.contains(&"victim".to_owned()),
        "a killed pod should leave its allocation behind"
    );
    let answer = stage.call("ListPods", json!({})).await?;
    ensure!(answer.contains("victim [stopped]"), "the killed pod should be shown as stopped");
    show_answer(&format!("scope.lock: {}", stage.allocated()?.join(", ")))?;
    ensure!(stage.allocated()? == ["echo", "thinker"], "its scope should have been reclaimed");

    step(
        "A fourth pod prints the files that it is asked for (its command: xargs cat). It is held to its scope: what is in it \
         is given, and nothing else is there for it.",
    )?;
    let is_fenced = stage.start("reader", &["xargs", "cat"])?;
    let (within, outside) = (stage.work("reader").join("notes"), stage.base.path().join("secret"));
    std::fs::write(&within, "Notes, in the scope.\n")?;
    std::fs::write(&outside, "A secret, outside of it.\n")?;
    let answer = stage.ask_for_file(&within).await?;
    ensure!(answer.contains("Notes, in the scope."), "it should have what is in its scope");
    let answer = stage.ask_for_file(&outside).await?;
    match is_fenced {
        true => ensure!(
            answer.contains("the last turn failed") && !answer.contains("A secret"),
            "what is outside of its scope should not be there"
        ),
        false => {
            say("This machine cannot hold a command to its scope; `pod-tools ls` says what is missing.\n")?
        }
    }

    step("Stop all of them; the answer comes when a pod is really gone.")?;
    for name in ["echo", "thinker", "victim", "reader"] {
        let answer = stage.call("StopPod", json!({"name": name})).await?;
        ensure!(answer.contains("reclaimed scope: write:"), "`{name}` should have been stopped");
        stage.wait_for(name)?;
    }
    let answer = stage.call("ListPods", json!({})).await?;
    ensure!(answer == "no spawned pods", "nothing should be left");

    say("Everything went as it should.")?;
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    write_out(&format!("{text}\n"), Form::Text, 0)
}

fn step(text: &str) -> io::Result<()> {
    say(&format!("{text}\n"))
}

/// The temporary directory, the pods in it, and the plugin.
struct Stage {
    tools: PodTools,
    base: tempfile::TempDir,
    pods: Vec<(&'static str, Child)>,
}

impl Stage {
    async fn set(loading: &Loading) -> anyhow::Result<Self> {
        // Nothing is to be left behind, so no compiled code is kept either.
        let tools = loading.builder()?.cache_dir(None).load().map_err(explained)?;
        let base =
            tempfile::Builder::new().prefix("pod-tools-demo-").tempdir().context("no temporary directory")?;
        let mut stage = Self { tools, base, pods: Vec::new() };
        std::fs::create_dir_all(stage.spawner_dir()).context("cannot make the spawner's directory")?;
        std::fs::create_dir_all(stage.work("thinker"))?;
        make_gate(&stage.gate())?;
        stage.start("echo", &["cat"])?;
        // Reading the gate ends when somebody has opened it for writing and closed it again.
        let think = "cat >/dev/null; cat \"$0\"; echo The answer is 42.";
        let gate = stage.gate().display().to_string();
        stage.start("thinker", &["sh", "-c", think, &gate])?;
        stage.start("victim", &["cat"])?;
        Ok(stage)
    }

    /// Where the pods are.
    fn pods_dir(&self) -> PathBuf {
        self.base.path().join("pods")
    }

    fn spawner_dir(&self) -> PathBuf {
        self.pods_dir().join("pod-tools")
    }

    /// What is a pod's to change.
    fn work(&self, name: &str) -> PathBuf {
        self.base.path().join("work").join(name)
    }

    fn gate(&self) -> PathBuf {
        self.work("thinker").join("gate")
    }

    fn scope_lock(&self) -> PathBuf {
        self.pods_dir().join("scope.lock")
    }

    /// Starts a pod in a process of its own, and waits until it says that it is ready. Whether it is held to its scope.
    fn start(&mut self, name: &'static str, command: &[&str]) -> anyhow::Result<bool> {
        let work = self.work(name);
        std::fs::create_dir_all(&work)?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut pod = Command::new(program);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("POD_TOOLS_") {
                pod.env_remove(variable);
            }
        }
        // On a machine that cannot hold a command to its scope there is a demonstration, too.
        pod.args(["pod", name, "--enforce", "best-effort", "--scope", &format!("write:{}", work.display())])
            .arg("--base-dir")
            .arg(self.pods_dir())
            .arg("--scope-lock")
            .arg(self.scope_lock())
            .arg("--")
            .args(command)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut pod = pod.spawn().with_context(|| format!("cannot start the pod `{name}`"))?;
        let said = pod.stderr.take().context("the pod has no standard error")?;
        self.pods.push((name, pod));
        let mut ready = String::new();
        BufReader::new(said).read_line(&mut ready)?;
        ensure!(ready.contains("ready"), "the pod `{name}` did not start: {ready}");
        Ok(ready.trim_end().ends_with(", fenced"))
    }

    /// What the reader answers when it is sent the path of a file.
    async fn ask_for_file(&self, file: &Path) -> anyhow::Result<String> {
        let turn = self.await_turn_of("reader")?;
        self.call("SendToPod", json!({"name": "reader", "message": file})).await?;
        turn.over_or_failed()?;
        self.call("ReadPodOutput", json!({"name": "reader"})).await
    }

    fn authority(&self, grants: &[&str]) -> anyhow::Result<Authority> {
        let mut builder = Authority::builder()
            .allow_sockets(self.pods_dir())
            .runtime_dir(self.spawner_dir())
            .scope_lock(self.scope_lock());
        for grant in grants {
            builder = builder.grant(grant.parse::<Grant>()?);
        }
        Ok(builder.remedy(remedy).build().map_err(explained)?)
    }

    /// Calls a tool with all grants, shows call and answer, and gives the answer's text.
    async fn call(&self, tool: &str, input: serde_json::Value) -> anyhow::Result<String> {
        show_call(tool, &input)?;
        let answer =
            self.tools.call(&self.authority(&["list,send,read,stop"])?, tool, &input.to_string()).await;
        let answer = answer.with_context(|| format!("{tool} should have worked"))?;
        let output = answer.output();
        let text = match &output.content {
            Some(content) => format!("{}\n{content}", output.summary),
            None => output.summary.clone(),
        };
        show_answer(&text)?;
        answer.delivered().await?;
        Ok(text)
    }

    /// Calls a tool that should fail.
    async fn fail(&self, tool: &str, input: serde_json::Value) -> anyhow::Result<ToolError> {
        self.fail_with(&["list,send,read,stop"], tool, input).await
    }

    async fn fail_with(
        &self,
        grants: &[&str],
        tool: &str,
        input: serde_json::Value,
    ) -> anyhow::Result<ToolError> {
        show_call(tool, &input)?;
        match self.tools.call(&self.authority(grants)?, tool, &input.to_string()).await {
            Ok(answer) => {
                anyhow::bail!("{tool} should have failed, and answered {}", answer.output().summary)
            }
            Err(error) => {
                show_answer(&format!("error ({}): {}", error.kind, error.message))?;
                Ok(error)
            }
        }
    }

    /// Listens in on a pod, as any client may, to know when its next turn is over.
    fn await_turn_of(&self, name: &str) -> anyhow::Result<Turn> {
        let stream = UnixStream::connect(self.pods_dir().join(name).join("sock"))?;
        // What was answered proves that this client is among those to whom events are sent from now on.
        (&stream).write_all(b"{\"method\":\"get_history\"}\n")?;
        let mut turn = Turn(BufReader::new(stream));
        turn.next_event(&["history"])?;
        Ok(turn)
    }

    fn let_the_thinker_finish(&self) -> anyhow::Result<()> {
        std::fs::OpenOptions::new().write(true).open(self.gate())?;
        Ok(())
    }

    fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let pod = self.pods.iter_mut().find(|(running, _)| *running == name);
        pod.context("no such pod")?.1.kill()?;
        self.wait_for(name)
    }

    /// Waits until the pod's process is gone.
    fn wait_for(&mut self, name: &str) -> anyhow::Result<()> {
        let pod = self.pods.iter_mut().find(|(running, _)| *running == name);
        pod.context("no such pod")?.1.wait()?;
        Ok(())
    }

    /// The names in the scope table.
    fn allocated(&self) -> anyhow::Result<Vec<String>> {
        let table = pod_tools_host::scope::Table::parse(&std::fs::read(self.scope_lock())?)?;
        Ok(table.allocations().map(|allocation| allocation.pod_name.clone()).collect())
    }

    /// Ends the pods and removes the directory. Dropping the stage does so too, without a word about failures.
    fn clear(mut self) -> anyhow::Result<()> {
        end(&mut self.pods);
        std::fs::remove_dir_all(self.base.path()).context("cannot remove the temporary directory")
    }
}

/// Ends what still runs, in good order.
fn end(pods: &mut Vec<(&'static str, Child)>) {
    for (_, mut pod) in pods.drain(..) {
        if matches!(pod.try_wait(), Ok(None)) {
            if let Some(pid) = rustix::process::Pid::from_raw(pod.id().cast_signed()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = pod.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        end(&mut self.pods);
    }
}

/// A turn that somebody is waiting for.
struct Turn(BufReader<UnixStream>);

impl Turn {
    fn over(mut self) -> anyhow::Result<()> {
        self.next_event(&["run_end"])
    }

    /// The same of a turn that may fail, on a pod that has refused nothing meanwhile: that is an error event, too.
    fn over_or_failed(mut self) -> anyhow::Result<()> {
        self.next_event(&["run_end", "error"])
    }

    /// Reads until an event of one of those kinds comes.
    fn next_event(&mut self, kinds: &[&str]) -> anyhow::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.0.read_line(&mut line)? > 0, "the pod has closed the connection");
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if kinds.iter().any(|kind| event["event"] == *kind) {
                return Ok(());
            }
        }
    }
}

fn show_call(tool: &str, input: &serde_json::Value) -> io::Result<()> {
    say(&format!("    > {tool} {input}"))
}

fn show_answer(text: &str) -> io::Result<()> {
    say(&text.lines().map(|line| format!("    {line}\n")).collect::<String>())
}

fn make_gate(path: &Path) -> anyhow::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).context("cannot make a FIFO")
}
