//! StopPod.

use pod_tools_guest::Output;
use pod_tools_guest::host::{Error, ErrorKind, Permission, Reason};
use serde_json::json;

use crate::scripted::{Pod, Script, Step, data, denied, fails, host, pod, says, silence};

const SHUTDOWN: &str = "{\"event\":\"shutdown\"}\n";

fn stop(host: &Script) -> Result<Output, Error> {
    host.call("StopPod", r#"{"name":"x"}"#)
}

fn child() -> Pod {
    pod("x").scope(Permission::Write, "/work/src", true).scope(Permission::Read, "/doc", false)
}

#[track_caller]
fn nothing_was_released(host: &Script) {
    assert!(!host.was_asked("release") && !host.was_asked("forget"), "{:?}", host.asked());
}

#[test]
fn a_pod_that_says_so_and_closes_its_socket_is_stopped() {
    let host = host([child().answering([says(SHUTDOWN)])]);
    let output = stop(&host).unwrap();
    assert_eq!(
        output.summary,
        "stopped pod `x`; reclaimed scope: write:/work/src, read:/doc [non-recursive]"
    );
    assert_eq!(output.content, None);
    assert_eq!(
        data(&output),
        json!({"pod": "x", "confirmed": true, "scope": [
            {"permission": "write", "target": "/work/src", "recursive": true},
            {"permission": "read", "target": "/doc", "recursive": false}]})
    );
    assert_eq!(
        host.asked(),
        ["find x Stop", "open shutdown within 5000", "close", "await-closed None", "release", "forget"]
    );
}

#[test]
fn whatever_the_pod_says_first_is_drained() {
    let notification = "{\"event\":\"notification\",\"data\":{\"message\":\"m\"}}\n".repeat(500);
    let cancelled = "{\"event\":\"error\",\"data\":{\"code\":\"internal\",\"message\":\"Cancelled\"}}\n";
    let nonsense = b"hello\n\"\xff\"\n[]\n{\"event\":1}\n\x00\n".as_slice();
    let all = [notification.as_bytes(), nonsense, cancelled.as_bytes(), SHUTDOWN.as_bytes()].concat();
    for size in [1, 7, 100_000] {
        let host = host([child().answering(all.chunks(size).map(says))]);
        assert_eq!(data(&stop(&host).unwrap())["confirmed"], true, "in pieces of {size}");
    }
}

#[test]
fn a_pod_that_closes_without_a_word_did_not_confirm() {
    for steps in [
        vec![],
        vec![says("{\"event\":\"run_end\"}\n")],
        vec![says("{\"event\":\"shut")],
        vec![Step::Fail(fails(Reason::Closed, "reset"))],
        vec![says("garbage without an end")],
    ] {
        let output = stop(&host([pod("x").answering(steps)])).unwrap();
        assert_eq!(output.summary, "stopped pod `x`; reclaimed scope: (none); the pod did not confirm");
        assert_eq!(data(&output)["confirmed"], false);
    }
    let output = stop(&host([pod("x").answering([says(SHUTDOWN.trim_end())])])).unwrap();
    assert_eq!(data(&output)["confirmed"], true);
}

#[test]
fn a_dead_socket_is_a_successful_stop() {
    let host = host([child()]);
    let output = stop(&host).unwrap();
    assert_eq!(
        output.summary,
        "stopped pod `x`; reclaimed scope: write:/work/src, read:/doc [non-recursive]"
    );
    assert_eq!(data(&output)["confirmed"], false);
    assert_eq!(host.asked(), ["find x Stop", "open shutdown within 5000", "release", "forget"]);
}

#[test]
fn a_pod_whose_socket_still_takes_connections_is_still_running() {
    for steps in [vec![says(SHUTDOWN)], vec![], vec![says("{\"event\":\"run_end\"}\n"), silence()]] {
        let mut host = host([Pod { closed: Ok(false), ..child().answering(steps) }]);
        host.bounds.operation_ms = 250;
        let error = stop(&host).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ExecutionFailed, Some(Reason::StillRunning)));
        assert_eq!(error.message, "stop `x`: still running after 0.25 s; nothing was released");
        nothing_was_released(&host);
    }
}

#[test]
fn a_full_backlog_is_a_pod_that_is_still_running() {
    let full = fails(Reason::SocketTimeout, "the backlog stayed full");
    let host = host([Pod { closed: Ok(false), ..child().refusing(full) }]);
    let error = stop(&host).unwrap_err();
    assert_eq!(error.reason, Some(Reason::StillRunning));
    assert_eq!(error.message, "stop `x`: still running after 5 s; nothing was released");
    nothing_was_released(&host);
}

#[test]
fn a_pod_that_stays_silent_but_has_closed_its_socket_is_stopped() {
    let host = host([pod("x").answering([silence()])]);
    assert_eq!(
        stop(&host).unwrap().summary,
        "stopped pod `x`; reclaimed scope: (none); the pod did not confirm"
    );
    assert!(host.was_asked("await-closed Some(0)"));
}

#[test]
fn a_line_without_an_end_does_not_keep_a_pod_alive() {
    let too_long =
        Error { kind: ErrorKind::Limit, reason: None, message: "a line is longer than 64 MiB".into() };
    let steps = || [says("xxx"), Step::Fail(too_long.clone())];
    assert!(stop(&host([pod("x").answering(steps())])).is_ok());

    let host = host([Pod { closed: Ok(false), ..pod("x").answering(steps()) }]);
    let error = stop(&host).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Limit, "stop `x`: a line is longer than 64 MiB")
    );
    nothing_was_released(&host);
}

#[test]
fn the_record_is_kept_where_the_scope_cannot_be_released() {
    for reason in [Reason::LockBusy, Reason::LockDamaged, Reason::StillRunning] {
        let released = Err(fails(reason, "scope.lock is held by another process"));
        let host = host([Pod { released, ..child().answering([says(SHUTDOWN)]) }]);
        let error = stop(&host).unwrap_err();
        assert_eq!(error, fails(reason, "stop `x`: scope.lock is held by another process"));
        assert!(!host.was_asked("forget"));
    }
}

#[test]
fn a_record_that_cannot_be_removed_is_an_error() {
    let forgotten = Err(fails(Reason::StateUnwritable, "no space left on device"));
    let error = stop(&host([Pod { forgotten, ..child() }])).unwrap_err();
    assert_eq!(error.message, "stop `x`: update spawned_pods.json: no space left on device");
    assert_eq!(error.reason, Some(Reason::StateUnwritable));
}

#[test]
fn a_refusal_says_that_the_pod_was_not_stopped_and_nothing_is_released() {
    let refusal = denied("stop of pod `x` is not granted");
    for host in
        [host([child().refusing(refusal.clone())]), host([Pod { found: Err(refusal.clone()), ..child() }])]
    {
        let message = "stop `x`: stop of pod `x` is not granted".to_owned();
        assert_eq!(stop(&host).unwrap_err(), Error { message, ..refusal.clone() });
        nothing_was_released(&host);
    }
    // What the tools' specification words itself.
    let unknown = Error::invalid("no spawned pod named `x`");
    let host = host([Pod { found: Err(unknown.clone()), ..child() }]);
    assert_eq!(stop(&host).unwrap_err(), unknown);
}

#[test]
fn the_end_of_the_calls_time_releases_nothing() {
    let timeout = Error { kind: ErrorKind::Timeout, reason: None, message: "30 s are over".into() };
    let host = host([child().answering([Step::Fail(timeout)])]);
    let error = stop(&host).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Timeout, "stop `x`: 30 s are over"));
    nothing_was_released(&host);
}

#[test]
fn the_name_is_shown_escaped() {
    let host = host([pod("a\nb\u{9b}").answering([says(SHUTDOWN)])]);
    let output = host.call("StopPod", r#"{"name":"a\nb\u009b"}"#).unwrap();
    assert_eq!(output.summary, "stopped pod `a\\nb\\u{9b}`; reclaimed scope: (none)");
}

fn stop_all(host: &Script) -> Result<Output, Error> {
    host.call("StopPod", r#"{"name":"x","descendants":true}"#)
}

/// A pod that shuts down, and has spawned these.
fn parent(name: &'static str, spawned: Vec<&'static str>) -> Pod {
    Pod { spawned, ..pod(name).answering([says(SHUTDOWN)]) }
}

#[test]
fn descendants_are_stopped_before_the_pod_the_deepest_first() {
    let pods =
        [parent("x", vec!["a", "b"]), parent("a", vec!["c", "x"]), parent("b", vec![]), parent("c", vec![])];
    let host = host(pods);
    let output = stop_all(&host).unwrap();
    assert_eq!(output.summary, "stopped pod `x`; reclaimed scope: (none); and before it `c`, `a`, `b`");
    let stopped = data(&output)["descendants"].clone();
    assert_eq!(stopped[0], json!({ "pod": "c", "confirmed": true, "scope": [] }));
    assert_eq!(host.asked().iter().filter(|asked| **asked == "release").count(), 4);
    assert_eq!(host.asked().iter().filter(|asked| **asked == "forget").count(), 4);
}

#[test]
fn a_pod_with_descendants_that_cannot_be_stopped_is_left_alone() {
    let stuck = Pod { closed: Ok(false), ..parent("stuck", vec![]) };
    let pods = [parent("x", vec!["a", "b"]), parent("a", vec!["stuck"]), parent("b", vec![]), stuck];
    let host = host(pods);
    let error = stop_all(&host).unwrap_err();
    assert_eq!(error.reason, Some(Reason::StillRunning));
    assert_eq!(
        error.message,
        "stop `x`: `a`, which it spawned, is not stopped: `stuck`, which it spawned, is not stopped: still running after \
         5 s; nothing was released; stopped before that: `b`"
    );
    assert_eq!(host.asked().iter().filter(|asked| **asked == "forget").count(), 1);
}

#[test]
fn a_pod_with_descendants_that_are_not_granted_is_left_alone() {
    let host = host([Pod { others: 2, ..parent("x", vec!["a"]) }, parent("a", vec![])]);
    let error = stop_all(&host).unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
    assert!(error.message.starts_with("stop `x`: it spawned 2 more pod(s)"), "{}", error.message);
    assert!(error.message.ends_with("; stopped before that: `a`"), "{}", error.message);
}
