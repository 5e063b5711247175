//! Completion as the shells do it, and the manual as its reader does: the program's words, the names of pods, and names
//! that would be commands. A shell that is not here is said not to have run.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::Path;
use std::process::Command;

use cli::{at, bare, run};
use pod_tools_conformance::Place;

/// Its name would make a file, were it run.
const EVIL: &str = "alp$(touch hacked)`touch hacked`;touch hacked";

/// Pods that are recorded: a plain one, one of another make with a space and a quote, one that is a command.
fn place() -> Place {
    let place = Place::new().unwrap();
    for name in ["alpha", "beta's own", EVIL, "two\nlines"] {
        place.record(place.native_record(name)).unwrap();
    }
    place
}

/// What the program says may stand for the last word.
fn candidates(place: &Place, words: &[&str]) -> Vec<String> {
    let mut command = bare();
    command.args(["__complete", "pod-tools"]).args(words);
    for option in place.options().chunks(2) {
        let name = option[0].to_str().unwrap().trim_start_matches("--").to_uppercase().replace('-', "_");
        command.env(format!("POD_TOOLS_{name}"), &option[1]);
    }
    let said = run(command);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{words:?}");
    said.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn words_options_values_and_names_are_completed_and_nothing_is_no_error() {
    let place = place();
    assert_eq!(candidates(&place, &["sp"]), ["spawn"]);
    assert_eq!(candidates(&place, &["call", "Send"]), ["SendToPod"]);
    assert_eq!(candidates(&place, &["stop", "al"]), ["alpha", EVIL]);
    assert_eq!(candidates(&place, &["call", "StopPod", "name=alpha"]), ["name=alpha"]);
    assert_eq!(candidates(&place, &["mcp", "--install", "cl"]), ["claude"]);
    assert!(candidates(&place, &["spawn", "--enf"]).contains(&"--enforce".to_owned()));
    // What all commands share is in nobody's way, and there where it is meant.
    assert_eq!(candidates(&place, &["mcp", "--inst"]), ["--install"]);
    assert_eq!(candidates(&place, &["ls", "--base"]), ["--base-dir"]);
    // A new pod is called as none is; what may not be listed is not named; a line is one line.
    assert_eq!(candidates(&place, &["spawn", "al"]), [""; 0]);
    assert_eq!(candidates(&place, &["--grant", "list:beta*", "stop", "al"]), [""; 0]);
    assert_eq!(candidates(&place, &["stop", "two"]), [""; 0]);
    assert_eq!(candidates(&place, &["fly", "x"]), [""; 0]);
    assert_eq!(candidates(&place, &["stop", "--base-dir", "/nowhere", "al"]), [""; 0]);
    assert_eq!(candidates(&place, &["call", "StopPod", "xyz"]), [""; 0]);
}

#[test]
fn bash_puts_in_what_cannot_run() {
    let shown =
        "COMP_LINE=$1; COMP_POINT=${#1}; COMP_CWORD=0; _pod_tools 2>&1; printf '%s\\n' \"${COMPREPLY[@]}\"";
    in_shell(
        "bash",
        &["--norc", "--noprofile", "-c"],
        &format!("eval \"$(pod-tools completions bash)\"; {shown}"),
        |complete| {
            assert_eq!(complete("pod-tools sp"), "spawn\n");
            // As bash does it, the part behind the sign alone.
            assert_eq!(complete("pod-tools call StopPod name=alpha"), "alpha\n");
            let quoted = complete("pod-tools stop alp");
            assert!(
                quoted.contains("alpha\n")
                    && quoted.contains(r"alp\$\(touch\ hacked\)\`touch\ hacked\`\;touch\ hacked"),
                "{quoted}"
            );
            assert_eq!(complete("pod-tools stop b"), "beta\\'s\\ own\n");
            assert_eq!(complete("pod-tools stop nobody").trim(), "");
            assert_eq!(complete("pod-tools stop $(touch hacked)").trim(), "");
        },
    );
}

#[test]
fn zsh_is_given_the_words() {
    let shown = "compdef() { :; }; compadd() { shift $(( ${@[(i)-a]} )); print -rl -- \"${(@P)1}\"; }; \
                 words=(\"${(@s: :)1}\"); CURRENT=${#words}; PREFIX=${words[-1]}; ";
    let script = format!("{shown} eval \"$(pod-tools completions zsh)\"; _pod_tools");
    in_shell("zsh", &["-f", "-c"], &script, |complete| {
        assert_eq!(complete("pod-tools sp"), "spawn\n");
        assert_eq!(complete("pod-tools stop alp"), format!("alpha\n{EVIL}\n"));
        assert_eq!(complete("pod-tools stop nobody"), "");
        assert_eq!(complete("pod-tools stop $(touch hacked)"), "");
    });
}

#[test]
fn fish_is_given_the_words() {
    let script = "pod-tools completions fish | source; complete --do-complete $argv[1]";
    in_shell("fish", &["--no-config", "-c"], script, |complete| {
        assert_eq!(complete("pod-tools sp"), "spawn\n");
        let names = complete("pod-tools stop alp");
        assert!(names.lines().any(|name| name == "alpha") && names.lines().count() == 2, "{names}");
        assert_eq!(complete("pod-tools stop nobody"), "");
        assert_eq!(complete("pod-tools stop $(touch hacked)"), "");
    });
}

/// Runs a script in a shell, with the words of a line as its argument, in a directory in which nothing may be made.
fn in_shell(shell: &str, options: &[&str], script: &str, check: impl Fn(&dyn Fn(&str) -> String)) {
    if Command::new(shell).arg("--version").output().is_err() {
        eprintln!("not run: there is no {shell} here");
        return;
    }
    let place = place();
    let empty = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_pod-tools")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    check(&|line| {
        let mut command = Command::new(shell);
        command.args(options).arg(script);
        if shell != "fish" {
            command.arg(shell);
        }
        command.arg(line).current_dir(empty.path()).env_clear().env("PATH", &path).env("HOME", empty.path());
        command.env("LANG", "C.UTF-8").env("TERM", "dumb").env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        for option in place.options().chunks(2) {
            let name = option[0].to_str().unwrap().trim_start_matches("--").to_uppercase().replace('-', "_");
            command.env(format!("POD_TOOLS_{name}"), &option[1]);
        }
        let said = run(command);
        assert_eq!(said.stderr, "", "{line}");
        assert!(!empty.path().join("hacked").exists(), "{line} has run something");
        said.stdout
    });
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let directory = tempfile::tempdir().unwrap();
    let mut install = bare();
    install.args(["man", "--install"]).arg(directory.path());
    let installed = run(install);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    for page in ["pod-tools", "pod-tools-call", "pod-tools-spawn", "pod-tools-grants"] {
        let text = fs::read_to_string(directory.path().join(format!("man1/{page}.1"))).unwrap();
        assert!(text.contains(".TH"), "{text}");
    }
    let mut page = bare();
    page.arg("man");
    let page = run(page);
    assert!(page.stdout.contains("base\\-dir") && page.stdout.contains("spawn"), "{}", page.stdout);

    // groff has nothing to complain of, and the options are there.
    let Ok(read) = Command::new("groff")
        .args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"])
        .args(fs::read_dir(directory.path().join("man1")).unwrap().map(|file| file.unwrap().path()))
        .output()
    else {
        eprintln!("not run: there is no groff here");
        return;
    };
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let place = place();
    let refused = run(at(&place, ["man", "--install", "/dev/null"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("cannot make `/dev/null/man1`"), "{}", refused.stderr);
}
