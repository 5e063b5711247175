//! Signatures: whose they are, of which bytes, and what is refused without.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use pod_tools_host::BUNDLED;

use crate::keys;
use crate::place::Place;
use crate::registry::Registry;

#[test]
fn a_signature_comes_along_and_counts_from_the_registry_and_beside_the_file() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let (ours, theirs) = (keys::make(&place.path(""), "ours"), keys::make(&place.path(""), "theirs"));
    let (ours, theirs) = (ours.public.display().to_string(), theirs.public.display().to_string());
    let tagged = format!("{}/plugin:1", registry.address);
    let reference = place.push(&[&tagged, "--sign-key", "ours.pem"]);

    let said = place.refusal(&["pull", &tagged, "-o", "plugin.wasm", "--verify-key", &theirs]);
    assert!(said.contains("is not signed by the key in") && said.contains(&theirs), "{said}");
    assert_eq!(place.pull(&[&tagged, "-o", "plugin.wasm", "--verify-key", &ours]), reference);
    assert_eq!(place.read("plugin.wasm"), BUNDLED);

    for component in ["plugin.wasm", &reference] {
        let tools = |key: &str| place.run(["tools", "--component", component, "--verify-key", key]);
        assert_eq!(tools(&ours).code, Some(0), "{component}");
        let refused = tools(&theirs);
        assert_eq!(refused.code, Some(1), "{component}");
        assert!(refused.stderr.contains("is not signed by the key in"), "{refused:?}");
    }
    // Other bytes, the same signature.
    let mut changed = BUNDLED.to_vec();
    // A custom section without a name or a content.
    changed.extend([0, 1, 0]);
    fs::write(place.path("plugin.wasm"), changed).unwrap();
    let said = place.refusal(&["tools", "--component", "plugin.wasm", "--verify-key", &ours]);
    assert!(said.contains("or of other bytes"), "{said}");
}

#[test]
fn what_is_not_signed_is_refused_where_signatures_are_asked_for() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    let key = keys::make(&place.path(""), "ours").public.display().to_string();
    let tagged = format!("{}/plugin:1", registry.address);
    let reference = place.push(&[&tagged]);
    fs::write(place.path("plugin.wasm"), BUNDLED).unwrap();

    let said = place.refusal(&["pull", &tagged, "-o", "pulled.wasm", "--verify-key", &key]);
    assert!(said.contains("has no signature"), "{said}");
    for component in ["plugin.wasm", &reference] {
        let said = place.refusal(&["tools", "--component", component, "--verify-key", &key]);
        assert!(said.contains("has no signature"), "{said}");
        let said = place.refusal(&["tools", "--component", component, "--require-signature"]);
        assert!(said.contains("no key is given") && said.contains("--verify-key FILE"), "{said}");
    }
    let with_variable = |component: &str| {
        let mut command = place.command(["tools", "--component", component]);
        command.env("POD_TOOLS_REQUIRE_SIGNATURE", "1");
        crate::cli::run(command)
    };
    assert_eq!(with_variable("plugin.wasm").code, Some(1));
    // The bundled one is part of the program.
    assert_eq!(place.run(["tools", "--require-signature"]).code, Some(0));
    assert_eq!(place.run(["tools", "--verify-key", &key]).code, Some(0));
}

#[test]
fn a_pull_of_what_is_not_signed_leaves_no_signature_of_what_was_there() {
    let Some(registry) = Registry::start() else { return };
    let place = Place::new();
    keys::make(&place.path(""), "ours");
    let to = |tag: &str| format!("{}/plugin:{tag}", registry.address);
    place.push(&[&to("signed"), "--sign-key", "ours.pem"]);
    place.push(&[&to("unsigned")]);
    place.pull(&[&to("signed"), "-o", "plugin.wasm"]);
    assert!(place.path("plugin.wasm.sig").exists());
    place.pull(&[&to("unsigned"), "-o", "plugin.wasm"]);
    assert!(!place.path("plugin.wasm.sig").exists());
}

#[test]
fn the_keys_and_the_signatures_are_those_of_openssl() {
    let Some(registry) = Registry::start() else { return };
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("not run: this machine has no openssl");
        return;
    }
    let place = Place::new();
    let in_shell = |script: &str| {
        let output = Command::new("sh").args(["-ec", script]).current_dir(place.path("")).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    };
    // As the help has it.
    let help = place.run(["help", "push"]).stdout;
    for line in help.lines().filter(|line| line.contains("openssl") && line.contains("key.pem")) {
        in_shell(line);
    }
    let tagged = format!("{}/plugin:1", registry.address);
    place.push(&[&tagged, "--sign-key", "key.pem"]);
    place.pull(&[&tagged, "-o", "plugin.wasm", "--verify-key", "key.pub"]);
    let help = place.run(["help", "pull"]).stdout;
    in_shell(help.lines().find(|line| line.contains("openssl dgst")).unwrap());

    in_shell("openssl dgst -sha256 -sign key.pem plugin.wasm | base64 -w0 > made-elsewhere");
    let given = ["--signature", "made-elsewhere", "--verify-key", "key.pub"];
    place.push(&[&[&*tagged], &given[..]].concat());
    place.pull(&[&tagged, "-o", "plugin.wasm", "--verify-key", "key.pub"]);
    let said = place.refusal(&[&["push", &tagged, "--part", "remote"], &given[..]].concat());
    assert!(said.contains("is not signed by the key in"), "{said}");
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_its_remedy() {
    let place = Place::new();
    let keys = keys::make(&place.path(""), "ours");
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    for (name, content) in [
        ("empty", String::new()),
        ("ec", pem("EC PRIVATE KEY")),
        ("cosign", pem("ENCRYPTED SIGSTORE PRIVATE KEY")),
        ("other", pem("PRIVATE KEY")),
        ("public", pem("PUBLIC KEY")),
    ] {
        fs::write(place.path(name), content).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(0o600)).unwrap();
    }
    for (key, why) in [
        ("missing", "cannot be opened"),
        ("empty", "openssl genpkey"),
        ("ec", "openssl pkcs8 -topk8"),
        ("cosign", "--signature"),
        ("other", "ECDSA over P-256"),
        ("public", "no private key"),
    ] {
        let said = place.refusal(&["push", "127.0.0.1:1/plugin:1", "--sign-key", key]);
        assert!(said.contains(why) && said.contains(key), "{key}: {said}");
    }
    fs::write(place.path("plugin.wasm"), BUNDLED).unwrap();
    for (key, why) in [
        ("missing", "cannot be read"),
        ("empty", "openssl genpkey"),
        ("ours.pem", "the private one"),
        ("public", "ECDSA over P-256"),
    ] {
        let said = place.refusal(&["tools", "--component", "plugin.wasm", "--verify-key", key]);
        assert!(said.contains(why) && said.contains(key), "{key}: {said}");
    }
    fs::set_permissions(&keys.private, Permissions::from_mode(0o644)).unwrap();
    let said = place.refusal(&["push", "127.0.0.1:1/plugin:1", "--sign-key", "ours.pem"]);
    assert!(said.contains("chmod 600"), "{said}");
    fs::set_permissions(&keys.public, Permissions::from_mode(0o666)).unwrap();
    let said = place.refusal(&["tools", "--component", "plugin.wasm", "--verify-key", "ours.pub"]);
    assert!(said.contains("is not believed"), "{said}");
}
