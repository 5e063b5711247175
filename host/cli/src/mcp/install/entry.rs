//! What a client's configuration says of one server, in that client's words.

use serde_json::{Value, json};

use super::client::{Client, Format};
use super::url::ServerUrl;

/// The name under which an agent knows the server.
pub const SERVER: &str = "pods";

/// How a client comes to the server.
#[derive(Debug, Clone)]
pub enum Server {
    /// It starts this program, with `mcp` and these arguments.
    Started { executable: String, arguments: Vec<String> },
    /// It is there already.
    At(ServerUrl),
}

impl Server {
    /// The entry of a client's configuration, and in it what that client needs. Claude Code leaves tools out
    /// of what its model sees until the model searches for them, where nothing is said. Where nobody can be
    /// asked, Codex refuses calls of tools that change something, and Gemini CLI does not even show them:
    /// both are told not to ask. What the calls may do is granted here, and not there.
    pub fn entry(&self, client: Client) -> Value {
        let mut entry = match (self, client) {
            (Self::Started { executable, arguments }, Client::Opencode) => {
                let command: Vec<&str> =
                    [executable, "mcp"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
                json!({ "type": "local", "command": command, "enabled": true })
            }
            (Self::Started { executable, arguments }, _) => {
                let arguments: Vec<&str> =
                    std::iter::once("mcp").chain(arguments.iter().map(String::as_str)).collect();
                match client {
                    Client::Codex | Client::Gemini => json!({ "command": executable, "args": arguments }),
                    Client::Zed => json!({ "command": executable, "args": arguments, "env": {} }),
                    _ => json!({ "type": "stdio", "command": executable, "args": arguments }),
                }
            }
            (Self::At(url), Client::Claude | Client::Vscode) => {
                json!({ "type": "http", "url": url.as_str() })
            }
            (Self::At(url), Client::Gemini) => json!({ "httpUrl": url.as_str() }),
            (Self::At(url), Client::Opencode) => {
                json!({ "type": "remote", "url": url.as_str(), "enabled": true })
            }
            (Self::At(url), Client::Codex | Client::Cursor | Client::Zed) => json!({ "url": url.as_str() }),
        };
        match client {
            Client::Claude => entry["alwaysLoad"] = true.into(),
            Client::Codex => entry["default_tools_approval_mode"] = "approve".into(),
            Client::Gemini => entry["trust"] = true.into(),
            _ => {}
        }
        entry
    }

    /// A configuration with this server and nothing else. Ends with a line break.
    pub fn alone(&self, client: Client) -> String {
        let entry = self.entry(client);
        match client.format() {
            Format::Toml => toml_table(client.servers(), &entry),
            Format::Json { .. } => {
                let mut document = json!({});
                if client == Client::Opencode {
                    document["$schema"] = "https://opencode.ai/config.json".into();
                }
                document[client.servers()] = json!({ SERVER: entry });
                format!("{document:#}\n")
            }
        }
    }
}

/// A table of the one server; its values are texts and lists of them.
fn toml_table(servers: &str, entry: &Value) -> String {
    let value = |value: &Value| match value {
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(toml_string).collect();
            format!("[{}]", all.join(", "))
        }
        other => toml_string(other),
    };
    let lines = entry.as_object().into_iter().flatten().map(|(key, it)| format!("{key} = {}\n", value(it)));
    std::iter::once(format!("[{servers}.{SERVER}]\n")).chain(lines).collect()
}

/// A basic string of TOML is one of JSON, but for one character that has to be escaped there.
fn toml_string(text: &Value) -> String {
    text.to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// A command line that wants quoting everywhere.
    const EXECUTABLE: &str = "/opt/a \"b\"/pod-tools";
    const ARGUMENTS: [&str; 4] = ["--grants", "/etc/päds.toml", "--grant", "list:a\\b\u{7f}\n"];

    fn started() -> Server {
        Server::Started { executable: EXECUTABLE.into(), arguments: ARGUMENTS.map(str::to_owned).into() }
    }

    fn expected() -> Vec<&'static str> {
        std::iter::once("mcp").chain(ARGUMENTS).collect()
    }

    fn parsed(client: Client, server: &Server) -> Value {
        let text = server.alone(client);
        let document: Value = match client.format() {
            Format::Toml => toml::from_str(&text).unwrap(),
            Format::Json { .. } => serde_json::from_str(&text).unwrap(),
        };
        document[client.servers()][SERVER].clone()
    }

    #[test]
    fn a_configuration_of_one_server_says_to_the_letter_what_the_entry_does() {
        for client in Client::value_variants() {
            for server in [started(), Server::At("http://127.0.0.1:8080/mcp".parse().unwrap())] {
                assert_eq!(parsed(*client, &server), server.entry(*client), "{client:?}");
            }
        }
    }

    #[test]
    fn clients_take_a_command_and_its_arguments_each_in_its_form() {
        let entry = |client| started().entry(client);
        let arguments = expected();
        for client in [Client::Cursor, Client::Vscode] {
            let stdio = json!({ "type": "stdio", "command": EXECUTABLE, "args": arguments });
            assert_eq!(entry(client), stdio);
        }
        assert_eq!(
            entry(Client::Claude),
            json!({ "type": "stdio", "command": EXECUTABLE, "args": arguments, "alwaysLoad": true })
        );
        assert_eq!(
            entry(Client::Codex),
            json!({ "command": EXECUTABLE, "args": arguments, "default_tools_approval_mode": "approve" })
        );
        assert_eq!(entry(Client::Gemini), json!({ "command": EXECUTABLE, "args": arguments, "trust": true }));
        assert_eq!(entry(Client::Zed), json!({ "command": EXECUTABLE, "args": arguments, "env": {} }));
        let command: Vec<&str> = std::iter::once(EXECUTABLE).chain(arguments).collect();
        assert_eq!(entry(Client::Opencode), json!({ "type": "local", "command": command, "enabled": true }));
    }

    #[test]
    fn clients_take_a_url_each_in_its_form() {
        let url = "http://127.0.0.1:8080/mcp";
        let at = |client| Server::At(url.parse().unwrap()).entry(client);
        assert_eq!(at(Client::Claude), json!({ "type": "http", "url": url, "alwaysLoad": true }));
        assert_eq!(at(Client::Vscode), json!({ "type": "http", "url": url }));
        assert_eq!(at(Client::Gemini), json!({ "httpUrl": url, "trust": true }));
        assert_eq!(at(Client::Opencode), json!({ "type": "remote", "url": url, "enabled": true }));
        assert_eq!(at(Client::Codex), json!({ "url": url, "default_tools_approval_mode": "approve" }));
        assert_eq!(at(Client::Cursor), json!({ "url": url }));
        assert_eq!(at(Client::Zed), json!({ "url": url }));
    }

    #[test]
    fn what_is_written_is_as_short_as_it_can_be_read() {
        let server = Server::Started {
            executable: "/bin/pod-tools".into(),
            arguments: vec!["--base-dir".into(), "/run/pods".into()],
        };
        assert_eq!(
            server.alone(Client::Codex),
            "[mcp_servers.pods]\ncommand = \"/bin/pod-tools\"\nargs = [\"mcp\", \"--base-dir\", \"/run/pods\"]\n\
             default_tools_approval_mode = \"approve\"\n"
        );
        assert_eq!(
            Server::At("http://[::1]:1/mcp".parse().unwrap()).alone(Client::Gemini),
            "{\n  \"mcpServers\": {\n    \"pods\": {\n      \"httpUrl\": \"http://[::1]:1/mcp\",\n      \
             \"trust\": true\n    }\n  }\n}\n"
        );
    }
}
