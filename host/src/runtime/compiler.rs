//! A process in which a component is compiled. What a compiler takes of memory is no function of a component's size:
//! a function type of a thousand results and a thousand calls of it are some kilobytes, and a million values. So the
//! kernel bounds it, in a process that holds nothing else, and that is killed when its time is over.
//!
//! The component goes in on its standard input, the code comes out on its standard output, or why there is none on its
//! standard error. The code is believed as that which is compiled here: the process runs the same program.

use std::ffi::OsString;
use std::io::{self, PipeWriter, Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::component::{Compiled, made};
use super::engine::{self, Execution};
use super::load_error::LoadError;

/// Bytes of memory, by default.
const MEMORY: u64 = 1 << 30;
/// Bytes of code that are taken.
const MAX_CODE: u64 = 256 << 20;
/// Bytes of what it says about a component that cannot be compiled.
const MAX_WORDS: u64 = 4096;
/// Threads that compile. Each holds a function: what a component takes of memory depends on them.
const MAX_THREADS: usize = 8;
/// Its exit status where the component is at fault, and where its memory was not enough.
const FAULTY: u8 = 1;
const OUT_OF_MEMORY: u8 = 3;
const INTERPRETED: &str = "interpreted";
const NATIVE: &str = "native";

/// A program that compiles components in a process of its own: one that calls [`run_compiler`](run) with the arguments
/// that follow these. Best the very program that loads them, since the code is of use to the same version alone.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    memory: u64,
}

impl Compiler {
    /// This program, with these arguments before those that it is given.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.into(), arguments, memory: MEMORY }
    }

    /// The most memory that the process may take, in bytes: `RLIMIT_DATA`, which counts all that it can write to, of
    /// all its threads. Default: 1 GiB.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The code of a component, for that engine, which was made for that execution and so many calls at once, before the
    /// deadline, which is that of the limit.
    pub(super) fn compile(
        &self,
        name: &str,
        binary: &[u8],
        (engine, execution, calls): (&Engine, Execution, u32),
        (deadline, limit): (Instant, Duration),
    ) -> Result<Compiled, LoadError> {
        let failed = |error: io::Error| LoadError::Engine(format!("the compiler cannot be run: {error}"));
        let gave_up = |detail: String| LoadError::NotAComponent { name: name.to_owned(), detail };
        let mut process = self.start(execution, calls).map_err(failed)?;
        let Some(code) = process.exchange(binary, deadline).map_err(failed)? else {
            // Whoever waits for the component gives up at the same time: either may be first to say so.
            return Err(LoadError::TookTooLong { name: name.to_owned(), limit });
        };
        if code.len() as u64 > MAX_CODE {
            return Err(gave_up(format!("its code has more than {MAX_CODE} bytes")));
        }
        let (status, words) = process.end().map_err(failed)?;
        match status.code().map(u8::try_from) {
            Some(Ok(0)) => {
                // SAFETY: the bytes are what `precompile_component` gave to a process of this program.
                made(name, unsafe { Component::deserialize(engine, &code) })
            }
            Some(Ok(FAULTY)) => Err(gave_up(words)),
            // An allocation that fails ends a process by SIGABRT.
            Some(Ok(OUT_OF_MEMORY)) => {
                Err(LoadError::TookTooMuchMemory { name: name.to_owned(), limit: self.memory })
            }
            None if is_by(status, Signal::ABORT) => {
                Err(LoadError::TookTooMuchMemory { name: name.to_owned(), limit: self.memory })
            }
            _ => Err(gave_up(format!("the compiler gave up on it ({status})"))),
        }
    }

    fn start(&self, execution: Execution, calls: u32) -> io::Result<Process> {
        let (stdin, to) = io::pipe()?;
        let (from, stdout) = io::pipe()?;
        let (said, stderr) = io::pipe()?;
        let how = if execution == Execution::Interpreted { INTERPRETED } else { NATIVE };
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
        let child = Command::new(&self.program)
            .env("RAYON_NUM_THREADS", threads.to_string())
            .args(&self.arguments)
            .args([how, &calls.to_string(), &self.memory.to_string()])
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        Ok(Process { child, to: Some(to), from: from.into(), said: said.into() })
    }
}

/// A compiler at work. Dropped, it is killed.
struct Process {
    child: Child,
    to: Option<PipeWriter>,
    from: OwnedFd,
    said: OwnedFd,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Gives it the component, and takes what it writes, a byte more than is taken of code at most; `None` where the
    /// deadline comes first.
    fn exchange(&mut self, mut binary: &[u8], deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let mut code = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        if let Some(to) = &self.to {
            rustix::io::ioctl_fionbio(to, true)?;
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let mut waited = vec![PollFd::new(&self.from, PollFlags::IN)];
            waited.extend(self.to.as_ref().map(|to| PollFd::new(to, PollFlags::OUT)));
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut waited, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let (may_read, may_write) =
                (!waited[0].revents().is_empty(), waited.get(1).is_some_and(|to| !to.revents().is_empty()));
            if may_write && let Some(to) = &mut self.to {
                match to.write(binary) {
                    Ok(written) => binary = &binary[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // It has ended; its status says why.
                    Err(_) => binary = &[],
                }
                if binary.is_empty() {
                    self.to = None;
                }
            }
            if may_read {
                match rustix::io::read(&self.from, &mut buffer)? {
                    0 => return Ok(Some(code)),
                    read => code.extend_from_slice(&buffer[..read]),
                }
                if code.len() as u64 > MAX_CODE {
                    return Ok(Some(code));
                }
            }
        }
    }

    /// How it has ended, and what it said.
    fn end(mut self) -> io::Result<(ExitStatus, String)> {
        self.to = None;
        let mut words = Vec::new();
        let said = std::fs::File::from(self.said.as_fd().try_clone_to_owned()?);
        said.take(MAX_WORDS).read_to_end(&mut words)?;
        let status = self.child.wait()?;
        Ok((status, String::from_utf8_lossy(&words).trim_end().to_owned()))
    }
}

fn is_by(status: ExitStatus, signal: Signal) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(signal.as_raw())
}

/// Is a [`Compiler`]'s process, in place of all else that a program is: to be called with the arguments behind those
/// that the compiler was made with, and before the program starts a thread.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     let mut arguments = std::env::args_os().skip(1);
///     if arguments.next().is_some_and(|word| word == "compile") {
///         return pod_tools_host::run_compiler(arguments);
///     }
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match compile(arguments.into_iter()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = write!(io::stderr(), "{error:#}");
            let is_memory = error.chain().any(|cause| {
                let io = cause
                    .downcast_ref()
                    .is_some_and(|io: &io::Error| io.kind() == io::ErrorKind::OutOfMemory);
                io || matches!(cause.downcast_ref(), Some(&rustix::io::Errno::NOMEM))
            });
            ExitCode::from(if is_memory { OUT_OF_MEMORY } else { FAULTY })
        }
    }
}

fn compile(mut arguments: impl Iterator<Item = OsString>) -> wasmtime::Result<()> {
    let mut next = || arguments.next().and_then(|argument| argument.into_string().ok()).unwrap_or_default();
    let execution = if next() == INTERPRETED { Execution::Interpreted } else { Execution::Native };
    let (calls, memory) = (next().parse()?, next().parse()?);
    let within = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Data, within(memory))?;
    // A process that is out of memory aborts: that is no fault to be looked into.
    setrlimit(Resource::Core, within(0))?;
    // It ends with who has started it.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut binary = Vec::new();
    io::stdin().read_to_end(&mut binary)?;
    let code = engine::new(execution, calls)?.precompile_component(&binary)?;
    drop(binary);
    io::stdout().write_all(&code)?;
    Ok(())
}
