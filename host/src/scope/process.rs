//! Whether a process that holds an allocation still runs.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Whether a process of that id runs.
///
/// It does not if the operating system knows none, if the number cannot be a process id (outside
/// 1…2³¹−1, where `kill` would mean groups and more), or if all that is left of it is a zombie that its
/// parent has not waited for. A process of another user runs.
pub fn is_alive(pid: i64) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw) else {
        return false;
    };
    if let Some(alive) = ask_kernel(pid) {
        return alive;
    }
    match test_kill_process(pid) {
        Err(Errno::SRCH) => false,
        // EPERM: it runs, as another user.
        _ => !is_zombie(pid),
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
    let Ok(stat) = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { return false };
    // The command's name stands in parentheses and may hold some itself; what follows are plain fields.
    let Some(end) = stat.iter().rposition(|byte| *byte == b')') else { return false };
    let Ok(fields) = std::str::from_utf8(&stat[end + 1..]) else { return false };
    let mut fields = fields.split_ascii_whitespace();
    match fields.next() {
        // A process whose first thread has ended shows as a zombie as long as others run; the number of
        // threads, 17 fields on, tells.
        Some("Z") => fields.nth(16).and_then(|threads| threads.parse::<u64>().ok()).is_none_or(|n| n <= 1),
        Some("X" | "x") => true,
        _ => false,
    }
}
