//! `pod-tools mcp --print-config CLIENT`: what to write into an agent's configuration by hand, so that it
//! starts this very program with these very options.

use std::process::ExitCode;

use super::install::{Client, this_program};
use crate::grants_file::REMEDY;
use crate::options::HostOptions;
use crate::stdout::print;
use crate::streams::tell;

/// Prints the snippet, and on standard error where it goes.
///
/// # Errors
///
/// Fails where a path is not UTF-8, and where this program does not know where it is.
pub async fn run(client: Client, host: &HostOptions) -> anyhow::Result<ExitCode> {
    print(this_program(host)?.alone(client)).await?;
    tell(format_args!("{}", place(client)));
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

/// Where the configuration is, in a sentence.
fn place(client: Client) -> &'static str {
    match client {
        Client::Claude => "Put it into .mcp.json in the project's directory, beside other `mcpServers`.",
        Client::Codex => "Add it to ~/.codex/config.toml.",
        Client::Gemini => {
            "Put it into .gemini/settings.json in the project's directory, or into ~/.gemini/settings.json, beside \
             other `mcpServers`."
        }
        Client::Opencode => {
            "Put it into opencode.json in the project's directory, or into ~/.config/opencode/opencode.json, \
             beside other entries of `mcp`."
        }
        Client::Cursor => {
            "Put it into .cursor/mcp.json in the project's directory, or into ~/.cursor/mcp.json, beside other \
             `mcpServers`."
        }
        Client::Vscode => "Put it into .vscode/mcp.json in the project's directory, beside other `servers`.",
        Client::Zed => {
            "Put it into .zed/settings.json in the project's directory, or into ~/.config/zed/settings.json, \
             beside other `context_servers`."
        }
    }
}
