//! What is refused before anybody is asked.

use crate::liar::Liar;
use crate::place::Place;

#[test]
fn what_is_no_reference_is_used_wrongly() {
    let place = Place::new();
    for (reference, why) in [
        ("plugin.wasm", "it has no repository"),
        ("owner/plugin:1", "it begins with the registry"),
        ("https://registry.example/owner/plugin:1", "is no reference"),
        ("registry.example/owner/../plugin:1", "its repository is not one"),
    ] {
        for arguments in [&["push", reference][..], &["pull", reference, "-o", "plugin.wasm"]] {
            let finished = place.run(arguments);
            assert_eq!(finished.code, Some(2), "{finished:?}");
            assert!(finished.stderr.contains(why), "{finished:?}");
        }
    }
}

#[test]
fn what_has_no_tag_or_is_no_component_is_not_pushed() {
    let server = Liar::with("{}", "");
    let place = Place::new();
    let to = |behind: &str| format!("{}/plugin{behind}", server.address);
    let digest = format!("@sha256:{}", "0".repeat(64));
    std::fs::write(place.path("text"), "no component").unwrap();
    std::fs::write(place.path("module.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    std::fs::write(place.path("long.wasm"), vec![0; 4097]).unwrap();
    for (arguments, why) in [
        (&["push", &to("")][..], "has no tag; name one"),
        (&["pull", &to(""), "-o", "x"], "has no tag; name one"),
        (&["push", &to(&format!(":1{digest}"))], "push to a tag"),
        (&["push", &to(":1"), "text"], "text is not a WebAssembly component"),
        (&["push", &to(":1"), "module.wasm"], "it is a core module"),
        (&["push", &to(":1"), "missing"], "cannot read the component missing"),
        (&["push", &to(":1"), "."], "not a regular file"),
        (&["push", &to(":1"), "long.wasm", "--max-component", "4096"], "raise it with --max-component"),
    ] {
        let said = place.refusal(arguments);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(server.requests().len(), 0);
}
