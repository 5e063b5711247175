//! A process that is asked by lines: the pods, and either side of the benchmark.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context;
use pod_tools_bench_native::drive::{Reply, Request};

use crate::measure::Sample;
use crate::place::Place;
use crate::programs::Programs;

/// A process that is talked to in lines, on its standard input and output. Dropped, it is killed.
pub struct Lines {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Lines {
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take().context("no standard input")?;
        let from = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, to, from })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        self.tell(line)?;
        self.hear()
    }

    pub fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.to.write_all(format!("{line}\n").as_bytes())?)
    }

    pub fn hear(&mut self) -> anyhow::Result<String> {
        let mut answer = String::new();
        anyhow::ensure!(self.from.read_line(&mut answer)? > 0, "it ended without an answer");
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Sandboxed,
    Native,
}

/// One side at work in a place.
pub struct Side {
    which: Which,
    lines: Lines,
}

impl Side {
    /// Starts it, warm: the component is compiled, the registry is read.
    pub fn start(which: Which, place: &Place, programs: &Programs) -> anyhow::Result<Self> {
        let mut command = match which {
            Which::Native => {
                let mut command = Command::new(programs.native());
                command.arg("serve").arg(place.registry()).arg(place.scope_lock());
                command
            }
            Which::Sandboxed => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("sandboxed").args([place.base(), place.runtime_dir(), place.scope_lock()]);
                command.arg(programs.cache());
                command
            }
        };
        Self::run(which, &mut command)
    }

    /// The same with another program for it.
    pub fn run(which: Which, command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self { which, lines: Lines::start(command)? })
    }

    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let answer = self.lines.ask(&serde_json::to_string(request)?);
        let answer = answer.with_context(|| format!("the {:?} side", self.which))?;
        let reply: Reply = serde_json::from_str(&answer)?;
        match reply.error {
            Some(error) => anyhow::bail!("the {:?} side: {error}", self.which),
            None => Ok(reply),
        }
    }

    /// What it takes to do that.
    pub fn sample(&mut self, request: &Request) -> anyhow::Result<Sample> {
        self.ask(request).map(|reply| Sample { seconds: reply.seconds, usage: reply.usage })
    }
}
