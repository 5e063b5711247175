//! Who may come in: tokens that are wrong, and files of them that are.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use pod_tools_conformance::Place;
use serde_json::json;

use crate::cli::at;
use crate::process::{Gateway, TOKEN, audited, ended, token_file};

#[test]
fn a_wrong_token_is_answered_late_and_noted_and_holds_up_nobody() {
    let place = Place::new().unwrap();
    let gateway = Gateway::start(&place, &[]);
    let before = Instant::now();
    let shown = ["", "0", &TOKEN[1..], &format!("{TOKEN}0"), "f123456789abcdef0123456789abcdef"];
    let mut wrong: Vec<_> = shown.iter().map(|_| gateway.connect()).collect();
    for (client, token) in wrong.iter_mut().zip(shown) {
        client.send(&crate::client::beginning(4, token));
    }
    gateway.serves();
    assert!(!fs::read_to_string(place.root().join("audit.jsonl")).unwrap().contains("denied"));
    for client in &mut wrong {
        let refused = client.answer(|_| ()).unwrap_err().over();
        assert_eq!(refused.words(), ("denied", "not-granted"));
        assert!(refused.message.contains("POD_TOOLS_TOKEN"), "{}", refused.message);
    }
    assert!(before.elapsed() >= Duration::from_millis(900));
    let lines = audited(&place, 1 + shown.len());
    for line in &lines[1..] {
        assert_eq!((&line["outcome"], &line["kind"]), (&json!("error"), &json!("denied")), "{line}");
        assert!(!line.to_string().contains("0123456789"), "no token is noted: {line}");
    }
}

#[test]
fn the_token_with_white_space_around_it_is_another() {
    let place = Place::new().unwrap();
    let file = token_file(&place, "spaced", &format!("\n{TOKEN}\n"));
    let gateway = Gateway::run(&place, &["--token-file", file.to_str().unwrap()]);
    gateway.serves();
    gateway.connect().begin(&format!("{TOKEN}\n")).unwrap_err().over();
}

#[test]
fn a_gateway_does_not_start_without_a_token_that_nobody_else_can_read() {
    let place = Place::new().unwrap();
    let refused = |options: &[&str], part: &str| {
        let ended = ended(at(&place, [&["gateway"], options].concat()));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    };
    refused(&[], "--token-file");
    refused(&["--grant", "list"], "--token-file");
    let file = token_file(&place, "token", TOKEN);
    let file = file.to_str().unwrap();
    for mode in [0o644, 0o660, 0o604] {
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        refused(&["--token-file", file], "chmod 600");
    }
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    for text in ["", "short", "two words that are long enough"] {
        fs::write(file, text).unwrap();
        refused(&["--token-file", file], "16 to 4096 visible ASCII characters");
    }
    refused(&["--token-file", "/nowhere/at/all"], "cannot be opened");
}

#[test]
fn it_listens_where_this_machine_alone_reaches_it() {
    let place = Place::new().unwrap();
    let file = token_file(&place, "token", TOKEN);
    let gateway = |options: &[&str]| {
        ended(at(&place, [&["gateway", "--token-file", file.to_str().unwrap()], options].concat()))
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "nonsense"] {
        let ended = gateway(&["--listen", address]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    let running = Gateway::start(&place, &[]);
    let address = running.line["address"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let twice = gateway(&["--listen", address]);
    assert!(
        twice.code == Some(2) && twice.stderr.contains(&format!("cannot listen at {address}")),
        "{twice:?}"
    );
    let ipv6 = Gateway::start(&place, &["--listen", "[::1]:0"]);
    ipv6.serves();
}
