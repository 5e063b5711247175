//! A process of this machine, as far as a number leads to one: whether it runs, when it started, its name.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process that runs, by its number in this process's pid namespace.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
}

impl Process {
    /// The process of that number, if one runs.
    ///
    /// None does if the operating system knows none, if the number cannot be a process id (outside
    /// 1…2³¹−1, where `kill` would mean groups and more), or if all that is left of it is a zombie that its
    /// parent has not waited for. A process of another user runs.
    pub(super) fn find(pid: i64) -> Option<Self> {
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)?;
        let runs = ask_kernel(pid).unwrap_or_else(|| match test_kill_process(pid) {
            Err(Errno::SRCH) => false,
            // EPERM: it runs, as another user.
            _ => !is_zombie(pid),
        });
        runs.then_some(Self { pid })
    }

    /// Its number.
    pub(super) fn pid(&self) -> i64 {
        self.pid.as_raw_nonzero().get().into()
    }

    /// When it started, in clock ticks since the machine did, as this process's time namespace counts them.
    /// `None` where `/proc` does not tell, or describes another pid namespace.
    pub(super) fn start_ticks(&self) -> Option<u64> {
        proc_is_of_own_namespace().then(|| start_ticks(&self.directory())).flatten()
    }

    /// Its command's name; at most 15 bytes, which it has chosen itself.
    pub(super) fn name(&self) -> Option<String> {
        if !proc_is_of_own_namespace() {
            return None;
        }
        let name = fs::read(format!("{}/comm", self.directory())).ok()?;
        Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
    }

    fn directory(&self) -> String {
        format!("/proc/{}", self.pid.as_raw_nonzero())
    }
}

/// A handle to a process can be polled: it is ready when the last of its threads has ended. That takes a
/// tenth of the time that `/proc` needs to describe a process, and a table may name a thousand. `None` where
/// the kernel has no such handles, or gives none for this one.
#[cfg(target_os = "linux")]
fn ask_kernel(pid: Pid) -> Option<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};

    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Some(false),
        Err(_) => return None,
    };
    let ended = &mut [PollFd::new(&process, PollFlags::IN)];
    poll(ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).ok().map(|ready| ready == 0)
}

#[cfg(not(target_os = "linux"))]
fn ask_kernel(_: Pid) -> Option<bool> {
    None
}

/// Whether `/proc` calls it dead. Where there is no `/proc`, or it hides the process, nothing does.
fn is_zombie(pid: Pid) -> bool {
    let Some(fields) = stat_fields(&format!("/proc/{}", pid.as_raw_nonzero())) else { return false };
    match fields.first().map(String::as_str) {
        // A process whose first thread has ended shows as a zombie as long as others run; the number of
        // threads, 17 fields on, tells.
        Some("Z") => fields.get(17).and_then(|threads| threads.parse::<u64>().ok()).is_none_or(|n| n <= 1),
        Some("X" | "x") => true,
        _ => false,
    }
}

/// When the process of that directory of `/proc` started.
pub(super) fn start_ticks(directory: &str) -> Option<u64> {
    stat_fields(directory)?.get(19)?.parse().ok()
}

/// The fields of `stat` behind the command's name, the process's state first.
fn stat_fields(directory: &str) -> Option<Vec<String>> {
    let stat = fs::read(format!("{directory}/stat")).ok()?;
    // The command's name stands in parentheses and may hold some itself; what follows are plain fields.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[end + 1..]).ok()?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Whether the numbers in `/proc` are those of this process's own pid namespace: a program may be run in a new one
/// with the old `/proc` still mounted.
pub(super) fn proc_is_of_own_namespace() -> bool {
    static IS: LazyLock<bool> = LazyLock::new(|| {
        fs::read_link("/proc/self").is_ok_and(|own| own == Path::new(&std::process::id().to_string()))
    });
    *IS
}
