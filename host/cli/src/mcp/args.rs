//! The options of `pod-tools mcp`.

use std::path::PathBuf;
use std::str::FromStr;

use super::http::address::Address;
use super::http::origin::{Host, Origin};
use super::install::{Client, ServerUrl};
use crate::units::bytes_in_memory;

/// Serve the tools to an agent, over the Model Context Protocol
///
/// The agent starts this command and talks to it over standard input and output; or, with --http, it is
/// started by hand and serves any number of agents. What they may do is what was granted here, with --grant or
/// in a file (--grants), which may change meanwhile: no tool can change that.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Into an agent's configuration, beside what is there, and out of it again:\n  \
    pod-tools mcp --install claude                      list and read: ~/.config/pod-tools/grants.toml\n  \
    pod-tools mcp --install claude --grants FILE        what is said there\n  \
    pod-tools mcp --install claude --http http://127.0.0.1:8080/mcp      a server that is there\n  \
    pod-tools mcp --install claude --remove\n\n\
    Over HTTP (anybody on this machine can connect to a port of it; a token tells who may):\n  \
    pod-tools mcp --http 8080                                   http://127.0.0.1:8080/mcp, this machine only\n  \
    pod-tools mcp --http 0.0.0.0:8080 --token-file token \\\n            \
    --allow-host pods.example.org                 from elsewhere, with `Authorization: Bearer …`",
    after_long_help = "Beside the tools there are the pods' conversations, as resources: pod://NAME/transcript. A client that\n\
    subscribes to one is told when the pod's run has ended.\n\n\
    An answer holds 64 KiB of a pod's text at most, and the next one goes on from there: more with\n\
    --max-output BYTES, all at once with --max-output none.\n\n\
    Ctrl-C and SIGTERM end the calls in flight and then the server, after 5 s in any case.\n\n\
    Exit status: 0 the client has left or SIGTERM came, 1 the server failed, 2 used wrongly, 130 interrupted,\n\
    143 SIGTERM came and the server did not end by itself."
)]
pub struct McpArgs {
    /// Serve over HTTP: PORT, IP:PORT or localhost:PORT
    ///
    /// Streamable HTTP; a PORT alone is one of 127.0.0.1. Port 0 takes any that is free. The URL is printed on standard error. With --install: the URL of a server that
    /// is there, which the client is to use
    #[arg(long, env = "POD_TOOLS_HTTP", value_name = "ADDR", help_heading = "Model Context Protocol")]
    pub(super) http: Option<Http>,

    /// Clients must show the token in this file
    ///
    /// As `Authorization: Bearer TOKEN`. The file must be yours and
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

    /// Take requests that were sent to this host name
    ///
    /// Repeatable. HOST (at any port) or HOST:PORT. The
    /// address itself and, where it is this machine's own, localhost are taken anyway. Ports 80 and 443 count
    /// as named where a request names none
    #[arg(long, value_name = "HOST", requires = "http", help_heading = "Model Context Protocol")]
    pub(super) allow_host: Vec<Host>,

    /// Take requests from web pages of this origin
    ///
    /// Repeatable. SCHEME://HOST:PORT; they may read the answers (CORS). The scheme's own port, 80 or 443, may be left out. Requests from any other web page
    /// are refused
    #[arg(
        long,
        hide_short_help = true,
        value_name = "ORIGIN",
        requires = "http",
        help_heading = "Model Context Protocol"
    )]
    pub(super) allow_origin: Vec<Origin>,

    /// Have this client start it, by its configuration
    ///
    /// Its own configuration is written, beside what is there, and these options into it. Where they grant nothing, the client's agents may list and read pods, by
    /// ~/.config/pod-tools/grants.toml, which is made where it is missing. What is changed is shown, and what the
    /// file said before is kept
    #[arg(long, value_name = "CLIENT", help_heading = "Setting up a client")]
    pub(super) install: Option<Client>,

    /// Take it out again
    ///
    /// As long as nobody else has changed the file, it is to the byte what it was before
    #[arg(long, requires = "install", help_heading = "Setting up a client")]
    pub(super) remove: bool,

    /// Show what would be changed, and change nothing
    #[arg(long, requires = "install", help_heading = "Setting up a client")]
    pub(super) dry_run: bool,

    /// Print what to write by hand, into a project's configuration, too
    #[arg(
        long,
        value_name = "CLIENT",
        hide_possible_values = true,
        conflicts_with_all = ["http", "install"],
        help_heading = "Setting up a client"
    )]
    pub(super) print_config: Option<Client>,

    /// Bytes of one message from a client
    #[arg(long, hide_short_help = true, env = "POD_TOOLS_MAX_FRAME", value_name = "BYTES", default_value = "4MiB", value_parser = bytes_in_memory, help_heading = "Model Context Protocol")]
    pub(super) max_frame: usize,
}

/// Where a server is to be, or is.
#[derive(Debug, Clone)]
pub enum Http {
    /// Here.
    Listen(Address),
    /// Somebody serves there.
    At(ServerUrl),
}

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") { text.parse().map(Self::At) } else { text.parse().map(Self::Listen) }
    }
}

impl McpArgs {
    /// There is one client, on standard input and output.
    pub fn is_on_pipes(&self) -> bool {
        self.http.is_none()
    }
}
