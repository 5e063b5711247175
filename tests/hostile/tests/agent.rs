//! The list of attempts that the agent knows, against the one that people read. What becomes of each attempt, with the
//! fence and without: `host/cli/tests/pod/fence.rs`, which needs the program that cargo builds for this test.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// The attempts in the table of the README.
fn written_down() -> BTreeSet<&'static str> {
    let readme = include_str!("../README.md");
    let (_, table) = readme.split_once("\n## From behind the fence\n").expect("the README has its part");
    let (table, _) = table.split_once("\n## ").expect("a part behind it");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, _)| name).collect()
}

#[test]
fn the_readme_lists_the_attempts_of_the_agent() {
    let mut agent = Command::new(env!("CARGO_BIN_EXE_fence-agent"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    agent.stdin.take().unwrap().write_all(b"list\n").unwrap();
    let told = String::from_utf8(agent.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(told.lines().collect::<BTreeSet<_>>(), written_down());
}
