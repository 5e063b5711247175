//! Scope rules whose targets have several names: what is held under one of them is held under all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pod_tools_host::scope::{Allocation, Permission, RegisterError, ScopeRule, Table};

use crate::table::{allocation, write};

/// A table in which `holder` writes at `target`.
fn held(target: impl AsRef<Path>, recursive: bool) -> Table {
    let rule = ScopeRule { recursive, ..write(target.as_ref().to_str().unwrap()) };
    let holder = Allocation { scope_allow: vec![rule], ..allocation("holder", None, &[]) };
    // As a native process would have written it: targets of any spelling.
    let text = serde_json::json!({ "allocations": [holder] }).to_string();
    Table::parse(text.as_bytes()).unwrap()
}

/// Whether another pod is refused to write at `target`, because of the holder.
#[track_caller]
fn conflicts(table: &Table, target: impl AsRef<Path>) -> bool {
    let mut table = table.clone();
    match table.register(allocation("other", None, &[target.as_ref().to_str().unwrap()])) {
        Ok(()) => false,
        Err(RegisterError::Conflict { holder, .. }) => {
            assert_eq!(holder, "holder");
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_directory_is_held_under_each_of_its_names() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    fs::create_dir_all(at("work/src/deep")).unwrap();
    symlink("work", at("link")).unwrap();
    symlink(at("work/src"), at("short")).unwrap();
    for holder in ["work", "link", "link/../work", "work/", "./work/."] {
        let table = held(at(holder), true);
        for other in ["work", "link", "link/src", "short", "short/deep", "short/none/none", "link/none", ""] {
            assert!(conflicts(&table, at(other)), "{holder} and {other}");
        }
        assert!(!conflicts(&table, at("elsewhere")));
    }
    // Of what does not exist, the nearest ancestor counts that does.
    assert!(conflicts(&held(at("link/none/a"), true), at("work/none")));
    assert!(!conflicts(&held(at("link/none/a"), true), at("work/none/b")));
    // Without what lies deeper than the direct children.
    let table = held(at("link"), false);
    assert!(conflicts(&table, at("short")) && conflicts(&table, at("work")));
    assert!(!conflicts(&table, at("short/deep")));
}

#[test]
fn what_only_looks_the_same_is_still_held() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("work")).unwrap();
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    symlink(root.path().join("elsewhere"), root.path().join("work/away")).unwrap();
    // A native process compares the paths as they are written, and so would refuse this one.
    assert!(conflicts(&held(root.path().join("work"), true), root.path().join("work/away/x")));
}

#[test]
fn a_child_is_given_what_lies_within_its_parents_scope_and_not_what_only_looks_so() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path).to_str().unwrap().to_owned();
    fs::create_dir_all(at("work/src")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    symlink("work", at("link")).unwrap();
    symlink(at("elsewhere"), at("work/away")).unwrap();
    let child = |target: &str, permission, recursive| {
        let mut table = held(at("link"), recursive);
        let rule = ScopeRule { permission, recursive, ..write(&at(target)) };
        table.register(Allocation { scope_allow: vec![rule], ..allocation("child", Some("holder"), &[]) })
    };
    for (target, recursive) in [("work", true), ("work/src", true), ("link/src/none", true), ("work", false)]
    {
        child(target, Permission::Write, recursive).unwrap();
        child(target, Permission::Read, recursive).unwrap();
    }
    for (target, recursive) in
        [("link/away", true), ("work/away/none", true), ("elsewhere", true), ("work/src", false)]
    {
        let refused = child(target, Permission::Read, recursive).unwrap_err();
        assert!(matches!(refused, RegisterError::NotWithin { .. }), "{target}: {refused}");
    }
}

/// A directory that is shown in a second place. Dropped, it is unmounted.
struct BindMount(PathBuf);

impl BindMount {
    /// `None`, and a word about it, where this process may not mount.
    fn new(of: &Path, at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").arg("--bind").args([of, at]).stderr(Stdio::null()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("not run: no directory can be bound to a second place here");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for BindMount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_bind_mount_is_what_it_shows() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for directory in ["work/src/deep", "work/data", "data/set"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    let Some(_whole) = BindMount::new(&at("work"), &at("whole")) else { return };
    let Some(_part) = BindMount::new(&at("work/src"), &at("part of it")) else { return };
    let Some(_inside) = BindMount::new(&at("data"), &at("work/data")) else { return };

    let table = held(at("work"), true);
    for other in
        ["whole", "whole/src", "whole/none", "part of it", "part of it/deep/none", "data", "data/set"]
    {
        assert!(conflicts(&table, at(other)), "work and {other}");
        assert!(conflicts(&held(at(other), true), at("work")), "{other} and work");
    }
    for (one, other) in [("part of it", "work/data"), ("part of it", "data"), ("whole/data", "data")] {
        assert!(!conflicts(&held(at(one), true), at(other)), "{one} and {other}");
    }
    assert!(conflicts(&held(at("part of it/deep"), true), at("whole/src")));

    let mut table = held(at("work"), true);
    table.register(allocation("child", Some("holder"), &[at("whole/src").to_str().unwrap()])).unwrap();
}
