//! A component that a registry has, in place of the bundled one.

use pod_tools_conformance::Place as Pods;

use crate::cli::run;
use crate::liar::Liar;
use crate::place::Place;
use crate::registry::Registry;

#[test]
fn a_reference_with_a_digest_is_loaded_and_from_then_on_with_no_registry() {
    let Some(registry) = Registry::start() else { return };
    let (place, pods) = (Place::new(), Pods::new().unwrap());
    let reference = place.push(&[&format!("{}/plugin:1", registry.address)]);
    let call = |reference: &str| {
        let mut command = place.command(["call", "ListPods", "--json", "--component", reference]);
        command.args(pods.options()).env("XDG_CACHE_HOME", place.path("cache"));
        run(command)
    };
    assert_eq!(call(&reference).ok()["summary"], "no spawned pods");
    let with_tag = reference.replace('@', ":1@");
    assert_eq!(call(&with_tag).ok()["summary"], "no spawned pods");

    drop(registry);
    assert_eq!(call(&reference).ok()["summary"], "no spawned pods");
    std::fs::remove_dir_all(place.path("cache")).unwrap();
    let error = call(&reference).err();
    assert_eq!(error.words(), ("execution-failed", ""));
    assert!(error.message.contains("cannot reach the registry 127.0.0.1:"), "{}", error.message);
}

#[test]
fn what_is_kept_and_was_changed_is_pulled_again() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let reference = place.push(&[&format!("{}/plugin:1", registry.address)]);
    let tools = || place.run_afresh(["tools", "--component", &reference]);
    assert_eq!(tools().code, Some(0));
    let kept = place.path("cache/pod-tools/artifacts");
    let files = || std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(files().count(), 2, "a manifest and a component");
    for file in files() {
        std::fs::write(file, "another").unwrap();
    }
    assert_eq!(tools().code, Some(0));
    assert!(files().all(|file| std::fs::read(file).unwrap() != b"another"));
}

#[test]
fn inspect_and_compose_take_a_reference() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let reference = place.push(&[&format!("{}/plugin:1", registry.address)]);
    let shown = place.run(["inspect", &reference, "--save", "saved.wasm"]);
    assert!(shown.stdout.starts_with(&reference), "{shown:?}");
    assert_eq!(place.read("saved.wasm"), pod_tools_host::BUNDLED);
    let composed =
        place.run(["compose", "--for", "wasmtime", "-o", "composed.wasm", "--component", &reference]);
    assert_eq!(composed.code, Some(0), "{composed:?}");
}

#[test]
fn without_a_digest_it_is_refused_and_nobody_is_asked() {
    let server = Liar::with("{}", "");
    let place = Place::new();
    let reference = format!("oci://{}/plugin:1", server.address);
    for arguments in [&["tools", "--component", &reference][..], &["inspect", &reference]] {
        let finished = place.run(arguments);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(
            finished.stderr.contains(&format!("`pod-tools pull {reference} -o FILE` prints")),
            "{finished:?}"
        );
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_file_by_whatever_name_is_a_file() {
    let place = Place::new();
    let finished = place.run(["tools", "--component", "localhost:5000/plugin:1"]);
    assert!(finished.stderr.contains("cannot read the component localhost:5000/plugin:1"), "{finished:?}");
}
