//! What stands in a configuration once the entry was written, and once it was removed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{CLIENTS, User, entry, value};
use crate::cli::snapshot;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn in_an_empty_home_the_entry_is_all_there_is_and_removed_nothing_of_it() {
    for (client, path, servers, _) in CLIENTS {
        let user = User::new();
        // Where it has none yet, opencode takes the name that allows comments.
        let path = &path.replace("opencode.json", "opencode.jsonc");
        let installed = user.done(&["--install", client]);
        let text = fs::read_to_string(user.at(path)).unwrap();
        let entry = entry(client, servers, &text);
        let grants = user.at(".config/pod-tools/grants.toml");
        let arguments =
            json!(["mcp", "--base-dir", "/run/nobody/insomnia", "--grants", grants.to_str().unwrap()]);
        let program = env!("CARGO_BIN_EXE_pod-tools");
        if client == "opencode" {
            let command: Vec<Value> =
                std::iter::once(json!(program)).chain(arguments.as_array().unwrap().clone()).collect();
            assert_eq!(entry["command"], json!(command));
        } else {
            assert_eq!((&entry["command"], &entry["args"]), (&json!(program), &arguments));
        }
        assert_eq!(mode(&user.at(path)), 0o600);
        assert_eq!((mode(&grants), mode(grants.parent().unwrap())), (0o600, 0o700));
        // What is added is shown, on standard output.
        assert!(installed.stdout.starts_with("--- /dev/null\n+++ "), "{installed:?}");
        for line in text.lines() {
            assert!(installed.stdout.contains(&format!("+{line}\n")), "{installed:?}");
        }
        assert!(installed.stderr.contains(&format!("--install {client} --remove")), "{installed:?}");

        user.done(&["--install", client, "--remove"]);
        let left: Vec<PathBuf> = snapshot(user.0.path()).into_keys().collect();
        let own = [user.at(".config"), user.at(".config/pod-tools"), grants];
        assert_eq!(left, own, "{client}");
    }
}

#[test]
fn beside_other_servers_it_is_added_with_their_comments_and_removed_to_the_byte() {
    for (client, path, servers, before) in CLIENTS {
        let user = User::new();
        let file = user.write(path, before);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        user.done(&["--install", client]);
        let text = fs::read_to_string(&file).unwrap();
        assert!(entry(client, servers, &text)["command"].is_string() || client == "opencode");
        for comment in [
            "// mine",
            "# mine",
            "/* mine */",
            "// keep",
            "# keep",
            "# good",
            "# first",
            "# the end",
            "// dark",
        ] {
            assert_eq!(text.matches(comment).count(), before.matches(comment).count(), "{client}: {text}");
        }
        assert_eq!(text.contains("\r\n"), before.contains("\r\n"));
        assert_eq!(mode(&file), 0o640);
        // The backup may have tokens in it.
        let backup = user.at(&format!(".config/pod-tools/mcp/{client}.before"));
        assert_eq!((fs::read_to_string(&backup).unwrap().as_str(), mode(&backup)), (before, 0o600));
        // Once more: nothing is left to do.
        let again = user.done(&["--install", client]);
        assert_eq!(again.stdout, "", "{again:?}");
        // With other options: the entry is another, the backup is the same.
        user.done(&["--install", client, "--grant", "list"]);
        let other = fs::read_to_string(&file).unwrap();
        assert!(other.contains("list:*") && !other.contains("grants.toml"), "{other}");

        user.done(&["--install", client, "--remove"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), before, "{client}");
        assert!(!user.at(".config/pod-tools/mcp").exists());
        let again = user.done(&["--install", client, "--remove"]);
        assert!(again.stderr.contains("nothing to remove"), "{again:?}");
    }
}

#[test]
fn what_a_client_has_written_since_is_still_there_when_the_entry_is_removed() {
    for (client, path, _, before) in CLIENTS {
        let user = User::new();
        let file = user.write(path, before);
        user.done(&["--install", client]);
        let since = |text: &str| match client {
            "codex" => format!("since = 1\n{text}"),
            _ => text.replacen('{', "{\"since\": 1,", 1),
        };
        let changed = since(&fs::read_to_string(&file).unwrap());
        fs::write(&file, changed).unwrap();
        user.done(&["--install", client, "--remove"]);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(value(client, &text), value(client, &since(before)), "{client}: {text}");
    }
}

#[test]
fn a_dry_run_shows_the_same_and_changes_nothing() {
    for (client, path, _, before) in CLIENTS {
        let user = User::new();
        user.write(path, before);
        let untouched = snapshot(user.0.path());
        let dry = user.done(&["--install", client, "--dry-run"]);
        assert_eq!(snapshot(user.0.path()), untouched);
        assert!(dry.stderr.contains("grants.toml would be made"), "{dry:?}");
        let wet = user.done(&["--install", client]);
        assert_eq!(dry.stdout, wet.stdout);
        let installed = snapshot(user.0.path());
        let dry = user.done(&["--install", client, "--remove", "--dry-run"]);
        assert_eq!(snapshot(user.0.path()), installed);
        assert_eq!(dry.stdout, user.done(&["--install", client, "--remove"]).stdout);
    }
    // In an empty home there is not even a directory then.
    let user = User::new();
    user.done(&["--install", "vscode", "--dry-run"]);
    user.done(&["--install", "vscode", "--remove"]);
    assert_eq!(snapshot(user.0.path()).len(), 0);
}

#[test]
fn a_url_is_written_in_place_of_a_command_and_no_grants_are_made_for_it() {
    const URL: &str = "http://127.0.0.1:8080/mcp";
    for (client, path, servers, before) in CLIENTS {
        let user = User::new();
        let file = user.write(path, before);
        user.done(&["--install", client, "--http", URL]);
        let entry = entry(client, servers, &fs::read_to_string(&file).unwrap());
        assert!(entry["command"].is_null() && entry["args"].is_null(), "{entry}");
        assert_eq!(entry.get("url").or(entry.get("httpUrl")), Some(&json!(URL)));
        assert!(!user.at(".config/pod-tools/grants.toml").exists());
        // It is known as ours where the client has added something to it.
        let more = fs::read_to_string(&file).unwrap().replacen("8080/mcp\"", "8080/mcp\" ", 1);
        fs::write(&file, more).unwrap();
        user.done(&["--install", client, "--remove"]);
    }
    let user = User::new();
    for (arguments, said) in [
        (&["--install", "claude", "--http", "8080"][..], "http://127.0.0.1:8080/mcp"),
        (&["--http", URL], "--install CLIENT"),
        (&["--install", "claude", "--http", "ftp://a"], "http://HOST:PORT/mcp"),
        (&["--remove"], "--install"),
        (&["--install", "emacs"], "claude, codex, gemini, opencode, cursor, vscode, zed"),
    ] {
        let wrong = user.run(arguments);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains(said), "{wrong:?}");
    }
    assert_eq!(snapshot(user.0.path()).len(), 0);
}
