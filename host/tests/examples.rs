//! The examples, as programs, against pods.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::Path;
use std::process::Command;

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};

fn pod(place: &Place) -> FakePod {
    let items = history(&[assistant("The tests pass.\nAll of them.")]);
    FakePod::start(place, "reviewer", Script::new().on("get_history", [Step::line(items)]).stopping())
        .unwrap()
}

/// What the example writes. Cargo builds examples with a package's tests, beside the directory of the tests.
fn run(example: &str, arguments: &[&Path]) -> String {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(example);
    let run = Command::new(&program)
        .args(arguments)
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{} (built by `cargo test` of all targets, and by `cargo build --examples`): {error}",
                program.display()
            )
        });
    let errors = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{}: {errors}", run.status);
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn embed_reads_what_is_new_and_may_not_stop_the_pod() {
    let place = Place::new().unwrap();
    let pod = pod(&place);
    let denied = "denied: stop `reviewer`: pod `reviewer`: stopping it is not granted; it takes the grant `stop:reviewer`\n";
    let new = "pod `reviewer`: 2 new line(s) of assistant text; now idle\nThe tests pass.\nAll of them.\n";
    assert_eq!(
        run("embed", &[&place.base(), &place.runtime_dir(), "reviewer".as_ref()]),
        format!("{new}{denied}")
    );
    let nothing = "pod `reviewer` idle; no new assistant text\n";
    assert_eq!(
        run("embed", &[&place.base(), &place.runtime_dir(), "reviewer".as_ref()]),
        format!("{nothing}{denied}")
    );
    assert_eq!(pod.methods(), ["get_history", "get_history"]);
}

#[test]
fn own_wasmtime_reads_what_is_new() {
    let place = Place::new().unwrap();
    let pod = pod(&place);
    let new = "pod `reviewer`: 2 new line(s) of assistant text; now idle\nThe tests pass.\nAll of them.\n";
    assert_eq!(run("own_wasmtime", &[&place.base(), &place.runtime_dir(), "reviewer".as_ref()]), new);
    let nothing = "pod `reviewer` idle; no new assistant text\n\n";
    assert_eq!(run("own_wasmtime", &[&place.base(), &place.runtime_dir(), "reviewer".as_ref()]), nothing);
    assert_eq!(pod.methods(), ["get_history", "get_history"]);
}

#[test]
fn own_registry_keeps_the_record_and_how_far_the_pod_was_read() {
    let place = Place::new().unwrap();
    let pod = pod(&place);
    let expected = "1 pod(s) known\n  1 pod(s), 0 item(s) read\n\
        pod `reviewer`: 2 new line(s) of assistant text; now idle\n  1 pod(s), 1 item(s) read\n\
        pod `reviewer` idle; no new assistant text\n  1 pod(s), 1 item(s) read\n\
        stopped pod `reviewer`; reclaimed scope: (none)\n  0 pod(s), 0 item(s) read\n";
    assert_eq!(run("own_registry", &[&place.base(), "reviewer".as_ref()]), expected);
    assert_eq!(pod.methods(), ["get_history", "get_history", "shutdown"]);
    assert_eq!(place.recorded().unwrap(), ["reviewer"], "the registry's file is not the example's");
}
