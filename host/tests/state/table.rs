//! The scope table: what it keeps, what it refuses.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use pod_tools_host::scope::{Allocation, Permission, RegisterError, ScopeRule, Table};

pub fn allocation(name: &str, parent: Option<&str>, writes: &[&str]) -> Allocation {
    Allocation {
        pod_name: name.into(),
        pid: 123,
        socket: format!("/run/{name}/sock").into(),
        scope_allow: writes.iter().map(|target| write(target)).collect(),
        delegated_from: parent.map(str::to_owned),
        holder: None,
    }
}

pub fn write(target: &str) -> ScopeRule {
    ScopeRule { target: target.into(), permission: Permission::Write, recursive: true }
}

fn table(allocations: &[Allocation]) -> Table {
    let text = serde_json::json!({ "allocations": allocations }).to_string();
    Table::parse(text.as_bytes()).unwrap()
}

fn parents(table: &Table) -> Vec<(&str, Option<&str>)> {
    table.allocations().map(|held| (held.pod_name.as_str(), held.delegated_from.as_deref())).collect()
}

#[test]
fn a_table_is_written_as_native_processes_write_it() {
    let mut table = Table::parse(b"").unwrap();
    assert_eq!(table.render().unwrap(), "{\n  \"allocations\": []\n}");
    assert!(!table.is_changed());
    table.register(allocation("child", None, &["/work/src"])).unwrap();
    assert!(table.is_changed());
    let expected = r#"{
  "allocations": [
    {
      "pod_name": "child",
      "pid": 123,
      "socket": "/run/child/sock",
      "scope_allow": [
        {
          "target": "/work/src",
          "permission": "write",
          "recursive": true
        }
      ],
      "delegated_from": null
    }
  ]
}"#;
    assert_eq!(table.render().unwrap(), expected);
}

#[test]
fn everything_unknown_survives_a_change_to_the_letter() {
    let found = r#"{
  "format": 1.00,
  "allocations": [
    {"pod_name": "mid", "pid": 2, "socket": "/s", "scope_allow": [], "delegated_from": "top"},
    {"pod_name": "new kind", "pid": "soon", "holds": 1e2},
    42,
    {"pod_name": "leaf", "later": [1.50, {"a":  1}], "pid": 3, "socket": "/s", "scope_allow": [ ], "delegated_from": "mid", "big": 123456789012345678901234567890}
  ],
  "epoch": 18446744073709551616
}"#;
    let mut table = Table::parse(found.as_bytes()).unwrap();
    assert_eq!(table.allocations().count(), 2);
    assert!(table.release("mid").is_some());
    let expected = r#"{
  "format": 1.00,
  "allocations": [
    {"pod_name": "new kind", "pid": "soon", "holds": 1e2},
    42,
    {
      "pod_name": "leaf",
      "later": [1.50, {"a":  1}],
      "pid": 3,
      "socket": "/s",
      "scope_allow": [ ],
      "delegated_from": "top",
      "big": 123456789012345678901234567890
    }
  ],
  "epoch": 18446744073709551616
}"#;
    assert_eq!(table.render().unwrap(), expected);
}

#[test]
fn what_is_no_table_is_refused() {
    for (text, says) in [
        ("[]", "no table"),
        ("{", "no table"),
        ("nonsense", "no table"),
        ("\0\0\0\0", "no table"),
        ("{}", "0 members `allocations`"),
        (r#"{"allocations": [], "allocations": []}"#, "2 members"),
        (r#"{"allocations": null}"#, "cannot be read"),
        (r#"{"allocations": []} {}"#, "no table"),
        ("{\"allocations\": [\"\u{0}\"]}", "no table"),
    ] {
        let error = Table::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(Table::parse(b"{\"allocations\": [\"\xff\"]}").is_err());
}

#[test]
fn white_space_alone_is_an_empty_table() {
    assert_eq!(Table::parse(b" \n").unwrap().allocations().count(), 0);
}

#[test]
fn an_entry_nested_beyond_reason_is_kept_and_breaks_nothing() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let text = format!(r#"{{"allocations":[{deep},{{"pod_name":"a","pid":1,"x":{deep}}}]}}"#);
    let mut table = Table::parse(text.as_bytes()).unwrap();
    assert_eq!(table.reclaim_stale(|_| true), 0);
    assert_eq!(table.render().unwrap().matches(&deep).count(), 2);
}

#[test]
fn release_hands_the_children_to_the_pods_own_parent() {
    let mut table = table(&[
        allocation("top", None, &[]),
        allocation("mid", Some("top"), &[]),
        allocation("leaf", Some("mid"), &[]),
        allocation("other", Some("top"), &[]),
    ]);
    assert_eq!(table.release("mid").unwrap().pod_name, "mid");
    assert_eq!(parents(&table), [("top", None), ("leaf", Some("top")), ("other", Some("top"))]);
    table.release("top").unwrap();
    assert_eq!(parents(&table), [("leaf", None), ("other", None)]);
}

#[test]
fn releasing_a_name_that_is_not_there_changes_nothing() {
    let mut table = table(&[allocation("top", None, &[])]);
    assert_eq!(table.release("nobody"), None);
    assert!(!table.is_changed());
}

#[test]
fn where_a_name_repeats_the_first_is_released_and_the_other_keeps_the_children() {
    let mut table = table(&[
        allocation("twin", Some("one"), &[]),
        allocation("twin", Some("two"), &[]),
        allocation("leaf", Some("twin"), &[]),
    ]);
    assert_eq!(table.release("twin").unwrap().delegated_from.as_deref(), Some("one"));
    assert_eq!(parents(&table), [("twin", Some("two")), ("leaf", Some("twin"))]);
}

#[test]
fn a_dead_chain_is_reclaimed_at_once() {
    let mut held: Vec<Allocation> = (0..2000)
        .map(|n| allocation(&format!("p{n}"), (n > 0).then(|| format!("p{}", n - 1)).as_deref(), &[]))
        .collect();
    held[0].pid = 1;
    held[1999].pid = 1;
    let mut table = table(&held);
    assert_eq!(table.reclaim_stale(|entry| entry.pid != 1), 1998);
    assert_eq!(parents(&table), [("p0", None), ("p1999", Some("p0"))]);
}

#[test]
fn circles_of_delegation_end() {
    let mut circle = table(&[
        allocation("a", Some("b"), &["/work"]),
        allocation("b", Some("a"), &["/work"]),
        allocation("self", Some("self"), &[]),
    ]);
    circle.register(allocation("c", Some("a"), &["/work/c"])).unwrap();
    circle.release("a").unwrap();
    assert_eq!(parents(&circle), [("b", None), ("self", Some("self")), ("c", Some("b"))]);
    assert_eq!(circle.reclaim_stale(|_| true), 3);
}

#[test]
fn process_ids_of_any_size_are_understood_and_those_that_are_no_integers_are_kept() {
    let entry = |pid: &str| {
        format!(r#"{{"pod_name":"p","pid":{pid},"socket":"","scope_allow":[],"delegated_from":null}}"#)
    };
    let read = |pid: &str| {
        let table = Table::parse(format!(r#"{{"allocations":[{}]}}"#, entry(pid)).as_bytes()).unwrap();
        table.allocations().next().map(|held| held.pid)
    };
    assert_eq!(read("0"), Some(0));
    assert_eq!(read("-1"), Some(-1));
    assert_eq!(read("4294967295"), Some(4_294_967_295));
    assert_eq!(read("18446744073709551615"), Some(i64::MAX));
    assert_eq!(read("-99999999999999999999999"), Some(i64::MIN));
    for no_integer in ["1.5", "\"1\"", "null", "1e999", "[]"] {
        assert_eq!(read(no_integer), None, "{no_integer}");
    }
}

#[test]
fn a_conflict_names_the_holder() {
    let mut table = table(&[allocation("hol\nder", None, &["/work/src"])]);
    let error = table.register(allocation("new", None, &["/doc", "/work"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"the scope `write:/work` conflicts with `write:/work/src`, which `hol\nder` holds (process 123)"
    );
    assert!(!table.is_changed());
    table.register(allocation("new", None, &["/work/srcs"])).unwrap();
}

#[test]
fn a_child_may_write_where_its_ancestors_do_but_not_where_a_sibling_does() {
    let mut table = table(&[allocation("top", None, &["/work"])]);
    table.register(allocation("mid", Some("top"), &["/work/a"])).unwrap();
    table.register(allocation("leaf", Some("mid"), &["/work/a/b"])).unwrap();
    let sibling = table.register(allocation("late", Some("top"), &["/work/a/b/c"]));
    assert!(matches!(sibling, Err(RegisterError::Conflict { holder, .. }) if holder == "mid"));
    let outside = table.register(allocation("late", Some("mid"), &["/work/b"]));
    assert!(matches!(outside, Err(RegisterError::NotWithin { parent, .. }) if parent == "mid"));
    let orphan = table.register(allocation("late", Some("nobody"), &["/work/b"]));
    assert!(matches!(orphan, Err(RegisterError::UnknownParent { parent }) if parent == "nobody"));
    table.register(allocation("late", Some("top"), &["/work/b"])).unwrap();
}

#[test]
fn a_name_is_registered_once() {
    let mut table = table(&[allocation("x", None, &[])]);
    let taken = table.register(allocation("x", None, &[]));
    assert_eq!(taken, Err(RegisterError::NameTaken { name: "x".into(), pid: 123 }));
}

#[test]
fn targets_that_mean_no_certain_place_are_not_registered() {
    let mut table = Table::default();
    for target in ["work", "/work/../etc", "", "./x"] {
        let refused = table.register(allocation("x", None, &[target]));
        assert!(matches!(refused, Err(RegisterError::Indefinite { .. })), "{target}");
    }
    let mut latin = allocation("x", None, &[]);
    latin.socket = OsString::from_vec(vec![b'/', 0xff]).into();
    assert!(matches!(table.register(latin), Err(RegisterError::Socket { .. })));
    assert!(!table.is_changed());
}

#[test]
fn nothing_is_given_for_writing_beside_what_cannot_be_understood() {
    let mut table = Table::parse(br#"{"allocations": [{"pod_name": "new kind"}]}"#).unwrap();
    let refused = table.register(allocation("x", None, &["/work"]));
    assert_eq!(refused, Err(RegisterError::Unreadable { index: 1 }));
    table.register(allocation("x", None, &[])).unwrap();
}

#[test]
fn a_name_that_cannot_be_understood_is_not_given() {
    let text = r#"{"allocations":[{"pod_name":"x","pid":"soon"},{"pod_name":7},"x"]}"#;
    let mut table = Table::parse(text.as_bytes()).unwrap();
    assert_eq!((table.unreadable("x"), table.unreadable("y")), (Some(1), None));
    let refused = table.register(allocation("x", None, &[])).unwrap_err();
    assert!(refused.to_string().starts_with("entry 1 of the table cannot be understood"), "{refused}");
    table.register(allocation("y", None, &[])).unwrap();
}
