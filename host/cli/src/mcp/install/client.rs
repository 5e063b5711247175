//! The agents that can be told of MCP servers: where each has its configuration, in which form, and what it
//! calls servers there.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// An agent that can be told of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Gemini CLI
    Gemini,
    /// opencode
    Opencode,
    /// Cursor
    Cursor,
    /// VS Code
    Vscode,
    /// Zed
    Zed,
}

/// How a configuration is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, as far as the client takes more than that.
    Json {
        /// `//` and `/* */`.
        comments: bool,
        /// Behind the last of a list.
        trailing_commas: bool,
    },
    Toml,
}

/// Where a user's programs have their configurations.
#[derive(Debug)]
pub struct Places {
    home: PathBuf,
    config: PathBuf,
    claude: Option<PathBuf>,
    codex: Option<PathBuf>,
    gemini: Option<PathBuf>,
}

impl Places {
    /// By the variables that are set, which `var` gives. A relative one counts for nothing. `None`: there is
    /// no home.
    pub fn of(var: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let var = |name| var(name).filter(|path| path.is_absolute());
        let home = var("HOME")?;
        Some(Self {
            config: var("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            claude: var("CLAUDE_CONFIG_DIR"),
            codex: var("CODEX_HOME"),
            gemini: var("GEMINI_CLI_HOME"),
            home,
        })
    }

    /// The operator's own directory of configuration.
    pub fn own(&self) -> PathBuf {
        self.config.join("pod-tools")
    }
}

impl Client {
    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
            Self::Zed => "zed",
        }
    }

    /// Under which key its configuration has servers, by their names.
    pub fn servers(self) -> &'static str {
        match self {
            Self::Claude | Self::Gemini | Self::Cursor => "mcpServers",
            Self::Codex => "mcp_servers",
            Self::Opencode => "mcp",
            Self::Vscode => "servers",
            Self::Zed => "context_servers",
        }
    }

    pub fn format(self) -> Format {
        match self {
            Self::Claude => Format::Json { comments: false, trailing_commas: false },
            Self::Gemini => Format::Json { comments: true, trailing_commas: false },
            Self::Opencode | Self::Cursor | Self::Vscode | Self::Zed => {
                Format::Json { comments: true, trailing_commas: true }
            }
            Self::Codex => Format::Toml,
        }
    }

    /// The user's configuration, which counts in all projects. It need not exist.
    pub fn configuration(self, places: &Places) -> PathBuf {
        let Places { home, config, .. } = places;
        match self {
            Self::Claude => {
                // A file of earlier versions counts as long as it is there.
                let earlier =
                    places.claude.clone().unwrap_or_else(|| home.join(".claude")).join(".config.json");
                let says_something = |path: &Path| path.metadata().is_ok_and(|found| found.len() > 0);
                if says_something(&earlier) {
                    return earlier;
                }
                places.claude.as_ref().unwrap_or(home).join(".claude.json")
            }
            Self::Codex => places.codex.clone().unwrap_or_else(|| home.join(".codex")).join("config.toml"),
            Self::Gemini => places.gemini.as_ref().unwrap_or(home).join(".gemini/settings.json"),
            Self::Opencode => {
                // It reads all three. This is the one that it writes to itself.
                let all = ["opencode.jsonc", "opencode.json", "config.json"];
                let mut all = all.iter().map(|name| config.join("opencode").join(name));
                all.clone().find(|path| path.exists()).or_else(|| all.next()).unwrap_or_default()
            }
            Self::Cursor => home.join(".cursor/mcp.json"),
            Self::Vscode if cfg!(target_os = "macos") => {
                home.join("Library/Application Support/Code/User/mcp.json")
            }
            Self::Vscode => config.join("Code/User/mcp.json"),
            Self::Zed => config.join("zed/settings.json"),
        }
    }

    /// What it does with the entry, and what is left to its user: a sentence or two.
    pub fn note(self) -> &'static str {
        match self {
            Self::Claude => {
                "`claude mcp list` shows it. The tools are always loaded; `claude -p` takes `--allowedTools mcp__pods`."
            }
            Self::Codex => {
                "`codex mcp list` shows it. The tools are called without asking: what they may do is what is granted."
            }
            Self::Gemini => {
                "`gemini mcp list` shows it, in a directory that it trusts. The tools are called without asking: what they \
                 may do is what is granted."
            }
            Self::Opencode => "`opencode mcp list` shows it.",
            Self::Cursor => "It stands in Cursor's settings, under MCP; there it is switched on.",
            Self::Vscode => {
                "`MCP: List Servers` shows it, and starts it; the first time VS Code asks whether it is trusted."
            }
            Self::Zed => "It stands in the settings of Zed's agent, under MCP servers.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Option<Places> {
        Places::of(|name| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn each_client_has_its_file_where_its_variables_say() {
        let found = |client: Client, variables: &[(&str, &str)]| {
            client.configuration(&places(variables).unwrap()).into_os_string().into_string().unwrap()
        };
        let home = &[("HOME", "/nobody")];
        assert_eq!(found(Client::Claude, home), "/nobody/.claude.json");
        assert_eq!(found(Client::Codex, home), "/nobody/.codex/config.toml");
        assert_eq!(found(Client::Gemini, home), "/nobody/.gemini/settings.json");
        assert_eq!(found(Client::Opencode, home), "/nobody/.config/opencode/opencode.jsonc");
        assert_eq!(found(Client::Cursor, home), "/nobody/.cursor/mcp.json");
        assert_eq!(found(Client::Zed, home), "/nobody/.config/zed/settings.json");
        if cfg!(target_os = "linux") {
            assert_eq!(found(Client::Vscode, home), "/nobody/.config/Code/User/mcp.json");
        }
        let all = &[
            ("HOME", "/nobody"),
            ("XDG_CONFIG_HOME", "/x"),
            ("CLAUDE_CONFIG_DIR", "/c"),
            ("CODEX_HOME", "/o"),
            ("GEMINI_CLI_HOME", "/g"),
        ];
        assert_eq!(found(Client::Claude, all), "/c/.claude.json");
        assert_eq!(found(Client::Codex, all), "/o/config.toml");
        assert_eq!(found(Client::Gemini, all), "/g/.gemini/settings.json");
        assert_eq!(found(Client::Opencode, all), "/x/opencode/opencode.jsonc");
        let relative = &[("HOME", "/nobody"), ("CODEX_HOME", "o")];
        assert_eq!(found(Client::Codex, relative), "/nobody/.codex/config.toml");
        assert!(places(&[]).is_none() && places(&[("HOME", "me")]).is_none());
    }

    #[test]
    fn of_several_files_it_is_the_one_that_the_client_writes_to() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let found = |client: Client| {
            let home = home.path().to_str().unwrap();
            client.configuration(&places(&[("HOME", home)]).unwrap())
        };
        std::fs::create_dir_all(at(".config/opencode")).unwrap();
        std::fs::write(at(".config/opencode/config.json"), "{}").unwrap();
        assert_eq!(found(Client::Opencode), at(".config/opencode/config.json"));
        std::fs::write(at(".config/opencode/opencode.json"), "{}").unwrap();
        assert_eq!(found(Client::Opencode), at(".config/opencode/opencode.json"));

        std::fs::create_dir(at(".claude")).unwrap();
        std::fs::write(at(".claude/.config.json"), "").unwrap();
        assert_eq!(found(Client::Claude), at(".claude.json"));
        std::fs::write(at(".claude/.config.json"), "{}").unwrap();
        assert_eq!(found(Client::Claude), at(".claude/.config.json"));
    }
}
