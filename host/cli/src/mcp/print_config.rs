//! `pod-tools mcp --print-config CLIENT`: what to write into an agent's configuration, so that it starts this
//! very program with these very options.

use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::grants_file::REMEDY;
use crate::options::HostOptions;
use crate::stdout::print;
use crate::streams::tell;

/// The name under which an agent knows the server.
const SERVER: &str = "pods";

/// An agent that can be told of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// opencode
    Opencode,
    /// Cursor
    Cursor,
    /// VS Code
    Vscode,
}

/// Prints the snippet, and on standard error where it goes.
///
/// # Errors
///
/// Fails where a path is not UTF-8, and where this program does not know where it is.
pub async fn run(client: Client, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let executable = std::env::current_exe().context("cannot tell where this program is")?;
    let executable = executable
        .into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("{} is not UTF-8, as a configuration has to be", path.display()))?;
    print(snippet(client, &executable, &host.arguments()?)).await?;
    tell(format_args!("{}", client.place()));
    if host.grants_everything() {
        tell(format_args!(
            "It grants everything, on all pods. To grant less, add --grants FILE or --grant GRANT; a file: \
             {REMEDY}."
        ));
    }
    let model = host.for_a_model(std::env::current_dir().ok());
    model.grants_file().into_iter().for_each(|file| model.warn_of_exposure(file));
    Ok(ExitCode::SUCCESS)
}

impl Client {
    /// Where its configuration is, in a sentence.
    pub fn place(self) -> &'static str {
        match self {
            Self::Claude => "Put it into .mcp.json in the project's directory, beside other `mcpServers`.",
            Self::Codex => "Add it to ~/.codex/config.toml.",
            Self::Opencode => {
                "Put it into opencode.json in the project's directory, or into \
                 ~/.config/opencode/opencode.json, beside other entries of `mcp`."
            }
            Self::Cursor => {
                "Put it into .cursor/mcp.json in the project's directory, or into ~/.cursor/mcp.json, beside \
                 other `mcpServers`."
            }
            Self::Vscode => {
                "Put it into .vscode/mcp.json in the project's directory, beside other `servers`."
            }
        }
    }
}

/// The configuration of one server: this executable, `mcp`, and those arguments. Ends with a line break.
pub fn snippet(client: Client, executable: &str, arguments: &[String]) -> String {
    let arguments: Vec<&str> = std::iter::once("mcp").chain(arguments.iter().map(String::as_str)).collect();
    let stdio = || json!({ "type": "stdio", "command": executable, "args": arguments });
    let document = match client {
        Client::Claude | Client::Cursor => json!({ "mcpServers": { SERVER: stdio() } }),
        Client::Vscode => json!({ "servers": { SERVER: stdio() } }),
        Client::Opencode => {
            let command: Vec<&str> = std::iter::once(executable).chain(arguments).collect();
            json!({
                "$schema": "https://opencode.ai/config.json",
                "mcp": { SERVER: { "type": "local", "command": command, "enabled": true } },
            })
        }
        Client::Codex => {
            let arguments: Vec<String> = arguments.into_iter().map(toml_string).collect();
            return format!(
                "[mcp_servers.{SERVER}]\ncommand = {}\nargs = [{}]\n",
                toml_string(executable),
                arguments.join(", ")
            );
        }
    };
    format!("{document:#}\n")
}

/// A basic string of TOML is one of JSON, but for one character that has to be escaped there.
fn toml_string(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command line that wants quoting everywhere.
    const EXECUTABLE: &str = "/opt/a \"b\"/pod-tools";
    const ARGUMENTS: [&str; 4] = ["--grants", "/etc/päds.toml", "--grant", "list:a\\b\u{7f}\n"];

    fn of(client: Client) -> String {
        snippet(client, EXECUTABLE, &ARGUMENTS.map(str::to_owned))
    }

    fn expected() -> Vec<&'static str> {
        std::iter::once("mcp").chain(ARGUMENTS).collect()
    }

    #[test]
    fn claude_cursor_and_vs_code_take_a_command_and_its_arguments() {
        for (client, key) in
            [(Client::Claude, "mcpServers"), (Client::Cursor, "mcpServers"), (Client::Vscode, "servers")]
        {
            let document: Value = serde_json::from_str(&of(client)).unwrap();
            let server = json!({ "type": "stdio", "command": EXECUTABLE, "args": expected() });
            assert_eq!(document, json!({ key: { "pods": server } }));
        }
    }

    #[test]
    fn opencode_takes_one_list() {
        let document: Value = serde_json::from_str(&of(Client::Opencode)).unwrap();
        let command: Vec<&str> = std::iter::once(EXECUTABLE).chain(expected()).collect();
        assert_eq!(
            document["mcp"],
            json!({ "pods": { "type": "local", "command": command, "enabled": true } })
        );
    }

    #[test]
    fn codex_takes_toml() {
        let text = of(Client::Codex);
        let document: toml::Table = toml::from_str(&text).unwrap();
        let server = &document["mcp_servers"]["pods"];
        assert_eq!(server["command"].as_str(), Some(EXECUTABLE));
        let args: Vec<&str> =
            server["args"].as_array().unwrap().iter().filter_map(|arg| arg.as_str()).collect();
        assert_eq!(args, expected());
    }

    #[test]
    fn a_snippet_is_as_short_as_it_can_be_read() {
        assert_eq!(
            snippet(Client::Codex, "/bin/pod-tools", &["--base-dir".into(), "/run/pods".into()]),
            "[mcp_servers.pods]\ncommand = \"/bin/pod-tools\"\nargs = [\"mcp\", \"--base-dir\", \"/run/pods\"]\n"
        );
        assert_eq!(
            snippet(Client::Claude, "/bin/pod-tools", &[]),
            "{\n  \"mcpServers\": {\n    \"pods\": {\n      \"type\": \"stdio\",\n      \"command\": \
             \"/bin/pod-tools\",\n      \"args\": [\n        \"mcp\"\n      ]\n    }\n  }\n}\n"
        );
    }

    #[tokio::test]
    async fn every_client_gets_its_snippet_and_is_told_where_it_goes() {
        let host = HostOptions::parsed(&["--base-dir", "/base"]);
        for client in Client::value_variants() {
            run(*client, &host).await.unwrap();
            assert!(!client.place().is_empty());
        }
    }
}
