//! Where sockets may lie.

use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::case::Case;
use crate::cases::tools::names::obliging;
use crate::failure::{Verdict, same};
use crate::flaw::Flaw;
use crate::need::Need;
use crate::trial::Trial;

/// All four tools refuse the socket of the pod `worker`, and leave record and scope as they are.
pub(super) fn refused(t: &mut Trial) -> Verdict {
    t.place().write_table(&[t.place().native_allocation("worker", std::process::id().into())])?;
    t.list()?.says("1 pod(s) known")?.with_content("worker [denied] scope=write:/work/worker")?;
    t.read("worker")?.fails("denied", "socket-refused")?.naming("worker")?;
    t.send("worker", "hello")?.fails("denied", "socket-refused")?.naming("worker")?;
    t.stop("worker")?.fails("denied", "socket-refused")?.naming("worker")?;
    same("the registry", t.place().recorded()?, ["worker"])?;
    same("the scope table", t.place().allocated()?, ["worker"])
}

/// A pod outside the base, and a record that leads to it by way of `path`, which lies beneath the place's
/// root and is made by `prepare`.
fn refused_by_way_of(t: &mut Trial, path: &str, prepare: fn(&Trial) -> std::io::Result<()>) -> Verdict {
    let pod = t.pod_at(&t.place().root().join("outside/sock"), "worker", obliging("secret"))?;
    prepare(t)?;
    t.record_at("worker", &t.place().root().join(path))?;
    t.option("--allow-sockets", t.place().base());
    refused(t)?;
    same("connections to the pod", pod.connections(), 0)
}

/// A symbolic link at `at`, beneath the base; the directories above it are made.
fn link(t: &Trial, to: impl AsRef<Path>, at: &str) -> std::io::Result<()> {
    let at = t.place().base().join(at);
    if let Some(above) = at.parent() {
        std::fs::create_dir_all(above)?;
    }
    symlink(to, at)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case::new("grants/socket-outside", "a socket outside the granted directories is refused", |t| {
        refused_by_way_of(t, "outside/sock", |_| Ok(()))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::IgnoresDirectories]),
    Case::new("grants/socket-sibling", "a directory that only begins like a granted one is outside", |t| {
        let socket = t.place().root().join("base-2/sock");
        let pod = t.pod_at(&socket, "worker", obliging("secret"))?;
        t.record_at("worker", &socket)?;
        t.option("--allow-sockets", t.place().base());
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::IgnoresDirectories]),
    Case::new("grants/socket-default", "without `--allow-sockets`, sockets lie beneath the base", |t| {
        let socket = t.place().root().join("outside/sock");
        let pod = t.pod_at(&socket, "worker", obliging("secret"))?;
        t.record_at("worker", &socket)?;
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::IgnoresDirectories]),
    Case::new("grants/socket-dot-dot", "a path that leads out by `..` is refused", |t| {
        refused_by_way_of(t, "base/../outside/sock", |_| Ok(()))
    })
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-dot-dot-below",
        "a path that leads out by `..` from a directory below is refused",
        |t| refused_by_way_of(t, "base/spawner/../../outside/sock", |_| Ok(())),
    )
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-behind-link", "a symbolic link to a directory outside is refused", |t| {
        refused_by_way_of(t, "base/link/sock", |t| link(t, t.place().root().join("outside"), "link"))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new("grants/socket-behind-relative-link", "a relative symbolic link is refused as well", |t| {
        refused_by_way_of(t, "base/link/sock", |t| link(t, "../outside", "link"))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/socket-link-first",
        "a symbolic link in the first of many components is refused",
        |t| refused_by_way_of(t, "base/link/outside/sock", |t| link(t, t.place().root(), "link")),
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new("grants/socket-link-between", "a symbolic link in the middle of the path is refused", |t| {
        refused_by_way_of(t, "base/a/b/outside/sock", |t| link(t, t.place().root(), "a/b"))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new("grants/socket-is-link", "a symbolic link to a socket outside is refused", |t| {
        refused_by_way_of(t, "base/sock", |t| link(t, t.place().root().join("outside/sock"), "sock"))
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new("grants/socket-is-link-to-link", "a symbolic link to a symbolic link is refused", |t| {
        refused_by_way_of(t, "base/sock", |t| {
            link(t, t.place().root().join("outside"), "a")?;
            link(t, "a/sock", "sock")
        })
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new("grants/socket-link-inside", "a symbolic link is refused wherever it leads", |t| {
        let pod = t.pod_at(&t.place().socket("target"), "worker", obliging("secret"))?;
        link(t, "target", "link")?;
        t.record_at("worker", &t.place().socket("link"))?;
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/socket-dangling-link",
        "a symbolic link that leads nowhere is refused, and no stopped pod",
        |t| {
            link(t, "nowhere", "worker/sock")?;
            t.record_at("worker", &t.place().socket("worker"))?;
            refused(t)
        },
    )
    .needs(&[Need::SocketPaths]),
    Case::new("grants/socket-proc-link", "a magic link of `/proc` is refused like any other", |t| {
        let outside = std::fs::File::open(t.place().root())?;
        let pod = t.pod_at(&t.place().root().join("outside/sock"), "worker", obliging("secret"))?;
        let magic = format!("/proc/{}/fd/{}", std::process::id(), outside.as_raw_fd());
        t.record_at("worker", &Path::new(&magic).join("outside/sock"))?;
        t.option("--allow-sockets", t.place().base()).option("--allow-sockets", "/proc");
        refused(t)?;
        same("connections to the pod", pod.connections(), 0)
    })
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-granted-link",
        "a granted directory may lie behind a link, and either path leads there",
        |t| {
            let granted = t.place().root().join("granted");
            symlink(t.place().base(), &granted)?;
            let _pod = t.pod("worker", obliging("text"))?;
            t.record_at("by-link", &granted.join("worker/sock"))?;
            t.option("--allow-sockets", granted);
            t.list()?.with_content(
                "worker [alive] scope=write:/work/worker\nby-link [alive] scope=write:/work/by-link",
            )?;
            t.read("by-link")?.with_content("text")?;
            Ok(())
        },
    )
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-other-name",
        "a granted directory is the same one, whatever name a record has for it",
        |t| {
            symlink(t.place().base(), t.place().root().join("link"))?;
            let _pod = t.pod("worker", obliging("text"))?;
            std::fs::create_dir(t.place().root().join("aside"))?;
            for name in ["link", "aside/../base", ".//base/."] {
                t.record_at(name, &t.place().root().join(name).join("worker/sock"))?;
            }
            t.option("--allow-sockets", t.place().base());
            for name in ["link", "aside/../base", ".//base/."] {
                t.read(name)?.with_content("text")?;
            }
            Ok(())
        },
    )
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-other-name-link-inside",
        "beneath another name of a granted directory, a symbolic link is refused as well, even one back to it",
        |t| {
            symlink(t.place().base(), t.place().root().join("alias"))?;
            link(t, t.place().base(), "back")?;
            let pod = t.pod_at(&t.place().socket("pod"), "worker", obliging("secret"))?;
            t.record_at("worker", &t.place().root().join("alias/back/pod/sock"))?;
            t.option("--allow-sockets", t.place().base());
            refused(t)?;
            same("connections to the pod", pod.connections(), 0)
        },
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::FollowsLinks]),
    Case::new(
        "grants/socket-other-name-dot-dot",
        "a path that leads out of a granted directory under another name is refused",
        |t| {
            refused_by_way_of(t, "alias/../outside/sock", |t| symlink(t.place().base(), t.place().root().join("alias")))
        },
    )
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-two-directories",
        "several directories can be granted, each like the first",
        |t| {
            let outside = t.place().root().join("outside");
            let _elsewhere = t.pod_at(&outside.join("sock"), "elsewhere", obliging("there"))?;
            t.record_at("elsewhere", &outside.join("sock"))?;
            let _pod = t.pod("worker", obliging("here"))?;
            t.option("--allow-sockets", t.place().base()).option("--allow-sockets", outside);
            t.read("worker")?.with_content("here")?;
            t.read("elsewhere")?.with_content("there")?;
            Ok(())
        },
    )
    .needs(&[Need::SocketPaths]),
    Case::new(
        "grants/socket-allowed-elsewhere",
        "a directory that is granted may lie anywhere, and replaces the base",
        |t| {
            let socket = t.place().root().join("outside/sock");
            let _elsewhere = t.pod_at(&socket, "elsewhere", obliging("text"))?;
            t.record_at("elsewhere", &socket)?;
            let pod = t.pod("worker", obliging("secret"))?;
            t.option("--allow-sockets", t.place().root().join("outside"));
            t.read("elsewhere")?.with_content("text")?;
            t.read("worker")?.fails("denied", "socket-refused")?;
            same("connections to the pod beneath the base", pod.connections(), 0)
        },
    )
    .needs(&[Need::SocketPaths])
    .catches(&[Flaw::IgnoresDirectories]),
];
