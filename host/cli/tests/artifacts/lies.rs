//! Registries that are not there, or give what was not asked for: each is told by itself, nothing is written, and
//! nothing is believed.

use std::net::TcpListener;

use sha2::{Digest, Sha256};

use crate::liar::{Liar, Request, give, give_without_end};
use crate::place::Place;

/// A component, and its manifest as it should be.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

pub fn manifest(component: &[u8], size: usize) -> String {
    let (config, layer) = (sha256(b"{}"), sha256(component));
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/wasm","digest":"{layer}","size":{size}}}]}}"#
    )
}

/// What is said where the plugin of that server is pulled.
fn pulled(server: &Liar, options: &[&str]) -> String {
    let reference = format!("{}/plugin:1", server.address);
    Place::new().refusal(&[&["pull", &reference, "-o", "plugin.wasm"], options].concat())
}

/// What is said where it is loaded by that digest.
fn loaded(server: &Liar, digest: &str, options: &[&str]) -> String {
    let reference = format!("oci://{}/plugin@{digest}", server.address);
    Place::new().refusal(&[&["tools", "--component", &reference], options].concat())
}

#[test]
fn what_is_right_is_taken() {
    let server = Liar::with(manifest(COMPONENT, COMPONENT.len()), COMPONENT);
    let place = Place::new();
    let reference = format!("{}/plugin:1", server.address);
    let digest = sha256(manifest(COMPONENT, COMPONENT.len()).as_bytes());
    let pulled = place.pull(&[&reference, "-o", "plugin.wasm"]);
    assert_eq!(pulled, format!("oci://{}/plugin@{digest}", server.address));
    assert_eq!(place.read("plugin.wasm"), COMPONENT);
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in [&["push", &format!("{port}/p:1")][..], &["pull", &format!("{port}/p:1"), "-o", "x"]] {
        let said = Place::new().refusal(arguments);
        assert!(said.contains(&format!("cannot reach the registry {port}")), "{said}");
    }
    let said = Place::new().refusal(&["pull", "registry.invalid/p:1", "-o", "x"]);
    assert!(said.contains("cannot reach the registry registry.invalid"), "{said}");
}

#[test]
fn an_artifact_with_another_digest_is_not_taken() {
    let good = manifest(COMPONENT, COMPONENT.len());
    let other = sha256(b"what was asked for");
    let server = Liar::with(good.clone(), COMPONENT);
    let said = loaded(&server, &other, &[]);
    assert!(said.contains(&format!("was to be {other} and is {}", sha256(good.as_bytes()))), "{said}");

    for content in [&b"\0asm\x0d\0\x01\x01"[..], b"", b"cut"] {
        let server = Liar::with(good.clone(), content);
        for said in [loaded(&server, &sha256(good.as_bytes()), &[]), pulled(&server, &[])] {
            let expected = format!("was to be {} and is {}", sha256(COMPONENT), sha256(content));
            assert!(said.contains(&expected), "{said}");
        }
    }
}

#[test]
fn what_is_no_component_is_told() {
    let module = wat::parse_str("(module)").unwrap();
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    for (manifest, content, why) in [
        (manifest(b"text", 4), &b"text"[..], "is not a WebAssembly component"),
        (manifest(&module, module.len()), &module, "it is a core module"),
        (index.to_owned(), b"", "an index of several manifests"),
        ("<html>".to_owned(), b"", "its manifest cannot be read"),
        (
            manifest(b"", 0).replace("application/wasm", "application/x-tar"),
            b"",
            "its layer is `application/x-tar`",
        ),
    ] {
        let said = pulled(&Liar::with(manifest, content), &[]);
        assert!(said.contains("is not a WebAssembly component") && said.contains(why), "{why}: {said}");
    }
}

#[test]
fn no_more_is_read_than_was_agreed() {
    let server = Liar::start(|_, stream| give_without_end(stream));
    let said = pulled(&server, &[]);
    assert!(said.contains("the manifest of") && said.contains("has more than 262144 bytes"), "{said}");

    let server = Liar::with(manifest(COMPONENT, 4097), COMPONENT);
    let said = pulled(&server, &["--max-component", "4096"]);
    assert!(said.contains("has more than 4096 bytes") && said.contains("--max-component"), "{said}");
    assert_eq!(server.requests().len(), 1, "the content is not asked for");

    let good = manifest(COMPONENT, COMPONENT.len());
    let server = Liar::start(move |request, stream| match request.path.contains("/manifests/") {
        true => give(stream, "200 OK", &[], good.as_bytes()),
        false => give_without_end(stream),
    });
    let said = pulled(&server, &[]);
    assert!(said.contains("the content of") && said.contains("has more than 8 bytes"), "{said}");
    // What it says of an error is data, too.
    let server = Liar::start(|_, stream| give(stream, "500 No", &[], &vec![b'{'; 1 << 20]));
    assert!(pulled(&server, &[]).contains("answered 500"));
    let said = br#"{"errors":[{"code":"X\u001b[2J","message":"gone"}]}"#;
    let server = Liar::start(|_, stream| give(stream, "500 No", &[], said));
    assert!(pulled(&server, &[]).contains(r"(X\u{1b}[2J: gone)"));
}

#[test]
fn a_registry_that_does_not_answer_is_given_up() {
    let silent = Liar::start(|_, stream| {
        // Until the other side gives up.
        let _ = std::io::Read::read(stream, &mut [0]);
    });
    for said in [
        pulled(&silent, &["--load-timeout", "200ms"]),
        loaded(&silent, &sha256(b""), &["--load-timeout", "200ms"]),
    ] {
        assert!(said.contains("took longer than 200ms") && said.contains("--load-timeout"), "{said}");
    }
}

#[test]
fn no_redirect_leads_away_from_what_may_be_asked() {
    let to = |location: &'static str| {
        Liar::start(move |_, stream| give(stream, "307 Elsewhere", &[("Location", location)], b""))
    };
    for (location, why) in [
        ("http://registry.example/x", "is not encrypted, and its host is not of this machine"),
        ("ftp://registry.example/x", "no web address"),
        ("file:///etc/passwd", "no address"),
        ("//registry.example/x", "no address"),
    ] {
        let said = pulled(&to(location), &[]);
        assert!(said.contains(why), "{location}: {said}");
    }
    let around = to("/v2/plugin/manifests/1");
    let said = pulled(&around, &[]);
    assert!(said.contains("from one address to the next"), "{said}");
    assert_eq!(around.requests().len(), 6);
}

#[test]
fn a_password_is_shown_to_its_registry_alone() {
    let elsewhere = Liar::with(manifest(COMPONENT, COMPONENT.len()), COMPONENT);
    let there = format!("http://{}/x/blobs/content", elsewhere.address);
    let good = manifest(COMPONENT, COMPONENT.len());
    let server = Liar::start(move |request: &Request, stream| {
        if !request.shows("authorization") {
            give(stream, "401 Who", &[("WWW-Authenticate", "Basic realm=\"here\"")], b"");
        } else if request.path.contains("/blobs/") {
            give(stream, "307 Elsewhere", &[("Location", &there)], b"");
        } else {
            give(stream, "200 OK", &[], good.as_bytes());
        }
    });
    let place = Place::new();
    place.log_in(&server.address, "me", "secret");
    place.pull(&[&format!("{}/plugin:1", server.address), "-o", "plugin.wasm"]);
    let asked: Vec<_> = server.requests().iter().map(|request| request.shows("authorization")).collect();
    assert_eq!(asked, [false, true, true], "asked without, with, and with for the content");
    assert_eq!(elsewhere.requests().len(), 1);
    assert!(elsewhere.requests().iter().all(|request| !request.shows("authorization")));
}

#[test]
fn a_token_is_had_of_whom_the_registry_names_and_of_nobody_who_is_not_safe_to_ask() {
    let tokens = Liar::start(|_, stream| give(stream, "200 OK", &[], br#"{"token":"abc"}"#));
    let good = manifest(COMPONENT, COMPONENT.len());
    let registry = |realm: String| {
        let (good, wants) = (good.clone(), format!("Bearer realm=\"{realm}\",service=\"the service\""));
        Liar::start(move |request: &Request, stream| {
            let shown = request.headers.iter().any(|line| line == "authorization: bearer abc");
            let body = if request.path.contains("/manifests/") { good.as_bytes() } else { COMPONENT };
            match shown {
                true => give(stream, "200 OK", &[], body),
                false => give(stream, "401 Who", &[("WWW-Authenticate", &wants)], b""),
            }
        })
    };
    let place = Place::new();
    let server = registry(format!("http://{}/token", tokens.address));
    place.pull(&[&format!("{}/plugin:1", server.address), "-o", "plugin.wasm"]);
    let [asked] = &tokens.requests()[..] else { panic!("{:?}", tokens.requests()) };
    assert_eq!(asked.path, "/token?scope=repository%3Aplugin%3Apull&service=the%20service");

    let said = pulled(&registry("http://tokens.example/token".to_owned()), &[]);
    assert!(said.contains("is not encrypted"), "{said}");
    let endless = Liar::start(|_, stream| give_without_end(stream));
    let said = pulled(&registry(format!("http://{}/token", endless.address)), &[]);
    assert!(said.contains("its token has more than 65536 bytes"), "{said}");
}

#[test]
fn what_is_not_there_or_not_allowed_is_told_apart() {
    let answering = |status: &'static str| Liar::start(move |_, stream| give(stream, status, &[], b""));
    let said = pulled(&answering("404 Not Found"), &[]);
    assert!(said.contains("/plugin:1 is not at the registry"), "{said}");
    let said = pulled(&answering("403 No"), &[]);
    assert!(said.contains("does not let anybody pull from plugin (403)"), "{said}");
    let text = Liar::start(|_, stream| {
        let _ = std::io::Write::write_all(stream, b"SSH-2.0-OpenSSH\r\n");
    });
    let said = pulled(&text, &[]);
    assert!(said.contains("does not keep to the protocol"), "{said}");
}
