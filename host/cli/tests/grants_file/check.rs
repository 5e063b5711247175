//! `pod-tools grants check`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pod_tools_conformance::Place;
use serde_json::{Value, json};

use crate::cli::{Finished, at, bare, run, snapshot, user_has_runtime_directory};
use crate::write;

fn check(place: &Place, file: &Path, options: &[&str]) -> Finished {
    let mut command = at(place, ["grants", "check"]);
    command.arg(file).args(options);
    run(command)
}

fn place_of(names: &[&str]) -> Place {
    let place = Place::new().unwrap();
    for name in names {
        place.record(place.native_record(name)).unwrap();
    }
    place
}

#[test]
fn a_good_file_is_explained_in_plain_words_with_the_pods_that_it_covers_now() {
    let place = place_of(&["worker", "build-2", "build-1", "build-1"]);
    let file = write(
        &place,
        "grants = [\n  \"list\",\n  \"send,read:build-*\",\n]\n[limits]\nop-timeout = \"2s\"\nmemory = \"512MiB\"\n",
    );
    let before = snapshot(place.root());
    let explained = check(&place, &file, &[]);
    assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        explained.stdout,
        format!(
            "{}: 2 grant(s)\n\n\
             line 2: \"list\"\n  \
               with every pod:\n    \
                 list: see that it exists, its scope and whether it takes connections\n  \
               now: build-1, build-2, worker\n\n\
             line 3: \"send,read:build-*\"\n  \
               with every pod whose name is like `build-*`:\n    \
                 send: send it messages and read its state\n    \
                 read: read its output and its state\n  \
               now: build-1, build-2\n\n\
             On no pod: stop\n\n\
             Sockets lie beneath the base directory or the spawner's\n\n\
             Limits that are not the default:\n  op-timeout = 2s (default: 5s)\n",
            file.display()
        )
    );
    assert_eq!(snapshot(place.root()), before);
}

#[test]
fn for_programs_it_is_one_json_document_that_says_the_same() {
    let place = place_of(&["a", "b\nc"]);
    let file =
        write(&place, "grants = [\"stop:a\", \"list:b*\"]\nallow-sockets = [\"/\"]\n[limits]\nhandles = 7\n");
    let explained = check(&place, &file, &["--json"]);
    assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&explained.stdout).unwrap();
    assert_eq!(
        document,
        json!({
            "file": file, "ok": true,
            "grants": [
                { "line": 1, "column": 11, "grant": "stop:a", "verbs": ["stop"], "pattern": "a", "pods": ["a"] },
                { "line": 1, "column": 21, "grant": "list:b*", "verbs": ["list"], "pattern": "b*", "pods": ["b\nc"] },
            ],
            "denied_everywhere": ["send", "read"],
            "limits": [{ "name": "handles", "value": "7", "default": "100000" }],
            "allow_sockets": ["/"],
            "warnings": [],
        })
    );
}

#[test]
fn a_bad_file_exits_with_1_and_says_all_that_is_wrong() {
    let place = Place::new().unwrap();
    let file = write(&place, "grants = [\"fly\", \"list:\"]\n");
    let bad = check(&place, &file, &[]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = bad.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("{}:1:11: `fly`", file.display())), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{}:1:18: the grant `list:`", file.display())), "{lines:?}");

    let document = check(&place, &file, &["--json"]);
    assert_eq!((document.code, document.stderr.as_str()), (Some(1), ""));
    let document: Value = serde_json::from_str(&document.stdout).unwrap();
    assert_eq!((&document["ok"], &document["errors"][1]["column"]), (&json!(false), &json!(18)));

    let missing = check(&place, Path::new("/nowhere/at/all"), &[]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    let usage = run(at(&place, ["grants", "check"]));
    assert_eq!(usage.code, Some(2), "{usage:?}");
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let place = Place::new().unwrap();
    let warnings = |text: &str, mode: u32| -> Vec<String> {
        let file = write(&place, text);
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let checked = check(&place, &file, &[]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let warnings = checked.stdout.lines().filter_map(|line| line.strip_prefix("warning: "));
        warnings.map(str::to_owned).collect()
    };
    for (text, expected) in [
        ("grants = [\"list\", \"read:a*\"]\n", &[][..]),
        (
            "grants = [\n\"list,read\",\n\"read:a*\",\n]\n",
            &["line 3: \"read:a*\" allows nothing that line 2 does not; it can go"],
        ),
        // Of two that are alike, the second can go.
        (
            "grants = [\n\"read\",\n\"read:*\",\n]\n",
            &["line 3: \"read:*\" allows nothing that line 2 does not; it can go"],
        ),
        // Each of its verbs is in another line.
        (
            "grants = [\n\"send,read:a\",\n\"send\",\n\"read:?\",\n]\n",
            &["line 2: \"send,read:a\" allows nothing that lines 3 and 4 does not; it can go"],
        ),
        ("grants = [\n\"send,read:a\",\n\"send\",\n]\n", &[]),
        ("[limits]\n", &["has no `grants`: every call is denied"]),
        ("grants = []\n", &["`grants` is empty: every call is denied"]),
        (
            "grants = [\"list\"]\nallow-sockets = []\n",
            &["`allow-sockets` is empty: no pod can be reached; leave it out for the default"],
        ),
    ] {
        assert_eq!(warnings(text, 0o644), expected, "{text}");
    }
    let file = write(&place, "grants = [\"list\"]\n");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let mut here = at(&place, ["grants", "check"]);
    here.arg(&file).current_dir(place.root());
    let here = run(here).stdout;
    assert!(here.contains("warning: lies beneath") && here.contains("pod-tools/"), "{here}");
}

#[test]
fn it_needs_neither_a_base_directory_nor_a_registry() {
    let place = Place::new().unwrap();
    let file = write(&place, "grants = [\"list\"]\n");
    let mut nowhere = bare();
    nowhere.args(["grants", "check"]).arg(&file);
    let nowhere = run(nowhere);
    assert_eq!((nowhere.code, nowhere.stderr.as_str()), (Some(0), ""));
    // Where this user has a runtime directory, there is a base.
    if user_has_runtime_directory() {
        return;
    }
    assert!(nowhere.stdout.contains("cannot be told: there is no base directory"), "{}", nowhere.stdout);

    // The operator's own directory is not made for it.
    let home = place.root().join("home");
    let mut fresh = bare();
    fresh.args(["grants", "check"]).arg(&file).env("HOME", &home);
    let fresh = run(fresh);
    assert!(fresh.code == Some(0) && fresh.stdout.contains("now: no pod"), "{fresh:?}");
    assert!(!home.exists());
}
