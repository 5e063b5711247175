//! `pod-tools mcp --install` and `--remove`: what clients' configurations say then, and which of them are
//! left alone. The clients themselves are in `tests/mcp/install.sh` at the top.

mod left_alone;
mod server;
mod written;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::CstRootNode;
use serde_json::Value;

use crate::cli::{Finished, bare, run, snapshot};

/// The clients, each with its configuration beneath the home, where its servers are, and one with another
/// server in it.
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
