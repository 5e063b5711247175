//! The options of `pod-tools mcp`.

use std::path::PathBuf;

use super::http::address::Address;
use super::http::origin::{Host, Origin};
use super::print_config::Client;
use crate::units::bytes_in_memory;

/// Serve the tools to an agent, over the Model Context Protocol
///
/// The agent starts this command and talks to it over standard input and output; or, with --http, it is
/// started by hand and serves any number of agents. What they may do is what was granted here, with --grant or
/// in a file (--grants), which may change meanwhile: no tool can change that.
#[derive(Debug, clap::Args)]
#[command(after_help = "What an agent's configuration takes:\n  \
    pod-tools mcp --print-config claude --grants ~/.config/pod-tools/grants.toml\n\n\
    Over HTTP (anybody on this machine can connect to a port of it; a token tells who may):\n  \
    pod-tools mcp --http 8080                                   http://127.0.0.1:8080/mcp, this machine only\n  \
    pod-tools mcp --http 0.0.0.0:8080 --token-file token \\\n            \
    --allow-host pods.example.org                 from elsewhere, with `Authorization: Bearer …`\n\n\
    Beside the tools there are the pods' conversations, as resources: pod://NAME/transcript. A client that\n\
    subscribes to one is told when the pod's run has ended.\n\n\
    An answer holds 64 KiB of a pod's text at most, and the next one goes on from there: more with\n\
    --max-output BYTES, all at once with --max-output none.\n\n\
    Ctrl-C and SIGTERM end the calls in flight and then the server, after 5 s in any case.\n\n\
    Exit status: 0 the client has left or SIGTERM came, 1 the server failed, 2 used wrongly, 130 interrupted,\n\
    143 SIGTERM came and the server did not end by itself.")]
pub struct McpArgs {
    /// Serve over Streamable HTTP at this address: PORT (on 127.0.0.1), IP:PORT, or localhost:PORT; port 0
    /// takes any that is free. The URL is printed on standard error
    #[arg(long, env = "POD_TOOLS_HTTP", value_name = "ADDR", help_heading = "Model Context Protocol")]
    pub(super) http: Option<Address>,

    /// Clients must show the token in this file, as `Authorization: Bearer TOKEN`. The file must be yours and
    /// nobody else's to read; one of root's (a mounted secret) may be readable by a group of yours. Required
    /// where --http is not this machine alone
    #[arg(
        long,
        env = "POD_TOOLS_TOKEN_FILE",
        value_name = "FILE",
        requires = "http",
        help_heading = "Model Context Protocol"
    )]
    pub(super) token_file: Option<PathBuf>,

    /// Take HTTP requests that were sent to this host name, HOST (at any port) or HOST:PORT; repeatable. The
    /// address itself and, where it is this machine's own, localhost are taken anyway. Ports 80 and 443 count
    /// as named where a request names none
    #[arg(long, value_name = "HOST", requires = "http", help_heading = "Model Context Protocol")]
    pub(super) allow_host: Vec<Host>,

    /// Take HTTP requests from web pages of this origin, SCHEME://HOST:PORT, and let them read the answers
    /// (CORS); repeatable. The scheme's own port, 80 or 443, may be left out. Requests from any other web page
    /// are refused
    #[arg(long, value_name = "ORIGIN", requires = "http", help_heading = "Model Context Protocol")]
    pub(super) allow_origin: Vec<Origin>,

    /// Print what to write into this client's configuration, so that it starts this program with these options,
    /// and serve nobody
    #[arg(long, value_name = "CLIENT", conflicts_with = "http", help_heading = "Model Context Protocol")]
    pub(super) print_config: Option<Client>,

    /// Bytes of one message from a client
    #[arg(long, env = "POD_TOOLS_MAX_FRAME", value_name = "BYTES", default_value = "4MiB", value_parser = bytes_in_memory, help_heading = "Model Context Protocol")]
    pub(super) max_frame: usize,
}

impl McpArgs {
    /// There is one client, on standard input and output.
    pub fn is_on_pipes(&self) -> bool {
        self.http.is_none()
    }
}
