//! What may be at the end of a path: a socket of ours, served by a process of ours, and nothing else.

use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::case::Case;
use crate::cases::tools::names::obliging;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

use super::paths::refused;

/// Somebody else: no user of that number need exist.
const STRANGER: u32 = 54_321;

/// A record whose socket is said to be at that path as it stands.
fn refused_at(t: &mut Trial, path: &str) -> Verdict {
    t.record_at("worker", path.as_ref())?;
    refused(t)
}

/// What `make` puts where the socket should be is refused, without waiting for it.
fn refused_as(t: &mut Trial, make: fn(PathBuf) -> std::io::Result<()>) -> Verdict {
    std::fs::create_dir(t.place().base().join("worker"))?;
    make(t.place().socket("worker"))?;
    t.dead_pod("worker")?;
    refused(t)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("grants/socket-relative", "a relative path is refused", |t| refused_at(t, "worker/sock"))
        .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-no-path", "an empty path is refused", |t| refused_at(t, ""))
        .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-directory-itself", "the granted directory itself is no socket", |t| {
        let base = t.place().base().join(".");
        t.record_at("worker", &base)?;
        refused(t)
    })
    .needs(&[Need::SocketPaths]),
    #[cfg(target_os = "linux")]
    Case::new("grants/socket-abstract", "a socket in the abstract namespace is refused", |t| {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixListener};

        let name = t.place().root().join("abstract").to_string_lossy().into_owned();
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        refused_at(t, &format!("\0{name}"))?;
        let connected = listener.accept().map(|_| ()).map_err(|error| error.kind());
        same("connections", connected, Err::<(), _>(std::io::ErrorKind::WouldBlock))
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-is-directory", "a directory is no socket", |t| {
        refused_as(t, std::fs::create_dir)
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-is-file", "a regular file is no socket", |t| {
        refused_as(t, |path| std::fs::write(path, "text"))
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-is-fifo", "a FIFO is no socket, and nobody waits for its writer", |t| {
        refused_as(t, |path| Ok(mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::WrongKinds]),
    Case::new("grants/socket-of-another-user", "a socket file of another user is refused", |t| {
        let pod = t.pod("worker", obliging("secret"))?;
        std::os::unix::fs::chown(t.place().socket("worker"), Some(STRANGER), None)?;
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths, Need::Root]),
    Case::new(
        "grants/served-by-another-user",
        "a socket that a process of another user serves is sent nothing",
        |t| {
            let pod = t.pod("worker", obliging("secret").listening_as(STRANGER))?;
            refused(t)?;
            same("what the pod received", pod.received(), Vec::<String>::new())
        },
    )
    .needs(&[Need::PeerCredentials, Need::Root]),
    Case::new("grants/hard-link", "a hard link to a socket of ours is a socket of ours", |t| {
        let _pod = t.pod_at(&t.place().socket("first"), "worker", obliging("text"))?;
        std::fs::create_dir(t.place().base().join("second"))?;
        std::fs::hard_link(t.place().socket("first"), t.place().socket("second"))?;
        t.record_at("worker", &t.place().socket("second"))?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
    Case::new("grants/hard-link-of-another-user", "a hard link to another user's socket is refused", |t| {
        let outside = t.place().root().join("outside/sock");
        let pod = t.pod_at(&outside, "worker", obliging("secret"))?;
        std::os::unix::fs::chown(&outside, Some(STRANGER), None)?;
        std::fs::create_dir(t.place().base().join("worker"))?;
        std::fs::hard_link(&outside, t.place().socket("worker"))?;
        t.dead_pod("worker")?;
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths, Need::Root]),
    Case::new("grants/long-path", "a path that is too long for a socket address is no obstacle", |t| {
        let directory = format!("{}/{}", "x".repeat(200), "y".repeat(200));
        let _pod = t.pod_in(&directory, "worker", obliging("text"))?;
        t.list()?.with_content("worker [alive] scope=write:/work/worker")?;
        t.send("worker", "hello")?.says("sent message to `worker`")?;
        t.read("worker")?.with_content("text")?;
        t.stop("worker")?.says("stopped pod `worker`; reclaimed scope: write:/work/worker")?;
        Ok(())
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/path-of-200-bytes", "a path of 200 bytes is no obstacle", |t| {
        let rest = 200_usize.saturating_sub(t.place().socket("").as_os_str().len() - 1);
        let _pod = t.pod_in(&"x".repeat(rest.max(1)), "worker", obliging("text"))?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    })
    .needs(&[Need::SocketPaths]),
    Case::new("grants/path-with-anything", "a path may hold spaces, line breaks and other characters", |t| {
        let _pod = t.pod_in("a b\n\u{1b}ü*?", "worker", obliging("text"))?;
        t.read("worker")?.with_content("text")?;
        Ok(())
    }),
];
