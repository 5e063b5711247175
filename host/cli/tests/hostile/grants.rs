//! Files of grants and of tokens that are none, that never end, or that change all the time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use pod_tools_conformance::Place;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::cli::{self, Batch};
use crate::stranger::mode;

const LIST: &str = "grants = [\"list\"]\n";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
}

/// As a file that somebody has filled, without a block of its own.
fn gigabyte_of_zeros(path: &Path) {
    File::create(path).unwrap().set_len(1 << 30).unwrap();
    mode(path, 0o600);
}

/// What is no file of any use, each with what is said of it; `too_long` of the one that has an end.
fn no_files(place: &Place, too_long: &'static str) -> Vec<(PathBuf, &'static str)> {
    let at = |name: &str| place.root().join(name);
    fifo(&at("fifo"));
    gigabyte_of_zeros(&at("zeros"));
    fs::create_dir(at("directory")).unwrap();
    let no_file = "not a regular file";
    let mut found = vec![
        (at("fifo"), no_file),
        (at("directory"), no_file),
        ("/dev/zero".into(), no_file),
        ("/dev/full".into(), no_file),
        (at("zeros"), too_long),
    ];
    for (number, (target, why)) in found.clone().into_iter().enumerate() {
        let link = at(&format!("link-{number}"));
        symlink(target, &link).unwrap();
        found.push((link, why));
    }
    found
}

#[test]
fn grants_by_what_is_no_file() {
    let place = Place::new().unwrap();
    for (file, why) in no_files(&place, "has more than 262144 bytes") {
        let file = file.to_str().unwrap();
        for command in [
            &["call", "ListPods", "--json", "--grants", file][..],
            &["call", "--batch", "--grants", file],
            &["mcp", "--grants", file],
            &["grants", "check", file],
        ] {
            let said = cli::run(cli::at(&place, command));
            assert!(matches!(said.code, Some(1 | 2)), "{command:?}: {said:?}");
            assert_eq!(said.stdout, "", "{command:?}");
            for part in [file, why] {
                assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
            }
        }
    }
}

#[test]
fn shows_a_token_by_what_is_no_file() {
    let place = Place::new().unwrap();
    for (file, why) in no_files(&place, "has more than 8192 bytes; name another") {
        let file = file.to_str().unwrap();
        let said = cli::run(cli::at(&place, ["mcp", "--http", "0", "--token-file", file]));
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{file}: {said:?}");
        for part in [file, why] {
            assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        }
    }
    // What stands behind a token, however far, is not passed over.
    let file = place.root().join("token");
    fs::write(&file, format!("{TOKEN}\n{}another", " ".repeat(10_000))).unwrap();
    mode(&file, 0o600);
    let said = cli::run(cli::at(&place, ["mcp", "--http", "0", "--token-file", file.to_str().unwrap()]));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(!said.stderr.contains(TOKEN), "{}", said.stderr);
}

/// A batch that follows a file. From its first answer on it does.
fn following(place: &Place, file: &Path) -> Batch {
    let mut batch = Batch::start(place, ["--grants", file.to_str().unwrap()]);
    batch.ask("ListPods", json!({}));
    batch
}

#[test]
fn puts_what_is_no_file_in_the_place_of_the_grants() {
    let place = Place::new().unwrap();
    let (file, next) = (place.root().join("grants.toml"), place.root().join("next"));
    fs::write(&file, LIST).unwrap();
    let mut batch = following(&place, &file);
    for (no_file, _) in no_files(&place, "") {
        symlink(no_file, &next).unwrap();
        fs::rename(&next, &file).unwrap();
        // It has been read when what comes behind it has been.
        kill_process(batch.pid(), Signal::HUP).unwrap();
        for _ in 0..3 {
            assert!(batch.ask("ListPods", json!({}))["ok"].is_object(), "what was granted stays granted");
        }
    }
    // It is followed still.
    fs::write(&next, "grants = []\n").unwrap();
    fs::rename(&next, &file).unwrap();
    while batch.ask("ListPods", json!({}))["err"].is_null() {}
    assert_eq!(batch.finish().1, Some(0));
}

#[test]
fn changes_the_grants_all_the_time() {
    let place = Place::new().unwrap();
    for name in ["a", "b"] {
        place.record(place.native_record(name)).unwrap();
    }
    let (file, next) = (place.root().join("grants.toml"), place.root().join("next"));
    let texts = ["a", "b"].map(|pod| format!("grants = [\"list:{pod}\"]\n# {}\n", "x".repeat(10_000)));
    fs::write(&file, &texts[0]).unwrap();
    let mut batch = following(&place, &file);
    let (pid, over) = (batch.pid(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let text = &texts[round / 2 % 2];
                // As careful programs write it, and as others do.
                if round % 2 == 0 {
                    fs::write(&next, text).unwrap();
                    fs::rename(&next, &file).unwrap();
                } else {
                    fs::write(&file, text).unwrap();
                }
                kill_process(pid, Signal::HUP).unwrap();
            }
        });
        let mut listed = BTreeSet::new();
        let mut answers = 0;
        while answers < 500 || listed.len() < 2 {
            let answer = batch.ask("ListPods", json!({}));
            answers += 1;
            // While a file is being written it may grant nothing; it never grants what is in neither.
            let Some(pods) = answer["ok"]["data"]["pods"].as_array() else {
                assert_eq!(answer["err"]["reason"], "not-granted", "{answer}");
                continue;
            };
            let names: BTreeSet<String> =
                pods.iter().map(|pod| pod["name"].as_str().unwrap().to_owned()).collect();
            assert!(names.len() < 2, "more than either file grants: {names:?}");
            listed.extend(names);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(batch.finish().1, Some(0));
}
