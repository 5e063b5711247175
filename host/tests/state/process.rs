//! Whether a process that holds an allocation still runs.

use std::process::{Command, Stdio};

use pod_tools_host::scope::is_alive;

#[test]
fn a_running_process_is_alive_whoever_owns_it() {
    assert!(is_alive(std::process::id().into()));
    assert!(is_alive(1));
}

#[test]
fn a_reaped_process_is_dead() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    assert!(!is_alive(child.id().into()));
}

#[test]
fn a_number_that_no_process_can_have_is_dead() {
    // The last is the number of this process, but for a bit that a process id does not have.
    let own = i64::from(std::process::id());
    for pid in [0, -1, i64::from(i32::MIN), 1 << 31, u32::MAX.into(), i64::MAX, i64::MIN, own + (1 << 32)] {
        assert!(!is_alive(pid), "{pid}");
    }
}

#[test]
fn a_zombie_is_dead_though_its_name_is_made_to_confuse() {
    if !std::path::Path::new("/proc/self/stat").exists() {
        println!("not run: there is no /proc");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("x) S 1 (");
    std::fs::copy("/bin/cat", &program).unwrap();
    let mut child = Command::new(&program).stdin(Stdio::piped()).spawn().unwrap();
    assert!(is_alive(child.id().into()));
    child.kill().unwrap();
    // Wait until it is dead, without reaping it.
    let id = rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child));
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(id, options).unwrap();
    assert!(!is_alive(child.id().into()));
    child.wait().unwrap();
}
