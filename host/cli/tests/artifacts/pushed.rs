//! What is pushed is pulled again to the byte, by its tag and by its digest, from whoever has it.

use pod_tools_host::BUNDLED;
use serde_json::{Value, json};

use crate::place::Place;
use crate::registry::Registry;

/// The manifest of a tag and the configuration that it names, as anybody gets them.
fn stored(registry: &Registry, repository: &str, tag: &str) -> (Value, Value) {
    let get = |path: String| {
        let url = format!("http://{}/v2/{repository}/{path}", registry.address);
        let answer = ureq::get(url).header("Accept", "application/vnd.oci.image.manifest.v1+json").call();
        let body = answer.unwrap().body_mut().read_to_vec().unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let manifest = get(format!("manifests/{tag}"));
    let config = get(format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap()));
    (manifest, config)
}

#[test]
fn the_plugin_comes_back_to_the_byte_and_has_one_digest_however_often_it_is_pushed() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let tagged = format!("{}/a/plugin:0.1.0", registry.address);
    let pushed = place.push(&[&tagged]);
    assert!(pushed.starts_with(&format!("oci://{}/a/plugin@sha256:", registry.address)), "{pushed}");
    assert_eq!(place.push(&[&tagged]), pushed);
    assert_eq!(place.pull(&[&tagged, "-o", "by-tag.wasm"]), pushed);
    assert_eq!(place.pull(&[&pushed, "-o", "by-digest.wasm"]), pushed);
    assert_eq!(place.read("by-tag.wasm"), BUNDLED);
    assert_eq!(place.read("by-digest.wasm"), BUNDLED);
    assert_eq!(place.files(), ["by-digest.wasm", "by-tag.wasm"], "no signature, and nothing half done");
}

#[test]
fn what_lies_there_is_the_layout_of_components() {
    let Some(registry) = Registry::start() else { return };
    Place::new().push(&[&format!("{}/plugin:1", registry.address)]);
    let (manifest, config) = stored(&registry, "plugin", "1");
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/wasm");
    assert_eq!(layer["size"], BUNDLED.len());
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["layerDigests"], json!([layer["digest"]]));
    assert_eq!(config["component"]["exports"], json!(["pod:tools/tools@0.1.0"]));
    assert!(config["component"]["imports"].as_array().unwrap().contains(&json!("pod:tools/pods@0.1.0")));
}

#[test]
fn each_part_and_a_composition_are_pushed_and_pulled() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let to = |name: &str| format!("{}/{name}:1", registry.address);
    for part in ["remote", "adapter-plain", "wit"] {
        place.push(&[&to(part), "--part", part]);
        place.pull(&[&to(part), "-o", part]);
        assert_eq!(&place.read(part)[..8], b"\0asm\x0d\0\x01\0", "{part}");
    }
    let (_, config) = stored(&registry, "wit", "1");
    assert!(config["component"]["exports"].as_array().unwrap().contains(&json!("pod:tools/tools@0.1.0")));

    let composed = place.run(["compose", "--for", "wasmtime", "-o", "composed.wasm"]);
    assert_eq!(composed.code, Some(0), "{composed:?}");
    place.push(&[&to("composed"), "composed.wasm"]);
    place.pull(&[&to("composed"), "-o", "pulled.wasm"]);
    assert_eq!(place.read("pulled.wasm"), place.read("composed.wasm"));
}

#[test]
fn a_mirror_serves_as_well_and_a_moved_tag_is_told() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let tagged = format!("{}/plugin:1", registry.address);
    let first = place.push(&[&tagged]);
    let digest = first.split_once('@').unwrap().1;
    let both = format!("{tagged}@{digest}");
    assert_eq!(place.pull(&[&both, "-o", "both.wasm"]), first);

    let mirror = registry.mirror();
    let there = place.pull(&[&format!("{}/plugin@{digest}", mirror.address), "-o", "mirror.wasm"]);
    assert_eq!(there, format!("oci://{}/plugin@{digest}", mirror.address));
    assert_eq!(place.read("mirror.wasm"), BUNDLED);

    let second = place.push(&[&tagged, "--part", "remote"]);
    assert_ne!(second, first);
    let said = place.refusal(&["pull", &both, "-o", "moved.wasm"]);
    let now = second.split_once('@').unwrap().1;
    assert!(said.contains("the tag has moved") && said.contains(now), "{said}");
    assert_eq!(place.pull(&[&first, "-o", "first.wasm"]), first);
    assert_eq!(place.read("first.wasm"), BUNDLED);
}

#[test]
fn a_registry_that_wants_a_password_is_shown_the_one_that_docker_stored() {
    let Some(registry) = Registry::start_with_login() else { return };
    let place = Place::new();
    let tagged = format!("{}/plugin:1", registry.address);
    let (user, password) = registry.login.clone().unwrap();
    for arguments in [&["push", &tagged][..], &["pull", &tagged, "-o", "plugin.wasm"]] {
        let said = place.refusal(arguments);
        assert!(said.contains("does not let anybody") && said.contains("docker login"), "{said}");
    }
    place.log_in(&registry.address, &user, "another");
    let said = place.refusal(&["push", &tagged]);
    assert!(said.contains(&format!("does not let `{user}` push to plugin")), "{said}");
    assert!(!said.contains("another"), "{said}");

    std::fs::write(place.path("docker/config.json"), "no JSON").unwrap();
    let said = place.refusal(&["push", &tagged]);
    assert!(said.contains("docker/config.json is not what docker writes"), "{said}");

    place.log_in(&registry.address, &user, &password);
    let pushed = place.push(&[&tagged]);
    assert_eq!(place.pull(&[&tagged, "-o", "plugin.wasm"]), pushed);
}
