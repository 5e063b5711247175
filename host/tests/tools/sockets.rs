//! The socket of a record, from the outside (row 18 of the list of the native tools' faults): what is not
//! plainly a socket of ours beneath a granted directory is refused by every tool, and is not connected.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::remedy::remedy;
use crate::support::{Spawner, connections_so_far, data, over, patient, tools};
use pod_tools_conformance::{FakePod, Script, Step, assistant, event, history};
use pod_tools_host::{Authority, ErrorKind, Reason, ToolError};
use serde_json::json;

/// A pod that does whatever it is asked for.
fn obliging() -> Script {
    Script::new()
        .on("run", [Step::line(event("turn_start", json!({ "turn": 0 })))])
        .on("get_history", [Step::line(history(&[assistant("a")]))])
        .stopping()
}

fn record(spawner: &Spawner, socket: impl AsRef<Path>) {
    let mut record = spawner.place.native_record("child");
    record["socket_path"] = json!(socket.as_ref());
    spawner.place.record(record).unwrap();
}

/// All four tools refuse the socket of the record, and leave everything as it was.
async fn assert_refused(spawner: &Spawner, socket: impl AsRef<Path>, why: &str) {
    let shown = socket.as_ref().to_string_lossy().replace('\n', "\\n").replace('\0', "\\u{0}");
    let message = format!("pod `child`: its socket {shown} {why}");
    let expected = ToolError::new(ErrorKind::Denied, Reason::SocketRefused, message);
    let own = i64::from(std::process::id());
    spawner.place.write_table(&[spawner.place.native_allocation("child", own)]).unwrap();

    let list = spawner.list().await;
    assert_eq!(list.summary, "1 pod(s) known");
    assert_eq!(list.content.as_deref(), Some("child [denied] scope=write:/work/child"));
    assert_eq!(data(&list)["pods"][0]["state"], "denied");
    assert_eq!(data(&list)["stale_reclaimed"], json!(null), "it is not a stopped pod");
    assert_eq!(spawner.send_fails("child", "hello").await, expected);
    assert_eq!(spawner.read_fails("child").await, expected);
    assert_eq!(spawner.stop_fails("child").await, expected);
    assert_eq!(spawner.place.recorded().unwrap(), ["child"]);
    assert_eq!(spawner.place.allocated().unwrap(), ["child"]);
}

const OUTSIDE: &str = "lies outside the granted directories (set allowed sockets)";
const NOT_PLAIN: &str = "has a path that is not plain names beneath a granted directory";
const LINK: &str = "lies behind a symbolic link";

#[tokio::test]
async fn a_socket_outside_the_granted_directories_is_refused() {
    let spawner = Spawner::new();
    let outside = spawner.place.root().join("outside/sock");
    let pod = FakePod::start_unrecorded(&outside, "outside", obliging()).unwrap();
    record(&spawner, &outside);
    assert_refused(&spawner, &outside, OUTSIDE).await;
    assert_eq!(connections_so_far(&pod, &outside), 0);
}

#[tokio::test]
async fn a_directory_that_only_begins_like_a_granted_one_is_outside() {
    let spawner = Spawner::new();
    let sibling = spawner.place.root().join("base-2/sock");
    let pod = FakePod::start_unrecorded(&sibling, "sibling", obliging()).unwrap();
    record(&spawner, &sibling);
    assert_refused(&spawner, &sibling, OUTSIDE).await;
    assert_eq!(connections_so_far(&pod, &sibling), 0);
}

#[tokio::test]
async fn a_path_that_climbs_out_of_the_granted_directory_is_refused() {
    let spawner = Spawner::new();
    let outside = spawner.place.root().join("outside/sock");
    let pod = FakePod::start_unrecorded(&outside, "outside", obliging()).unwrap();
    let climbing = spawner.place.base().join("../outside/sock");
    record(&spawner, &climbing);
    assert_refused(&spawner, &climbing, NOT_PLAIN).await;
    assert_eq!(connections_so_far(&pod, &outside), 0);
}

#[tokio::test]
async fn a_relative_an_empty_and_an_abstract_path_are_refused() {
    for (path, why) in [
        ("child/sock", OUTSIDE),
        ("", OUTSIDE),
        ("\0abstract", "is in the abstract namespace, which no directory can grant"),
        ("/nowhere\nchild [alive]", OUTSIDE),
    ] {
        let spawner = Spawner::new();
        record(&spawner, path);
        assert_refused(&spawner, path, why).await;
    }
}

#[tokio::test]
async fn a_socket_behind_a_symbolic_link_is_refused_wherever_the_link_leads() {
    for inside in [true, false] {
        let spawner = Spawner::new();
        let target =
            if inside { spawner.place.base() } else { spawner.place.root().to_owned() }.join("target");
        let pod = FakePod::start_unrecorded(&target.join("sock"), "target", obliging()).unwrap();
        let child = spawner.place.base().join("child");
        record(&spawner, child.join("sock"));

        // The directory is a link, by an absolute and by a relative path.
        for link in [target.clone(), PathBuf::from(if inside { "target" } else { "../target" })] {
            symlink(&link, &child).unwrap();
            assert_refused(&spawner, child.join("sock"), LINK).await;
            std::fs::remove_file(&child).unwrap();
        }
        // The socket itself is one.
        std::fs::create_dir(&child).unwrap();
        symlink(target.join("sock"), child.join("sock")).unwrap();
        let error = spawner.read_fails("child").await;
        assert!(error.message.ends_with("symbolic link"), "{error}");
        let why = error.message.rsplit_once("/sock ").unwrap().1.to_owned();
        assert_refused(&spawner, child.join("sock"), &why).await;
        // A link to a link, and one that leads nowhere.
        std::fs::remove_file(child.join("sock")).unwrap();
        symlink("nowhere", child.join("sock")).unwrap();
        assert_refused(&spawner, child.join("sock"), &why).await;
        assert_eq!(connections_so_far(&pod, &target.join("sock")), 0);
    }
}

#[tokio::test]
async fn what_is_no_socket_is_refused() {
    let spawner = Spawner::new();
    let child = spawner.place.socket("child");
    record(&spawner, &child);
    std::fs::create_dir_all(&child).unwrap();
    assert_refused(&spawner, &child, "is not a socket").await;
    std::fs::remove_dir(&child).unwrap();
    std::fs::write(&child, "").unwrap();
    assert_refused(&spawner, &child, "is not a socket").await;
    std::fs::remove_file(&child).unwrap();
    // A FIFO without a writer would hold whoever opens it.
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &child, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_refused(&spawner, &child, "is not a socket").await;
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can give a socket to somebody else");
        return;
    }
    let spawner = Spawner::new();
    let pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    let socket = spawner.place.socket("child");
    std::os::unix::fs::chown(&socket, Some(12345), None).unwrap();
    assert_refused(&spawner, &socket, "belongs to user 12345, not to user 0").await;
    assert_eq!(connections_so_far(&pod, &socket), 0);
}

#[tokio::test]
async fn a_pod_that_somebody_else_serves_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can start a process as somebody else");
        return;
    }
    let Ok(found) = std::process::Command::new("python3").arg("--version").output() else {
        println!("not run: there is no python3 to serve a socket as somebody else");
        return;
    };
    assert!(found.status.success());
    let spawner = Spawner::new();
    let socket = spawner.place.socket("child");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    record(&spawner, &socket);
    // The credentials are those of the moment in which the server begins to listen.
    let serve = "import os, socket, sys\n\
                 s = socket.socket(socket.AF_UNIX)\n\
                 s.bind(sys.argv[1])\n\
                 os.setuid(12345)\n\
                 s.listen()\n\
                 print(flush=True)\n\
                 sys.stdin.read()\n";
    let mut server = std::process::Command::new("python3")
        .args(["-c", serve])
        .arg(&socket)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut ready).unwrap();
    assert_refused(&spawner, &socket, "is served by a process of user 12345, not of user 0").await;
    drop(server.stdin.take());
    server.wait().unwrap();
}

#[tokio::test]
async fn the_granted_directory_may_itself_lie_behind_a_link_and_either_path_leads_there() {
    let spawner = Spawner::new();
    let _pod = FakePod::start(&spawner.place, "child", obliging()).unwrap();
    let link = spawner.place.root().join("link");
    symlink(spawner.place.base(), &link).unwrap();
    let mut by_link = spawner.place.native_record("by link");
    by_link["socket_path"] = json!(link.join("child/sock"));
    spawner.place.record(by_link).unwrap();
    let authority = Authority::builder()
        .remedy(remedy)
        .allow_sockets(&link)
        .runtime_dir(spawner.place.runtime_dir())
        .grant("list,read".parse().unwrap())
        .limits(patient())
        .build()
        .unwrap();
    let list = tools().call(&authority, "ListPods", "").await.unwrap();
    let expected = "child [alive] scope=write:/work/child\nby link [alive] scope=write:/work/by link";
    assert_eq!(list.output().content.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_address_is_no_obstacle() {
    let spawner = Spawner::new();
    let socket = spawner.place.base().join("x".repeat(200)).join("y".repeat(200)).join("sock");
    record(&spawner, &socket);
    let _pod = FakePod::start_unrecorded(&socket, "child", obliging()).unwrap();
    assert_eq!(spawner.list().await.content.as_deref(), Some("child [alive] scope=write:/work/child"));
    assert_eq!(spawner.send("child", "hello").await.summary, "sent message to `child`");
    assert_eq!(spawner.read("child").await.content.as_deref(), Some("a"));
    spawner.stop("child").await;
}

#[tokio::test]
async fn a_second_granted_directory_is_as_good_as_the_first() {
    let spawner = Spawner::new();
    let socket = spawner.place.root().join("elsewhere/sock");
    record(&spawner, &socket);
    let _pod = FakePod::start_unrecorded(&socket, "child", obliging()).unwrap();
    let authority = over(&spawner.place, &["read"])
        .allow_sockets(spawner.place.root().join("elsewhere"))
        .limits(patient())
        .build()
        .unwrap();
    let answer = tools().call(&authority, "ReadPodOutput", r#"{"name":"child"}"#).await.unwrap();
    assert_eq!(answer.output().content.as_deref(), Some("a"));
}
