//! Help: how much is shown, and where the options stand that all commands share.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Finished, bare, run};

/// On a terminal of 80 columns.
fn shown(arguments: &[&str]) -> String {
    let Finished { code, stdout, stderr } = outcome(arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{arguments:?}: {stdout}");
    stdout
}

fn outcome(arguments: &[&str]) -> Finished {
    let mut command = bare();
    command.args(arguments).env("COLUMNS", "80");
    run(command)
}

/// The commands, by the program's own word.
fn commands() -> Vec<String> {
    let all = shown(&["--help"]);
    let (_, list) = all.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list
        .lines()
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 15, "{names:?}");
    names
}

#[test]
fn the_short_help_of_the_program_and_of_every_command_is_a_screen() {
    for command in commands() {
        let help = shown(&[&command, "-h"]);
        assert!(help.lines().count() <= 24, "{command}: {} lines\n{help}", help.lines().count());
        assert!(help.contains("Usage: pod-tools"), "{help}");
    }
    let help = shown(&["-h"]);
    assert!(help.lines().count() <= 24, "{help}");
    // Those that are not shown are named.
    for command in commands() {
        assert!(help.contains(&command), "{command} is missing:\n{help}");
    }
}

#[test]
fn the_help_of_every_command_is_short_and_names_where_the_shared_options_are() {
    for command in commands() {
        let help = shown(&[&command, "--help"]);
        assert!(help.lines().count() <= 64, "{command}: {} lines\n{help}", help.lines().count());
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.ends_with("`pod-tools help options`"), "{help}");
        // Option lines, not words of the text.
        assert!(!help.contains("\n      --base-dir") && !help.contains("\n      --op-timeout"), "{help}");
        // What `--help` leaves out, `help` has.
        let whole = shown(&["help", &command]);
        assert!(whole.lines().count() + 5 >= help.lines().count(), "{command}: {whole}");
    }
    assert!(shown(&["help", "pod"]).contains("best-effort`: as far as this machine"));
    assert!(!shown(&["pod", "--help"]).contains("In full: `pod-tools help options`"));
    assert!(shown(&["help", "grants", "check"]).contains("[[caller]]"));
}

#[test]
fn the_shared_options_stand_in_a_help_of_their_own_and_are_taken_everywhere() {
    let options = shown(&["help", "options"]);
    for option in ["--base-dir", "--grant", "--op-timeout", "--component", "--verbose"] {
        assert!(options.contains(option), "{option} is missing:\n{options}");
    }
    // Behind any command they are read: a value that is none is refused, and not the option.
    for command in ["tools", "ls", "demo", "stop", "mcp"] {
        let refused = outcome(&[command, "--op-timeout", "never"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("a duration is"), "{}", refused.stderr);
    }
}

#[test]
fn a_word_that_is_no_command_is_told_the_nearest_one() {
    for arguments in [&["help", "spwan"][..], &["spwan"]] {
        let refused = outcome(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains("spawn"), "{}", refused.stderr);
    }
    let tool = outcome(&["sendtopod"]);
    assert!(tool.code == Some(2) && tool.stderr.contains("`pod-tools call SendToPod`"), "{tool:?}");
}
