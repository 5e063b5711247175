//! Attacks on `pod-tools` from around the plugin: by clients, other users, files, terminals, the command of a pod,
//! and by a component as it is loaded.
//!
//! Each test is an attack and is named for what it does. `tests/hostile/README.md` lists them with the bound that
//! each must not pass.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod audit_log;
#[path = "../support/cli.rs"]
mod cli;
#[allow(dead_code, reason = "the tests of the server need all of it")]
#[path = "../mcp/client.rs"]
mod client;
mod clients;
mod compiled_code;
mod grants;
#[allow(dead_code, reason = "the tests of pods need all of it")]
#[path = "../pod/harness.rs"]
mod harness;
mod http;
mod loading;
#[path = "../support/log.rs"]
mod log;
mod places;
mod pods;
mod scope_table;
mod sessions;
mod state_files;
mod stranger;
mod terminals;

use std::collections::BTreeSet;
use std::process::Command;

/// The names in the first column of the README's tables, by the section that they stand in.
fn written_down() -> BTreeSet<String> {
    let readme = include_str!("../../../../tests/hostile/README.md");
    let (_, around) = readme.split_once("\n## Around the plugin\n").unwrap();
    let rows = around.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, bound)| {
        assert!(bound.trim_end_matches(['|', ' ']).contains(" | "), "no bound: {name}");
        name.to_owned()
    })
    .collect()
}

#[test]
fn each_attack_is_written_down_with_its_bound() {
    let list = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let attacks: BTreeSet<String> = tests.filter(|name| name.contains("::")).map(str::to_owned).collect();
    assert_eq!(attacks, written_down());
    let count = attacks.len();
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&format!("{count} attacks from around it")), "there are {count}");
}
