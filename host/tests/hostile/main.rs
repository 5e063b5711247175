//! Plugins that were written to break out, and what the host makes of them.
//!
//! The plugins are in `tests/hostile`; each attack has a test of its name here, which reads as "a plugin that
//! …", and [`Attack::run`](attack::Attack::run) checks after each that the host is as it was.
//!
//! | attack | ends in |
//! |---|---|
//! | endless loop, endless sleep, host-call flood, log flood | `limit`: CPU time, host calls |
//! | endless wait for a pod | `timeout` |
//! | memory, tables, instances, handles | `limit`, which names it |
//! | endless recursion | `internal` |
//! | too many exchanges | a value of kind `limit`, for the plugin to go on with |
//! | gigantic arguments and results | `limit`: transfer |
//! | results that are none, forged and dropped handles, traps and exits | `internal` |
//! | what was not granted, living pods | a value: `denied`, `still-running` |
//! | files, environment, clocks | nothing is there |
//! | imports that the host does not have | it is not loaded |

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::collections::BTreeSet;

mod ambient;
mod arguments;
mod attack;
mod authority;
mod connections;
mod exhaustion;
mod handles;
mod honest;
mod process;
mod raw;
#[path = "../support/remedy.rs"]
mod remedy;
mod results;
mod state;
mod traps;
mod tree;

/// An attack without a test does not compile.
macro_rules! each_is_tested {
    ($($module:ident { $($attack:ident)* })*) => {
        $($(const _: fn() = $module::$attack;)*)*
    };
}
pod_tools_hostile::attacks!(each_is_tested);

macro_rules! each_raw_one_is_tested {
    ($($attack:ident)*) => { $(const _: fn() = raw::$attack;)* };
}
pod_tools_hostile::raw_attacks!(each_raw_one_is_tested);

macro_rules! names {
    ($($module:ident { $($attack:ident)* })*) => { [$($(stringify!($attack)),*),*].as_slice() };
}

macro_rules! raw_names {
    ($($attack:ident)*) => { [$(stringify!($attack)),*].as_slice() };
}

macro_rules! paths {
    ($($module:ident { $($attack:ident)* })*) => {
        [$($(concat!(stringify!($module), "::", stringify!($attack))),*),*].as_slice()
    };
}

macro_rules! raw_paths {
    ($($attack:ident)*) => { [$(concat!("raw::", stringify!($attack))),*].as_slice() };
}

#[test]
fn each_attack_is_written_down_with_its_bound() {
    let readme = include_str!("../../../tests/hostile/README.md");
    let (_, plugins) = readme.split_once("\n## Plugins\n").unwrap();
    let (plugins, _) = plugins.split_once("\n## ").unwrap();
    let rows =
        plugins.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    let written: BTreeSet<&str> = rows
        .map(|(name, rest)| {
            let (tried, bound) = rest.rsplit_once(" | ").unwrap_or_default();
            assert!(!tried.trim().is_empty() && !bound.trim().is_empty(), "`{name}` has no bound");
            name
        })
        .collect();
    let there_are = [pod_tools_hostile::attacks!(paths), pod_tools_hostile::raw_attacks!(raw_paths)].concat();
    assert_eq!(written, there_are.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn the_readme_states_how_much_memory_a_call_may_take() {
    let bound = "each takes `--memory`, four times `--max-transfer` and 256 bytes for each of `--handles` at most, and \
                 32 MiB beside them";
    for text in [include_str!("../../../README.md"), include_str!("../../../.github/SECURITY.md")] {
        assert!(text.contains(bound));
    }
}

#[test]
fn the_readme_tells_how_many_there_are() {
    let count = pod_tools_hostile::attacks!(names).len() + pod_tools_hostile::raw_attacks!(raw_names).len();
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("{count} hostile plugins")), "there are {count}");
}
