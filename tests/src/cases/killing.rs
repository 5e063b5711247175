//! Kills a host at each of its system calls in turn, by `strace`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::answer::Answer;
use crate::failure::{Failure, Verdict, holds};
use crate::trial::Trial;

/// Every system call that changes a file or a lock. Those marked with `?` do not exist on every machine.
const CALLS: &str = "openat,?openat2,?open,write,pwrite64,ftruncate,fsync,fdatasync,flock,?rename,renameat,renameat2,\
                     ?unlink,unlinkat,?link,linkat,?mkdir,mkdirat,?chmod,fchmod,fchmodat";

/// Has the host under test make the call `ask`, and kills it at each system call that touches the state of
/// pods, in turn. `prepare` makes the state as it was, before each time; `check` looks at what is left, with
/// the answer that had been given, if any.
pub(super) fn kill_everywhere(
    t: &mut Trial,
    ask: &str,
    prepare: impl Fn(&Trial) -> Verdict,
    check: impl Fn(&mut Trial, Option<Answer>) -> Verdict,
) -> Verdict {
    // One file at a time: `strace` counts each thread's calls for itself, and few threads share a file.
    for path in state_files(t)? {
        prepare(t)?;
        for (call, times) in counted(t, ask, &path)? {
            for n in 1..=times {
                let place = format!("`{call}` {n} of `{}`", path.file_name().unwrap_or_default().display());
                prepare(t)?;
                let fault = format!("inject={call}:signal=KILL:when={n}");
                let (answer, log) = run_by_strace(t, ask, &path, &call, &["-e", &fault])?;
                // Whom it killed may be a process that the host had started, and need not end the host.
                let killed = log.contains("+++ killed by SIGKILL +++");
                if !killed && n > 1 {
                    // This time its work was spread over its threads in another way.
                    break;
                }
                holds(killed, &format!("strace to kill the host at {place}"), log)?;
                check(t, answer).map_err(|failure| {
                    Failure::new(format!("when killed at {place}, {}", failure.expected), failure.came)
                })?;
            }
        }
    }
    Ok(())
}

/// The files that a host may touch when it changes the state of pods, and their directories.
fn state_files(t: &Trial) -> Result<Vec<PathBuf>, Failure> {
    // `strace` compares with the paths that the kernel tells.
    let base = t.place().base().canonicalize()?;
    let spawner = t.place().runtime_dir().canonicalize()?;
    Ok(vec![
        base.join("scope.lock"),
        base.join("scope.lock.next"),
        base,
        spawner.join("spawned_pods.json"),
        spawner.join("spawned_pods.lock"),
        spawner.join("read_cursors.json"),
        spawner,
    ])
}

/// Has a host make one call by `strace`, which looks at these system calls on that file. Gives the answer, if
/// there was one, and what `strace` saw.
fn run_by_strace(
    t: &mut Trial,
    ask: &str,
    path: &Path,
    calls: &str,
    more: &[&str],
) -> Result<(Option<Answer>, String), Failure> {
    let log = t.place().root().join("strace.log");
    let trace = format!("trace={calls}");
    let words = ["strace", "-f", "-qq", "-e", &trace].into_iter().chain(more.iter().copied());
    let files = ["-P".into(), path.into(), "-o".into(), log.clone().into()];
    let answer = t.start_once_by(words.map(OsString::from).chain(files), ask)?;
    Ok((answer, String::from_utf8_lossy(&std::fs::read(&log)?).into_owned()))
}

/// How often a thread makes each system call on that file, at most.
fn counted(t: &mut Trial, ask: &str, path: &Path) -> Result<BTreeMap<String, usize>, Failure> {
    let (answer, log) = run_by_strace(t, ask, path, CALLS, &[])?;
    answer.ok_or_else(|| Failure::new("an answer from a host under strace", "none"))?.output()?;
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in log.lines() {
        // `PID call(…) = …`; a call that was interrupted by another's line goes on with `<... call resumed>`.
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let times = most.entry(call).or_default();
        *times = count.max(*times);
    }
    Ok(most)
}
