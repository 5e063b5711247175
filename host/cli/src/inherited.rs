//! What a parent leaves to this process beside arguments and environment: which standard streams are closed, which
//! descriptors are open, which signals are ignored, which are blocked. Programs are started by shells, by `nohup`, by services and by agents, and
//! each leaves something else.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The closed ones of the standard streams, one bit each.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before `main`: by then the standard library has opened `/dev/null` in the place of what was closed, so that no
/// other file comes to lie there, and nothing tells it from a `/dev/null` that somebody wants.
// SAFETY: the section holds pointers to functions that the loader calls before `main`. This one asks for flags of
// descriptors and stores a number; it does not unwind.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = note_closed;

extern "C" fn note_closed() {
    let closed = |stream: &dyn AsFd| {
        u8::from(rustix::io::fcntl_getfd(stream.as_fd()).is_err_and(|error| error == rustix::io::Errno::BADF))
    };
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    CLOSED.store(closed(&stdin) | closed(&stdout) << 1 | closed(&stderr) << 2, Ordering::Relaxed);
}

/// Whether standard output was closed when the process was started: what is written there goes nowhere.
pub fn stdout_is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed) & 2 != 0
}

/// Unblocks all signals, for this thread and those that it starts, and so for the programs that they run: a signal
/// that ends a process in good order must reach it. To be called before there is another thread.
pub fn unblock_signals() {
    let mut none = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initializes the set, which `pthread_sigmask` reads. Both cannot fail with these arguments.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Keeps the descriptors that the parent has left open from the programs that this process runs: all but the standard
/// streams. Where there is no `/proc`, they are not known.
pub fn keep_descriptors() {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    for number in open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2) {
        // SAFETY: a flag is set, and nothing is read, written or closed. That of the listing itself may be closed by now:
        // then it fails, or another's is set, and every one of this program's has it.
        let _ = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Catches a signal, unless the parent has it ignored: then it stays ignored, as `nohup` and a shell's background jobs
/// want it, and `None` is given.
pub fn caught(kind: SignalKind) -> io::Result<Option<Signal>> {
    if is_ignored(kind) {
        return Ok(None);
    }
    signal(kind).map(Some)
}

/// The next signal of a kind that was caught; never, of one that is ignored. Cancel safe.
pub async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            // The runtime drives it for as long as there is one.
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether a signal is ignored at present. Known of Linux only.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (kind.as_raw_value() - 1) & 1 != 0
}
