//! `pod-tools-conformance` from the outside: what it writes, and how it ends.

use std::process::{Command, Output};

use serde_json::Value;

/// Reads calls and never says anything.
const SILENT: &str = "while read -r line; do :; done";
/// Closes its output, and stays.
const MUTE: &str = "exec cat > /dev/null";
/// Answers everything with the same line.
const STUBBORN: &str =
    r#"while read -r line; do echo '{"ok":{"summary":"no spawned pods","content":null,"data":{}}}'; done"#;

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pod-tools-conformance")).args(args).output().expect("the kit starts")
}

fn run(args: &[&str], script: &str) -> Output {
    kit(&[&["run"], args, &["--", "sh", "-c", script, "sh"]].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_host_that_passes_what_was_asked_for_is_exit_status_0() {
    let output = run(&["--only", "tools/list-empty"], STUBBORN);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("tools          1       0              0        0\n"), "{table}");
}

#[test]
fn a_host_that_fails_is_exit_status_1_and_reports_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let (json, junit) = (file("report.json"), file("report.xml"));
    let output = run(
        &[
            "--only",
            "tools/list-empty",
            "--only",
            "tools/send-unknown-pod",
            "--json",
            &json,
            "--junit",
            &junit,
        ],
        STUBBORN,
    );
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  expected  an error of kind `invalid-argument`, reason unknown-pod\n"), "{text}");
    assert!(text.contains("  came      the summary: no spawned pods; no content"), "{text}");
    assert!(
        text.contains("host receives {\"tool\":\"SendToPod\"") || text.contains("host receives {"),
        "{text}"
    );
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(report["totals"]["failed"], 1);
    assert_eq!(report["cases"][1]["id"], "tools/send-unknown-pod");
    assert_eq!(report["cases"][1]["status"], "failed");
    assert!(std::fs::read_to_string(junit).unwrap().contains("failures=\"1\""));
}

#[test]
fn a_host_that_never_answers_is_killed() {
    let output = run(&["--only", "tools/list-empty", "--answer-limit", "1"], SILENT);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("none within 1s: the host was killed"), "{text}");

    let output = run(&["--only", "tools/list-empty", "--answer-limit", "1"], MUTE);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("the end of its standard output; the host was killed"), "{text}");
}

#[test]
fn what_a_profile_declares_is_not_supported_and_never_passed() {
    let profile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&profile, r#"{"not_supported":{"grants":"no such thing here"}}"#).unwrap();
    let profile = profile.path().to_str().unwrap();
    let output = run(&["--only", "grants/list-alone", "--host-profile", profile], STUBBORN);
    assert_eq!(output.status.code(), Some(1), "nothing was proved");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not supported: 1 case(s): needs grants: no such thing here\n"), "{text}");
}

#[test]
fn wrong_use_is_exit_status_2_and_says_what_to_do() {
    let profile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&profile, r#"{"not_supported":{"nonsense":"why"}}"#).unwrap();
    let profile = profile.path().to_str().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["run", "--family", "nonsense", "--", "true"], "tools, grants, limits, faults, lock, state"),
        (&["run", "--only", "tools/nonsense", "--", "true"], "`pod-tools-conformance list` shows them"),
        (&["run", "--family", "lock", "--only", "tools/list-empty", "--", "true"], "no case is both"),
        (&["run", "--host-profile", profile, "--", "true"], "`nonsense` is not supported"),
        (&["run", "--", "/nonexistent/host"], "No such file"),
        (&["run"], "COMMAND"),
    ];
    for (args, says) in cases {
        let output = kit(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
    let output = kit(&["run", "--", "false"]);
    assert_eq!(output.status.code(), Some(2), "a command that fails at once is no host");
    assert!(stderr(&output).contains("exit status 0 at the end of input"), "{}", stderr(&output));
}

#[test]
fn list_shows_cases_and_needs() {
    let output = kit(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("lock/busy [scope-lock, op-timeout]\n    a lock that is held"), "{text}");
    assert!(text.contains("peer-credentials  the host's: "), "{text}");
}
