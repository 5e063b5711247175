//! Who lives: by a number, by what a pod of ours writes beside it, by its directory and its socket.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pod_tools_host::GrantedDirectories;
use pod_tools_host::scope::{Allocation, Holder, Life, LifeLock, ScopeLock};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(60);

/// A base directory with a table, and a pod's directory in it.
struct Base {
    root: tempfile::TempDir,
    lock: ScopeLock,
}

impl Base {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("x")).unwrap();
        let sockets = Arc::new(GrantedDirectories::open_all([root.path()]).unwrap());
        let lock = ScopeLock::new(root.path().join("scope.lock")).asking(sockets);
        Self { root, lock }
    }

    fn socket(&self) -> PathBuf {
        self.root.path().join("x/sock")
    }

    /// An entry as a pod of another make writes it.
    fn bare(&self, pid: i64) -> Value {
        json!({
            "pod_name": "x", "pid": pid, "socket": self.socket(), "scope_allow": [], "delegated_from": null,
        })
    }

    /// An entry as a pod of ours writes it.
    fn ours(&self, lock: &LifeLock) -> Value {
        let mut entry = self.bare(std::process::id().into());
        entry["holder"] = serde_json::to_value(Holder::this_process(lock)).unwrap();
        entry
    }

    fn life(&self, entry: &Value) -> Life {
        let entry: Allocation = serde_json::from_value(entry.clone()).unwrap();
        self.lock.transact(WAIT, |_, check| Ok::<_, String>(check.of(&entry))).unwrap()
    }
}

/// Waits for the kernel to have let go: a child that another test is just starting has a copy of every descriptor until
/// it runs its program.
fn await_gone(life: impl Fn() -> Life) {
    await_life(|| life().is_gone());
}

fn await_life(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not become so");
        std::thread::yield_now();
    }
}

fn says(life: &Life) -> String {
    life.evidence().expect("it is not gone").to_string()
}

/// A number whose process is gone.
fn gone() -> i64 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id().into()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_number_lives_as_long_as_a_process_has_it_whoever_owns_it() {
    let base = Base::new();
    let own = i64::from(std::process::id());
    for pid in [own, 1] {
        assert!(matches!(base.life(&base.bare(pid)), Life::Lives(_)), "{pid}");
    }
    // The last is the number of this process, but for a bit that a process id does not have.
    for pid in [gone(), 0, -1, i64::from(i32::MIN), 1 << 31, u32::MAX.into(), i64::MAX, own + (1 << 32)] {
        assert_eq!(base.life(&base.bare(pid)), Life::Gone, "{pid}");
    }
}

#[test]
fn a_zombie_is_gone_though_its_name_is_made_to_confuse() {
    let base = Base::new();
    let program = base.root.path().join("x) S 1 (");
    // A link, not a copy: a file that was just written may still be open for writing in a child of another test.
    std::os::unix::fs::symlink("/bin/cat", &program).unwrap();
    let mut child = Command::new(&program).stdin(Stdio::piped()).spawn().unwrap();
    let life = base.life(&base.bare(child.id().into()));
    assert!(says(&life).starts_with(&format!("process {} (`", child.id())), "{life:?}");
    child.kill().unwrap();
    // Wait until it is dead, without reaping it.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(&child)), options).unwrap();
    assert_eq!(base.life(&base.bare(child.id().into())), Life::Gone);
    child.wait().unwrap();
}

#[test]
fn a_newcomer_takes_its_own_number_for_somebody_elses() {
    let base = Base::new();
    let lock = base.lock.clone().by_newcomer(None);
    let entry: Allocation = serde_json::from_value(base.bare(std::process::id().into())).unwrap();
    let life = lock.transact(WAIT, |_, check| Ok::<_, String>(check.of(&entry))).unwrap();
    assert_eq!(life, Life::Gone);
}

#[test]
fn a_number_that_no_process_has_is_not_all_that_a_pod_can_live_by() {
    let base = Base::new();
    let entry = base.bare(gone());
    assert_eq!(base.life(&entry), Life::Gone);

    let directory = fs::File::open(base.root.path().join("x")).unwrap();
    rustix::fs::flock(&directory, FlockOperation::LockExclusive).unwrap();
    assert_eq!(says(&base.life(&entry)), "another process holds its directory");
    drop(directory);
    await_gone(|| base.life(&entry));

    let listener = UnixListener::bind(base.socket()).unwrap();
    assert_eq!(says(&base.life(&entry)), "its socket takes connections");
    // A path in the table is a hint: outside of what was granted nobody is asked.
    assert_eq!(Base::new().life(&entry), Life::Gone);
    drop(listener);
    await_gone(|| base.life(&entry));
}

#[test]
fn a_pod_of_ours_lives_as_long_as_its_lock_is_held_by_it_or_by_what_it_started() {
    let base = Base::new();
    let lock = base.lock.take_life_lock().unwrap();
    let entry = base.ours(&lock);
    let own = std::process::id();
    assert!(says(&base.life(&entry)).starts_with(&format!("process {own} (`")), "{:?}", base.life(&entry));

    let inherited = lock.as_fd().try_clone_to_owned().unwrap();
    let child = Command::new("sleep").arg("1000").stdin(inherited).spawn().unwrap();
    assert!(!base.life(&entry).evidence().unwrap().is_leftover());
    drop(lock);
    // The pod is gone, though this process lives, which is not taken for it; what it has started is not.
    let started = format!("process {} (`sleep`), which it has started, lives on", child.id());
    await_life(|| base.life(&entry).evidence().is_some_and(|life| life.is_leftover()));
    assert_eq!(says(&base.life(&entry)), started);
    kill(child);
    await_gone(|| base.life(&entry));
}

#[test]
fn without_its_locks_file_a_pod_of_ours_is_told_by_process_and_start() {
    let base = Base::new();
    let lock = base.lock.take_life_lock().unwrap();
    let entry = base.ours(&lock);
    let file = base.root.path().join("scope.lock.lives");
    fs::remove_file(&file).unwrap();
    assert!(matches!(base.life(&entry), Life::Lives(_)));
    // Another file in its place says nothing of the lock.
    let other = base.lock.take_life_lock().unwrap();
    assert!(matches!(base.life(&entry), Life::Lives(_)));
    drop(other);

    let mut started_later = entry.clone();
    started_later["holder"]["start_ticks"] = json!(1);
    assert_eq!(base.life(&started_later), Life::Gone);
    let mut of_another_namespace = entry.clone();
    of_another_namespace["holder"]["pid_namespace"] = json!(1);
    let life = base.life(&of_another_namespace);
    assert!(matches!(life, Life::Unknown(_)), "{life:?}");
    assert!(says(&life).starts_with("it was started in another pid namespace, as process "), "{life:?}");
}

#[test]
fn nothing_outlives_a_boot() {
    let base = Base::new();
    let lock = base.lock.take_life_lock().unwrap();
    let mut entry = base.ours(&lock);
    entry["holder"]["boot_id"] = json!("00000000-0000-0000-0000-000000000000");
    // The lock is held all the same: on a file system that machines share, by another machine.
    assert!(matches!(base.life(&entry), Life::Lives(_)));
    drop(lock);
    await_gone(|| base.life(&entry));
}

#[test]
fn what_another_version_writes_beside_the_number_is_not_passed_over() {
    let base = Base::new();
    for holder in [json!("a word"), json!({ "pid": "one" }), json!(null), json!([])] {
        let mut entry = base.bare(gone());
        entry["holder"] = holder.clone();
        let expected = if holder.is_null() { Life::Gone } else { base.life(&entry) };
        assert_eq!(base.life(&entry), expected);
        assert_eq!(matches!(expected, Life::Unknown(_)), !holder.is_null(), "{holder}");
    }
    // Somebody has entered another process and kept what he did not know.
    let lock = base.lock.take_life_lock().unwrap();
    let mut entry = base.ours(&lock);
    entry["pid"] = json!(gone());
    assert_eq!(base.life(&entry), Life::Gone);
}

#[test]
fn a_directory_tells_as_an_entry_does() {
    let base = Base::new();
    let life =
        || base.lock.transact(WAIT, |_, check| Ok::<_, String>(check.of_socket(&base.socket()))).unwrap();
    let write = |file: &str, text: &str| fs::write(base.root.path().join("x").join(file), text).unwrap();
    assert_eq!(life(), Life::Gone);
    write("pid", &std::process::id().to_string());
    assert!(matches!(life(), Life::Lives(_)));
    write("pid", &gone().to_string());
    assert_eq!(life(), Life::Gone);

    let lock = base.lock.take_life_lock().unwrap();
    let status = json!({ "pod_name": "x", "state": "idle", "holder": Holder::this_process(&lock) });
    write("status.json", &status.to_string());
    assert!(matches!(life(), Life::Lives(_)));
    drop(lock);
    // Somebody else's by now, and the pod that wrote the status is gone.
    write("pid", &std::process::id().to_string());
    await_gone(life);
    write("status.json", &json!({ "state": "idle", "holder": "new" }).to_string());
    write("pid", &gone().to_string());
    assert!(matches!(life(), Life::Unknown(_)));

    let directory = fs::File::open(base.root.path().join("x")).unwrap();
    rustix::fs::flock(&directory, FlockOperation::LockExclusive).unwrap();
    assert_eq!(says(&life()), "another process holds its directory");
    fs::remove_dir_all(base.root.path().join("x")).unwrap();
    assert_eq!(life(), Life::Gone);
}

#[test]
fn locks_of_many_pods_are_told_apart() {
    let base = Base::new();
    let locks: Vec<LifeLock> = (0..50).map(|_| base.lock.take_life_lock().unwrap()).collect();
    let entries: Vec<Value> = locks.iter().map(|lock| base.ours(lock)).collect();
    for (index, lock) in locks.into_iter().enumerate() {
        assert!(rustix::io::fcntl_getfd(lock.as_fd()).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        drop(lock);
        await_gone(|| base.life(&entries[index]));
        assert!(entries[index + 1..].iter().all(|entry| !base.life(entry).is_gone()));
    }
}
