//! Where sockets may lie.

use std::os::unix::fs::symlink;

use crate::case::Case;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::script::assistant;
use crate::trial::Trial;
use serde_json::json;

use crate::cases::tools::read::with_history;

/// A pod whose record leads to it by way of `path`, which lies beneath the place's root.
fn refused_by_way_of(t: &mut Trial, path: &str, prepare: fn(&Trial) -> std::io::Result<()>) -> Verdict {
    let outside = t.place().root().join("outside/sock");
    let pod = t.pod_at(&outside, "worker", with_history(&[assistant("secret")]))?;
    prepare(t)?;
    let mut record = t.place().native_record("worker");
    record["socket_path"] = json!(t.place().root().join(path));
    t.place().record(record)?;
    t.option("--allow-sockets", t.place().base());
    t.read("worker")?.fails("denied", "socket-refused")?;
    t.list()?.says("1 pod(s) known")?.with_content("worker [denied] scope=write:/work/worker")?;
    same("connections to the pod", pod.connections(), 0)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("grants/socket-outside", "a socket outside the granted directories is refused", |t| {
        refused_by_way_of(t, "outside/sock", |_| Ok(()))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::IgnoresDirectories]),
    Case::new("grants/socket-dot-dot", "a path that leads out by `..` is refused", |t| {
        refused_by_way_of(t, "base/../outside/sock", |_| Ok(()))
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-behind-link", "a symbolic link to a directory outside is refused", |t| {
        refused_by_way_of(t, "base/link/sock", |t| {
            symlink(t.place().root().join("outside"), t.place().base().join("link"))
        })
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-is-link", "a symbolic link to a socket outside is refused", |t| {
        refused_by_way_of(t, "base/sock", |t| {
            symlink(t.place().root().join("outside/sock"), t.place().base().join("sock"))
        })
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-allowed-elsewhere", "a directory that is granted may lie anywhere", |t| {
        let socket = t.place().root().join("outside/sock");
        let _pod = t.pod_at(&socket, "worker", with_history(&[assistant("text")]))?;
        let mut record = t.place().native_record("worker");
        record["socket_path"] = json!(socket);
        t.place().record(record)?;
        t.option("--allow-sockets", t.place().root().join("outside"));
        t.read("worker")?.with_content("text")?;
        Ok(())
    })
    .needs(&[Need::SocketPaths]),
];
