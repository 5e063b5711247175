//! Configurations that are not touched, or only with care.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{CLIENTS, User};

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
        assert!(said.contains("grants = [\"list,read\"]"), "{said}");
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
    // What Claude Code writes while it has the lock is there afterwards. The other has the time to be too
    // early.
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
