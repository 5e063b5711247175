//! `wrong-host FLAW COMMAND…`: a host that is wrong on purpose, made of a right one. For the kit's own tests.
//!
//! It stands between the kit and `COMMAND`: it changes the options, the lines that go through, or the files
//! beneath. With `none` for a flaw it changes nothing, and must pass.

mod files;
mod lines;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use pod_tools_conformance::flaw::Flaw;

use files::Files;

/// Every option that sets a limit.
const LIMITS: [&str; 13] = [
    "--op-timeout",
    "--call-timeout",
    "--cpu-time",
    "--memory",
    "--max-line",
    "--max-output",
    "--max-transfer",
    "--max-data",
    "--table-elements",
    "--instances",
    "--host-calls",
    "--handles",
    "--exchanges",
];

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("wrong-host: {error:#}");
        ExitCode::from(2)
    })
}

fn run() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let flaw = words.next().context("name a flaw, or `none`, and the command of a right host")?;
    let flaw = match flaw.to_str() {
        Some("none") => None,
        word => Some(word.and_then(Flaw::from_word).with_context(|| format!("there is no flaw {flaw:?}"))?),
    };
    let program = words.next().context("name the command of a right host")?;
    let words: Vec<_> = words.collect();
    let Some(flaw) = flaw else {
        // Nothing stands between: a host that hands answers on cannot know whether they arrive.
        return Err(Command::new(&program).args(words).exec())
            .context(format!("start {}", program.display()));
    };
    let mut files = Files::new(value_of(&words, "--runtime-dir")?, value_of(&words, "--scope-lock")?);
    let words = with_flaw(words, flaw, &files);
    let mut right = Right::start(&program, &words)?;

    let mut requests = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        if requests.read_until(b'\n', &mut line)? == 0 {
            return right.end();
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if flaw == Flaw::DiesOfBadLines && !lines::is_a_call(&line) {
            bail!("a line that is not a call");
        }
        if flaw == Flaw::LosesCursors {
            // What the last call has left is on disk for sure when a line behind it has its answer.
            right.call(b"{}\n")?;
        }
        files.before(flaw)?;
        let asked = std::time::Instant::now();
        let mut answer = match flaw {
            Flaw::AnswersEarly => right.call(&lines::without_a_wait(&line))?,
            Flaw::HangsUp => match lines::hang_up(&line, &files)? {
                Some(answer) => answer,
                None => right.call(&line)?,
            },
            _ => right.call(&line)?,
        };
        if flaw == Flaw::CallsTwice {
            answer = right.call(&line)?;
        }
        if flaw == Flaw::LosesParts && lines::is_cut(&answer) {
            right.call(&line)?;
        }
        if flaw == Flaw::MovesCursorsEarly {
            right.call(b"{}\n")?;
        }
        files.after(flaw)?;
        if flaw == Flaw::AnswersLate {
            std::thread::sleep(lines::wait_of(&line).saturating_sub(asked.elapsed()));
        }
        let Some(answer) = lines::rewrite(flaw, &line, answer, &files)? else {
            // For ever, or until the kit loses patience.
            loop {
                std::thread::park();
            }
        };
        let mut out = io::stdout().lock();
        out.write_all(&answer)?;
        out.flush()?;
    }
}

fn value_of(words: &[OsString], option: &str) -> anyhow::Result<PathBuf> {
    let at = words.iter().rposition(|word| word == option);
    let value = at.and_then(|at| words.get(at + 1)).with_context(|| format!("there is no {option}"))?;
    Ok(PathBuf::from(value))
}

/// The words of the command, less the options that the flaw leaves out, and with those that it puts in.
fn with_flaw(words: Vec<OsString>, flaw: Flaw, files: &Files) -> Vec<OsString> {
    let left_out: &[&str] = match flaw {
        Flaw::IgnoresGrants => &["--grant"],
        Flaw::IgnoresDirectories | Flaw::FollowsLinks => &["--allow-sockets"],
        Flaw::NoLimits => &LIMITS,
        Flaw::IgnoresLock => &["--scope-lock"],
        _ => &[],
    };
    let mut kept = Vec::with_capacity(words.len() + 2);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if left_out.iter().any(|option| word == *option) {
            words.next();
        } else {
            kept.push(word);
        }
    }
    if let Flaw::IgnoresDirectories | Flaw::FollowsLinks = flaw {
        kept.extend(["--allow-sockets", "/"].map(OsString::from));
    }
    if flaw == Flaw::IgnoresLock {
        kept.extend(["--scope-lock".into(), files.own_table().into()]);
    }
    kept
}

/// The right host.
struct Right {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Right {
    fn start(program: &OsStr, args: &[OsString]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let stdin = child.stdin.take().context("no pipe to the right host")?;
        let stdout = BufReader::new(child.stdout.take().context("no pipe from the right host")?);
        Ok(Self { child, stdin, stdout })
    }

    fn call(&mut self, line: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stdin.write_all(line)?;
        self.stdin.flush()?;
        let mut answer = Vec::new();
        self.stdout.read_until(b'\n', &mut answer)?;
        if answer.is_empty() {
            bail!("the right host has ended");
        }
        Ok(answer)
    }

    fn end(mut self) -> anyhow::Result<ExitCode> {
        drop(self.stdin);
        let status = self.child.wait()?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}
