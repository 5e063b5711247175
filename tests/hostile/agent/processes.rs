//! Attempts on processes outside of the fence.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::attempts::{Places, done, nothing};
use crate::files::{read, told};

fn supervisor() -> i32 {
    std::os::unix::process::parent_id().cast_signed()
}

pub fn signals_the_pod(at: &Places) -> io::Result<()> {
    // SAFETY: a signal that changes nothing for a process that runs.
    done(unsafe { libc::kill(at.number("pod"), libc::SIGCONT) }).map(drop)
}

pub fn signals_its_supervisor(_: &Places) -> io::Result<()> {
    // SAFETY: as above.
    done(unsafe { libc::kill(supervisor(), libc::SIGCONT) }).map(drop)
}

/// Whoever sets how long another process may compute can kill it. This leaves a limit as it is.
pub fn limits_the_pod(at: &Places) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let pod = at.number("pod");
    // SAFETY: the limit is written, and then read.
    unsafe {
        done(libc::prlimit(pod, libc::RLIMIT_CPU, std::ptr::null(), &raw mut limit))?;
        done(libc::prlimit(pod, libc::RLIMIT_CPU, &raw const limit, std::ptr::null_mut())).map(drop)
    }
}

pub fn traces_its_supervisor(_: &Places) -> io::Result<()> {
    let supervisor = supervisor();
    let nothing: *mut libc::c_void = std::ptr::null_mut();
    // SAFETY: this process has one thread, which traces another process, and lets go of it.
    unsafe {
        done(libc::ptrace(libc::PTRACE_SEIZE, supervisor, nothing, nothing))?;
        done(libc::ptrace(libc::PTRACE_INTERRUPT, supervisor, nothing, nothing))?;
        done(libc::waitpid(supervisor, std::ptr::null_mut(), libc::__WALL))?;
        done(libc::ptrace(libc::PTRACE_DETACH, supervisor, nothing, nothing)).map(drop)
    }
}

pub fn reads_the_memory_of_the_pod(at: &Places) -> io::Result<()> {
    fs::File::open(format!("/proc/{}/mem", at.text("pod"))).map(drop)
}

pub fn reads_the_environment_of_the_pod(at: &Places) -> io::Result<()> {
    let environment = fs::read(format!("/proc/{}/environ", at.text("pod")))?;
    if environment.is_empty() { Err(nothing("it is empty")) } else { Ok(()) }
}

pub fn reads_by_the_root_of_the_pod(at: &Places) -> io::Result<()> {
    read(format!("/proc/{}/root{}", at.text("pod"), at.outside("secret").display()))
}

pub fn takes_a_descriptor_of_the_pod(at: &Places) -> io::Result<()> {
    // SAFETY: numbers go in, and a descriptor comes out.
    unsafe {
        let pod = done(libc::syscall(libc::SYS_pidfd_open, at.number::<i32>("pod"), 0))?;
        done(libc::syscall(libc::SYS_pidfd_getfd, pod, 2, 0)).map(drop)
    }
}

pub fn enters_the_mounts_of_the_pod(at: &Places) -> io::Result<()> {
    // SAFETY: this process has one thread, which enters another namespace.
    unsafe {
        let pod = done(libc::syscall(libc::SYS_pidfd_open, at.number::<i32>("pod"), 0))?;
        done(libc::syscall(libc::SYS_setns, pod, libc::CLONE_NEWNS)).map(drop)
    }
}

/// Nobody's child, in a session of its own.
pub fn reads_from_a_session_of_its_own(at: &Places) -> io::Result<()> {
    let (secret, found) = (at.outside("secret"), at.within("from-afar"));
    let script = "(cat \"$0\" >\"$1\"; : >\"$1.done\") & exit";
    let _ = fs::remove_file(&found);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(secret).arg(&found);
    // SAFETY: one call, which the system allows there.
    unsafe { shell.pre_exec(|| done(libc::setsid()).map(drop)) };
    shell.status()?;
    let done = found.with_extension("done");
    while !done.exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    fs::remove_file(done)?;
    told(&fs::read_to_string(found)?)
}
