//! `pod-tools mcp --install` and `--remove`: what clients' configurations say then, and which of them are left alone.
//! The clients themselves are in `tests/mcp/install.sh` at the top.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::CstRootNode;
use serde_json::{Value, json};

use crate::cli::{Finished, bare, run, snapshot};

/// The clients, each with its configuration beneath the home, where its servers are, and one with another server in it.
const CLIENTS: [(&str, &str, &str, &str); 7] = [
    (
        "claude",
        ".claude.json",
        "mcpServers",
        "{\n  \"numStartups\": 7,\n  \"mcpServers\": {\"other\": {\"command\": \"/o\"}}\n}",
    ),
    (
        "codex",
        ".codex/config.toml",
        "mcp_servers",
        "# mine\nmodel = \"m\" # good\n\n[mcp_servers.other]\ncommand = \"/o\" # keep\nargs = [\n  \"a\", # first\n]\n\n# the end\n",
    ),
    (
        "gemini",
        ".gemini/settings.json",
        "mcpServers",
        "{\n\t// mine\n\t\"mcpServers\": {\n\t\t\"other\": { \"command\": \"/o\" } // keep\n\t}\n}\n",
    ),
    (
        "opencode",
        ".config/opencode/opencode.json",
        "mcp",
        "{\n  /* mine */\n  \"mcp\": {\n    \"other\": {\"type\": \"local\", \"command\": [\"/o\"],},\n  },\n}\n",
    ),
    ("cursor", ".cursor/mcp.json", "mcpServers", "{\"mcpServers\":{\"other\":{\"command\":\"/o\"}}}"),
    (
        "vscode",
        VSCODE,
        "servers",
        "{\r\n    // mine\r\n    \"servers\": {\r\n        \"other\": {\"command\": \"/o\"} // keep\r\n    },\r\n    \"inputs\": []\r\n}\r\n",
    ),
    ("zed", ".config/zed/settings.json", "context_servers", "// Zed\n{\n  \"theme\": \"One\", // dark\n}\n"),
];

const VSCODE: &str = if cfg!(target_os = "macos") {
    "Library/Application Support/Code/User/mcp.json"
} else {
    ".config/Code/User/mcp.json"
};

/// A user with a home.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::TempDir::new().unwrap())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare();
        command
            .args(["mcp", "--base-dir", "/run/nobody/insomnia"])
            .args(arguments)
            .env("HOME", self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments))
    }

    fn done(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs it, sees that it has changed nothing, and gives what it said.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = snapshot(self.0.path());
        let finished = self.run(arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        assert_eq!(snapshot(self.0.path()), before, "{finished:?}");
        finished.stderr
    }
}

/// The entry of a client, out of a text with comments.
fn entry(client: &str, servers: &str, text: &str) -> Value {
    value(client, text)[servers]["pods"].clone()
}

/// What a configuration says.
fn value(client: &str, text: &str) -> Value {
    match client {
        "codex" => toml::from_str(text).unwrap(),
        _ => CstRootNode::parse(text, &ParseOptions::default()).unwrap().to_serde_value().unwrap(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn in_an_empty_home_the_entry_is_all_there_is_and_removed_nothing_of_it() {
    for (client, path, servers, _) in CLIENTS {
        let user = User::new();
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
        for line in before
            .lines()
            .filter(|line| line.contains("mine") || line.contains("keep") || line.contains("//"))
        {
            let comment = line.trim().rsplit_once("  ").map_or(line.trim(), |(_, last)| last);
            let comment = comment.rsplit_once("/o\" }").map_or(comment, |(_, last)| last);
            assert!(text.contains(comment.trim_start_matches('}').trim()), "{client}: {line:?} in {text}");
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

#[test]
fn what_is_not_a_configuration_is_left_as_it_is_with_the_reason_and_what_to_write() {
    for (client, text, why) in [
        ("claude", "{\n  // a comment\n}\n", "is not the JSON that it is to be"),
        ("claude", "[]", "not an object"),
        ("claude", "{\"mcpServers\": [1]}", "`mcpServers`, and it is not an object"),
        ("claude", "{\"mcpServers\": {}, \"mcpServers\": {}}", "`mcpServers` twice"),
        ("claude", "{\"mcpServers\": {\"pods\": {\"command\": \"/usr/bin/other\"}}}", "that is not this one"),
        ("claude", "{\"mcpServers\": {\"pods\": {\"url\": \"http://other/mcp\"}}}", "that is not this one"),
        ("gemini", "{\n  // mine\n  \"theme\": \"Dark\",\n}", "is not the JSON that it is to be"),
        ("vscode", "{\"servers\": {}", "is not the JSON that it is to be"),
        ("zed", "\"text\"", "not an object"),
        ("codex", "mcp_servers = 3\n", "`mcp_servers`, and it is not"),
        ("codex", "model = \n", "is not TOML"),
        ("codex", "a = 1\r\nb = 2\n", "end in more than one way"),
    ] {
        let user = User::new();
        let path = CLIENTS.iter().find(|(it, ..)| *it == client).unwrap().1;
        let file = user.write(path, text);
        let said = user.refused(&["--install", client]);
        assert!(said.contains(why) && said.contains(file.to_str().unwrap()), "{text:?}: {said}");
        assert!(said.contains("It is unchanged. By hand:") && said.contains("--base-dir"), "{said}");
    }
    let nested = "[".repeat(100_000);
    let user = User::new();
    user.write(".cursor/mcp.json", &nested);
    user.refused(&["--install", "cursor"]);
    fs::write(user.at(".cursor/mcp.json"), b"{\"a\": \"\xff\"}").unwrap();
    assert!(user.refused(&["--install", "cursor"]).contains("UTF-8"));
}

#[test]
fn an_entry_of_somebody_elses_is_not_removed() {
    let user = User::new();
    user.write(".cursor/mcp.json", "{\"mcpServers\": {\"pods\": {\"command\": \"/usr/bin/other\"}}}");
    let said = user.refused(&["--install", "cursor", "--remove"]);
    assert!(said.contains("that is not this one") && said.contains("take `pods` out"), "{said}");
    // One that starts this program is, whoever has written it.
    let before = "{\"mcpServers\": {\"pods\": {\"command\": \"/elsewhere/pod-tools\"}}}";
    let file = user.write(".cursor/mcp.json", before);
    user.done(&["--install", "cursor", "--remove"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "{\"mcpServers\": {}}");
}

#[test]
fn a_file_that_cannot_be_replaced_is_left_as_it_is() {
    let user = User::new();
    let file = user.write(".cursor/mcp.json", "{}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(user.refused(&["--install", "cursor"]).contains("is read-only"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::hard_link(&file, user.at("other-name")).unwrap();
    assert!(user.refused(&["--install", "cursor"]).contains("hard links"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(user.refused(&["--install", "cursor"]).contains("not a regular file"));
    fs::remove_dir(&file).unwrap();
    symlink(user.at("nowhere/mcp.json"), &file).unwrap();
    let said = user.refused(&["--install", "cursor"]);
    assert!(said.contains("is a link to") && said.contains("not there"), "{said}");
    fs::remove_dir_all(user.at(".cursor")).unwrap();
    fs::write(user.at(".cursor"), "").unwrap();
    assert!(user.refused(&["--install", "cursor"]).contains("cannot be"));
}

#[test]
fn a_link_stays_a_link_and_its_target_gets_the_entry() {
    let user = User::new();
    let file = user.write("dotfiles/mcp.json", "{}\n");
    fs::create_dir(user.at(".cursor")).unwrap();
    symlink("../dotfiles/mcp.json", user.at(".cursor/mcp.json")).unwrap();
    user.done(&["--install", "cursor"]);
    assert!(fs::read_link(user.at(".cursor/mcp.json")).is_ok());
    assert!(fs::read_to_string(&file).unwrap().contains("pod-tools"));
    user.done(&["--install", "cursor", "--remove"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n");
    assert!(fs::read_link(user.at(".cursor/mcp.json")).is_ok());
}

#[test]
fn while_claude_code_has_its_lock_its_configuration_is_waited_for() {
    let user = User::new();
    let file = user.write(".claude.json", "{\"before\": 1}");
    let lock = user.at(".claude.json.lock");
    fs::create_dir(&lock).unwrap();
    let mut waiting = user.command(&["--install", "claude"]).spawn().unwrap();
    // What Claude Code writes while it has the lock is there afterwards. The other has the time to be too early.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
    while std::time::Instant::now() < until {
        assert!(waiting.try_wait().unwrap().is_none());
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"before\": 1}");
        std::thread::yield_now();
    }
    fs::write(&file, "{\"before\": 2}").unwrap();
    fs::remove_dir(&lock).unwrap();
    assert!(waiting.wait().unwrap().success());
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"before\": 2") && text.contains("pod-tools"), "{text}");
    assert!(!lock.exists());
}

#[test]
fn grants_are_those_that_are_named_else_those_of_a_file_that_is_there_and_good() {
    let user = User::new();
    let grants = user.write(".config/pod-tools/grants.toml", "grants = [\"list,read,send\"]\n");
    user.done(&["--install", "cursor"]);
    assert_eq!(fs::read_to_string(&grants).unwrap(), "grants = [\"list,read,send\"]\n");
    let text = fs::read_to_string(user.at(".cursor/mcp.json")).unwrap();
    assert!(text.contains(grants.to_str().unwrap()), "{text}");

    fs::write(&grants, "grants = [\"fly\"]\n").unwrap();
    let wrong = user.run(&["--install", "zed"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("grants.toml:1:11"), "{wrong:?}");
    fs::write(&grants, "grants = [\"list\"]\n").unwrap();
    fs::set_permissions(&grants, fs::Permissions::from_mode(0o666)).unwrap();
    let wrong = user.run(&["--install", "zed"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("is not believed"), "{wrong:?}");
    assert!(!user.at(".config/zed").exists());
}

#[test]
fn the_server_that_was_written_down_is_one_that_answers_and_may_list_and_not_send() {
    let user = User::new();
    fs::create_dir(user.at("base")).unwrap();
    let base = user.at("base");
    let mut install = bare();
    install.args(["mcp", "--install", "cursor", "--base-dir"]).arg(&base).env("HOME", user.0.path());
    assert_eq!(run(install).code, Some(0));
    let text = fs::read_to_string(user.at(".cursor/mcp.json")).unwrap();
    let entry = entry("cursor", "mcpServers", &text);
    let mut server = Command::new(entry["command"].as_str().unwrap());
    server.args(entry["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()));
    server.env_clear().env("HOME", user.0.path());
    let said = talk(
        server,
        &[
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ListPods", "arguments": {}}}),
            json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": "SendToPod", "arguments": {"name": "x", "message": "m"}}}),
        ],
    );
    let result = |id: u64| said.iter().find(|it| it["id"] == id).unwrap()["result"].clone();
    assert_ne!(result(2)["isError"], json!(true), "{said:?}");
    assert_eq!(result(3)["isError"], json!(true), "{said:?}");
    assert!(result(3).to_string().contains("send"), "{said:?}");
}

/// Sends the messages one after the other, each when the one before has its answer; and gives the answers.
fn talk(mut command: Command, messages: &[Value]) -> Vec<Value> {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for message in messages {
        writeln!(stdin, "{message}").unwrap();
        while message["id"].is_u64() && answers.last().is_none_or(|it: &Value| it["id"] != message["id"]) {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the server has ended: {answers:?}");
            answers.push(serde_json::from_str(&line).unwrap());
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    answers
}

#[test]
fn at_a_terminal_it_says_what_it_is_and_waits_for_nobody() {
    use std::os::fd::{FromRawFd, OwnedFd};
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both are written before they are read; nothing else is asked for.
    let (_ours, theirs) = unsafe {
        let null = std::ptr::null_mut;
        assert_eq!(libc::openpty(&raw mut ours, &raw mut theirs, null(), null(), null()), 0);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    };
    let user = User::new();
    let mut command = user.command(&[]);
    command.stdin(theirs);
    let said = run(command);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    assert!(said.stderr.contains("pod-tools mcp --install claude"), "{said:?}");
}
