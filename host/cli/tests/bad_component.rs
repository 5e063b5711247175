//! A component file that cannot be used: what `pod-tools` says of it.

#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use cli::{Batch, Refusal, run, snapshot};
use pod_tools_conformance::Place;
use serde_json::{Value, json};

/// A component file with that content, and a place that nothing is to be written to.
fn component(bytes: impl AsRef<[u8]>) -> (Place, PathBuf) {
    let place = Place::new().unwrap();
    let file = place.root().join("plugin.wasm");
    fs::write(&file, bytes).unwrap();
    (place, file)
}

/// Calls a tool of it, which must fail with that kind of error, and with nothing written; the message.
fn refusal(place: &Place, file: &Path, kind: &str) -> String {
    let before = snapshot(place.root());
    let option = [OsStr::new("--component"), file.as_os_str()];
    let error =
        run(cli::at(place, ["call", "ListPods", "--json"].map(OsStr::new).iter().chain(&option))).err();
    assert_eq!(error.words(), (kind, ""), "{}", error.message);
    assert!(error.message.contains(&file.display().to_string()), "{}", error.message);
    assert_eq!(snapshot(place.root()), before);
    error.message
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new().unwrap();
    let message = refusal(&place, &place.root().join("nowhere.wasm"), "execution-failed");
    assert!(message.contains("cannot read the component"), "{message}");
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn what_is_no_component_is_said_to_be_none() {
    for bytes in [&b""[..], b"not wasm", b"\0asm", b"\0asm\x0d\0\x01\0cut"] {
        let (place, file) = component(bytes);
        let message = refusal(&place, &file, "internal");
        assert!(message.contains("is not a WebAssembly component"), "{bytes:?}: {message}");
    }
    let (place, file) = component(wat::parse_str("(module)").unwrap());
    let message = refusal(&place, &file, "internal");
    assert!(message.contains("is not a WebAssembly component"), "{message}");

    let place = Place::new().unwrap();
    let message = refusal(&place, &place.base(), "execution-failed");
    assert!(message.contains("cannot read the component"), "{message}");
}

/// Asks for two interfaces that this host has, and for three imports that it does not have.
const GREEDY: &str = r#"(component
    (import "wasi:io/error@0.2.6" (instance (export "error" (type (sub resource)))))
    (import "wasi:sockets/tcp@0.2.6" (instance (export "tcp-socket" (type (sub resource)))))
    (import "wasi:http/outgoing-handler@0.2.6" (instance (export "handle" (func))))
    (import "pod:tools/pods@0.1.0" (instance (export "bounds" (func))))
    (import "pod:tools/pods@9.0.0" (instance (export "bounds" (func))))
    (import "read-any-file" (func (param "path" string) (result string)))
)"#;

#[test]
fn all_imports_that_the_host_does_not_have_are_listed() {
    let (place, file) = component(wat::parse_str(GREEDY).unwrap());
    let message = refusal(&place, &file, "internal");
    assert!(message.contains("asks for imports that this host does not have: "), "{message}");
    for missing in [
        "wasi:sockets/tcp@0.2.6",
        "wasi:http/outgoing-handler@0.2.6",
        "pod:tools/pods@9.0.0",
        "read-any-file",
    ] {
        assert!(message.contains(missing), "{missing}: {message}");
    }
    for there in ["wasi:io/error", "pod:tools/pods@0.1.0"] {
        assert!(!message.contains(there), "{there}: {message}");
    }
}

#[test]
fn inspect_shows_them_without_running_anything_and_marks_what_is_missing() {
    let (place, file) = component(wat::parse_str(GREEDY).unwrap());
    let before = snapshot(place.root());
    let mut shown = cli::bare();
    shown.arg("inspect").arg(&file);
    let shown = run(shown);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let line = |start: &str| shown.stdout.lines().find(|line| line.trim().starts_with(start)).unwrap();
    assert_eq!(line("wasi:sockets/tcp"), "  wasi:sockets/tcp@0.2.6  (this host does not have it)");
    assert_eq!(line("wasi:io/error"), "  wasi:io/error@0.2.6");

    // The same file by the option that all commands share.
    let mut json = cli::bare();
    json.args(["inspect", "--json", "--component"]).arg(&file);
    let inspection: Value = serde_json::from_str(&run(json).stdout).unwrap();
    let imports = inspection["imports"].as_array().unwrap();
    let missing: Vec<&Value> =
        imports.iter().filter(|import| import["known"] == false).map(|import| &import["name"]).collect();
    assert_eq!(
        missing,
        [
            &json!("wasi:sockets/tcp@0.2.6"),
            &json!("wasi:http/outgoing-handler@0.2.6"),
            &json!("pod:tools/pods@9.0.0"),
            &json!("read-any-file")
        ]
    );

    assert_eq!(snapshot(place.root()), before);

    let mut none = cli::bare();
    none.arg("inspect").arg(place.root().join("nowhere.wasm"));
    let none = run(none);
    assert_eq!((none.code, none.stdout.as_str()), (Some(1), ""));
    assert!(none.stderr.contains("nowhere.wasm"), "{}", none.stderr);
}

#[test]
fn a_component_that_asks_for_nothing_and_offers_nothing_does_not_fit() {
    let (place, file) = component(wat::parse_str("(component)").unwrap());
    let message = refusal(&place, &file, "internal");
    assert!(message.contains("does not export pod:tools/tools"), "{message}");
}

#[test]
fn an_import_that_has_the_right_name_and_the_wrong_shape_is_named() {
    let shapes = r#"(component
        (import "pod:tools/pods@0.1.0" (instance (export "bounds" (func (param "x" u8)))))
        (instance $tools)
        (export "pod:tools/tools@0.1.0" (instance $tools))
    )"#;
    let (place, file) = component(wat::parse_str(shapes).unwrap());
    let message = refusal(&place, &file, "internal");
    assert!(message.contains("does not fit the contract"), "{message}");
    assert!(message.contains("bounds"), "{message}");
}

#[test]
fn each_line_of_a_batch_is_told_and_the_batch_exits_with_1() {
    let (place, file) = component("not wasm");
    let mut batch = Batch::start(&place, [OsStr::new("--component"), file.as_os_str()]);
    for _ in 0..2 {
        let refusal = Refusal::of(&batch.ask("ListPods", json!({}))["err"]);
        assert_eq!(refusal.words(), ("internal", ""));
        assert!(refusal.message.contains("is not a WebAssembly component"), "{}", refusal.message);
    }
    assert_eq!(batch.finish(), (String::new(), Some(1)));
}
