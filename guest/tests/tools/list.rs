//! ListPods.

use pod_tools_guest::host::{ErrorKind, Held, Permission, Reachability, Reason};
use serde_json::json;

use crate::scripted::{data, denied, fails, host, pod};

#[test]
fn every_pod_is_a_line_with_its_reachability_and_its_scope() {
    let host = host([
        pod("a").scope(Permission::Write, "/work/src", true).scope(Permission::Read, "/work/doc", false),
        pod("b").reachable(Reachability::Stopped),
        pod("c").reachable(Reachability::Denied).scope(Permission::Read, "/x", true),
    ]);
    let output = host.call("ListPods", "{}").unwrap();
    assert_eq!(output.summary, "3 pod(s) known");
    assert_eq!(
        output.content.as_deref(),
        Some(
            "a [alive] scope=write:/work/src, read:/work/doc [non-recursive]\n\
             b [stopped] scope=(none)\n\
             c [denied] scope=read:/x"
        )
    );
    assert_eq!(
        data(&output),
        json!({
            "pods": [
                {"name": "a", "state": "alive", "scope": [
                    {"permission": "write", "target": "/work/src", "recursive": true},
                    {"permission": "read", "target": "/work/doc", "recursive": false}]},
                {"name": "b", "state": "stopped", "scope": []},
                {"name": "c", "state": "denied", "scope": [
                    {"permission": "read", "target": "/x", "recursive": true}]},
            ],
            "unreadable": 0,
            "stale_reclaimed": 0,
        })
    );
}

#[test]
fn what_a_pod_says_of_its_fence_is_data_and_no_line_changes_by_it() {
    let host = host([
        pod("a").fenced(Held::Whole, &[]),
        pod("b").fenced(Held::Part, &["signals reach out"]),
        pod("c").fenced(Held::Off, &[]),
        pod("d"),
    ]);
    let output = host.call("ListPods", "{}").unwrap();
    let lines =
        "a [alive] scope=(none)\nb [alive] scope=(none)\nc [alive] scope=(none)\nd [alive] scope=(none)";
    assert_eq!(output.content.as_deref(), Some(lines));
    let pods = data(&output)["pods"].clone();
    assert_eq!(pods[0]["fence"], json!({"held": "whole", "missing": []}));
    assert_eq!(pods[1]["fence"], json!({"held": "part", "missing": ["signals reach out"]}));
    assert_eq!(pods[2]["fence"], json!({"held": "off", "missing": []}));
    assert_eq!(pods[3].get("fence"), None);
}

#[test]
fn no_pods_are_said_to_be_none_and_nothing_is_probed() {
    let mut host = host([]);
    let output = host.call("ListPods", "{}").unwrap();
    assert_eq!((output.summary.as_str(), &output.content), ("no spawned pods", &None));
    assert_eq!(data(&output), json!({"pods": [], "unreadable": 0, "stale_reclaimed": null}));
    assert_eq!(host.asked(), ["list"]);

    host.unreadable = 1;
    let output = host.call("ListPods", "{}").unwrap();
    assert_eq!(output.summary, "no spawned pods; 1 record could not be read");
}

#[test]
fn records_that_cannot_be_read_are_counted() {
    let mut host = host([pod("a")]);
    for (unreadable, summary) in [
        (1, "1 pod(s) known; 1 record could not be read"),
        (2, "1 pod(s) known; 2 records could not be read"),
    ] {
        host.unreadable = unreadable;
        let output = host.call("ListPods", "{}").unwrap();
        assert_eq!(output.summary, summary);
        assert_eq!(data(&output)["unreadable"], unreadable);
    }
}

#[test]
fn the_input_does_not_matter() {
    let host = host([pod("a")]);
    for input in ["", "null", "{}", "[1]", "{\"name\":5}", "not JSON"] {
        assert_eq!(host.call("ListPods", input).unwrap().summary, "1 pod(s) known", "{input}");
    }
}

#[test]
fn stale_allocations_are_reclaimed_only_where_a_pod_is_stopped() {
    let mut host = host([pod("a"), pod("b").reachable(Reachability::Denied)]);
    host.reclaimed = Ok(3);
    assert_eq!(data(&host.call("ListPods", "").unwrap())["stale_reclaimed"], json!(null));
    assert_eq!(host.asked(), ["list", "probe"]);

    host.pods[0].reachability = Reachability::Stopped;
    assert_eq!(data(&host.call("ListPods", "").unwrap())["stale_reclaimed"], 3);
    assert!(host.was_asked("reclaim-stale Some(500)"));
}

#[test]
fn a_listing_does_not_fail_with_the_lock() {
    let mut host = host([pod("a").reachable(Reachability::Stopped)]);
    host.unreadable = 1;
    for (reason, suffix) in [
        (Reason::LockBusy, "; scope lock busy, stale entries not reclaimed"),
        (Reason::LockDamaged, "; scope lock damaged, stale entries not reclaimed"),
        (Reason::StateUnwritable, "; stale entries not reclaimed"),
    ] {
        host.reclaimed = Err(fails(reason, "no"));
        let output = host.call("ListPods", "").unwrap();
        assert_eq!(output.summary, format!("1 pod(s) known; 1 record could not be read{suffix}"));
        assert_eq!(output.content.as_deref(), Some("a [stopped] scope=(none)"));
        assert_eq!(data(&output)["stale_reclaimed"], json!(null));
    }
}

#[test]
fn a_name_or_a_path_cannot_forge_a_line() {
    let host = host([pod("x\ny [alive] scope=\u{1b}[1m").scope(Permission::Read, "/a\tb\u{202e}", true)]);
    let output = host.call("ListPods", "").unwrap();
    assert_eq!(
        output.content.as_deref(),
        Some("x\\ny [alive] scope=\\u{1b}[1m [alive] scope=read:/a\\tb\\u{202e}")
    );
    assert_eq!(data(&output)["pods"][0]["name"], "x\ny [alive] scope=\u{1b}[1m");
}

#[test]
fn a_refusal_stays_as_the_host_wrote_it() {
    let mut host = host([pod("a")]);
    host.listed = Err(denied("list of all pods is not granted"));
    let error = host.call("ListPods", "").unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Denied, "list of all pods is not granted"));
}
