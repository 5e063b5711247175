//! Paths that lead somewhere else by the time they are used: between two calls, and in the middle of one.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::answer::Answer;
use crate::case::Case;
use crate::cases::tools::names::obliging;
use crate::failure::{Failure, Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

use super::paths::refused;

/// How many calls are raced against.
const ROUNDS: usize = 200;

/// Two directory entries that change places again and again, until this is dropped; then they are where they
/// were.
struct Swapping {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<rustix::io::Result<u64>>>,
}

impl Swapping {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let of_thread = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while swaps % 2 == 1 || !of_thread.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE)?;
                swaps += 1;
            }
            Ok(swaps)
        });
        Self { stop, thread: Some(thread) }
    }

    /// Puts an end to it, and says how often they changed places.
    fn stop(mut self) -> Result<u64, Failure> {
        self.end()
    }

    fn end(&mut self) -> Result<u64, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(swaps)) => Ok(swaps.map_err(std::io::Error::from)?),
            _ => Err(Failure::new("two entries to change places", "a panic")),
        }
    }
}

impl Drop for Swapping {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.end();
        }
    }
}

/// A pod inside and one outside; `inside` and `spare`, beneath the base, change places while the host
/// calls: the pod inside may be reached or not, the one outside is not.
fn raced(t: &mut Trial, inside: &str, spare: &str, target: &str) -> Verdict {
    let outside = t.pod_at(&t.place().root().join("outside/sock"), "worker", obliging("secret"))?;
    let _inside = t.pod("worker", obliging("text"))?;
    let [inside, spare] = [inside, spare].map(|path| t.place().base().join(path));
    symlink(t.place().root().join(target), &spare)?;
    t.option("--allow-sockets", t.place().base());
    t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
    let swapping = Swapping::start(inside, spare);
    for _ in 0..ROUNDS {
        let answer = t.send("worker", "hello")?;
        if !matches!(&answer, Answer::Ok(_)) {
            answer.fails("denied", "socket-refused")?;
        }
    }
    swapping.stop()?;
    same("connections to the pod outside", outside.connections(), 0)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new(
        "grants/swapped-between-calls",
        "what was a directory at the last call and is a link now is refused",
        |t| {
            let outside = t.pod_at(&t.place().root().join("outside/sock"), "worker", obliging("secret"))?;
            let inside = t.pod("worker", obliging("text"))?;
            let (directory, spare) = (t.place().base().join("worker"), t.place().base().join("spare"));
            t.option("--allow-sockets", t.place().base());
            t.read("worker")?.with_content("text")?;
            let before = inside.connections();

            std::fs::rename(&directory, &spare)?;
            symlink(t.place().root().join("outside"), &directory)?;
            let verdict = refused(t);
            std::fs::remove_file(&directory)?;
            std::fs::rename(&spare, &directory)?;
            verdict?;

            same("connections to the pod outside", outside.connections(), 0)?;
            same("connections to the pod inside", inside.connections(), before)?;
            t.read("worker")?.says("pod `worker` idle; no new assistant text")?;
            Ok(())
        },
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/swapped-directory-race",
        "a directory that becomes a link within a call leads nowhere else",
        |t| raced(t, "worker", "spare", "outside"),
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/swapped-socket-race",
        "a socket that becomes a link within a call leads nowhere else",
        |t| raced(t, "worker/sock", "worker/spare", "outside/sock"),
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/granted-directory-swapped",
        "a granted directory is the one that was there at the start",
        |t| {
            // Its path may lead elsewhere by now; what was granted is the directory.
            let granted = t.place().root().join("granted");
            symlink(t.place().base(), &granted)?;
            let outside =
                t.pod_at(&t.place().root().join("outside/worker/sock"), "worker", obliging("secret"))?;
            let _inside = t.pod_at(&t.place().socket("worker"), "worker", obliging("text"))?;
            t.record_at("worker", &granted.join("worker/sock"))?;
            t.option("--allow-sockets", &granted);
            t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
            let new = t.place().root().join("new");
            symlink(t.place().root().join("outside"), &new)?;
            std::fs::rename(new, &granted)?;
            t.read("worker")?.with_content("text")?;
            same("connections to the pod outside", outside.connections(), 0)
        },
    )
    .needs(&[Need::SocketPaths]),
];
