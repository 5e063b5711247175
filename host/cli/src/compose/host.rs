//! The hosts that a composition is made for: the adapter that each needs, and how it is run there with the least
//! rights that suffice.

use std::fmt;
use std::path::Path;

use super::parts::Adapter;

/// A host of somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Host {
    /// ACT, `act`: the tools over MCP, with an audit trail of its own
    Act,
    /// The command line of wasmtime, and programs that embed it
    Wasmtime,
    /// wasmCloud, where the tools answer messages of NATS
    Wasmcloud,
    /// ZeroClaw, where a plugin is one tool (`--tool`)
    Zeroclaw,
}

impl Host {
    /// Its name, as `--for` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Wasmtime => "wasmtime",
            Self::Wasmcloud => "wasmcloud",
            Self::Zeroclaw => "zeroclaw",
        }
    }

    pub fn adapter(self) -> Adapter {
        match self {
            Self::Act => Adapter::ACT,
            Self::Wasmtime => Adapter::PLAIN,
            Self::Wasmcloud => Adapter::NATS,
            Self::Zeroclaw => Adapter::ZEROCLAW,
        }
    }

    /// How the composition in `file` is run; in ZeroClaw it is that tool.
    pub fn how_to_run<'a>(self, file: &'a Path, tool: Option<&'a str>) -> HowToRun<'a> {
        HowToRun { host: self, file, tool }
    }
}

/// Commands for a shell, and what they grant.
pub struct HowToRun<'a> {
    host: Host,
    file: &'a Path,
    tool: Option<&'a str>,
}

impl fmt::Display for HowToRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = in_a_shell(&self.file.to_string_lossy());
        match self.host {
            Host::Act => write!(
                f,
                "On the machine of the pods, for a host on that machine (it prints its address):

    pod-tools gateway --listen 127.0.0.1:8123 --token-file TOKEN-FILE --grants GRANTS-FILE

ACT has no environment for a component; what it hands over with each call stands in a file that is yours alone:

    (umask 077; printf '{{\"pod-tools:gateway\":\"127.0.0.1:8123\",\"pod-tools:token\":\"%s\"}}' \\
        \"$(cat TOKEN-FILE)\" > act.json)

The tools over MCP, on standard input and output, with what ACT has to grant for them: one port, and 256 MiB; no
directory, no HTTP, no other address (the composition declares that it asks for no more than TCP on this machine):

    act run --mcp --metadata-file act.json --allow sockets=127.0.0.1:8123/tcp --max-memory 256MiB {file}

One call, without MCP:

    act call --metadata-file act.json --allow sockets=127.0.0.1:8123/tcp --max-memory 256MiB {file} ListPods"
            ),
            Host::Wasmtime => write!(
                f,
                "On the machine of the pods, for a host on that machine (it prints its address):

    pod-tools gateway --listen 127.0.0.1:8123 --token-file TOKEN-FILE --grants GRANTS-FILE

A call, with what wasmtime has to grant for it: TCP, and two variables; no directory, no input, 256 MiB and 60 s:

    export POD_TOOLS_GATEWAY=127.0.0.1:8123 POD_TOOLS_TOKEN=\"$(cat TOKEN-FILE)\"
    wasmtime run -W max-memory-size=268435456,timeout=60s \\
        -S inherit-network,udp=n,inherit-stdin=n,inherit-stdout=n \\
        --env POD_TOOLS_GATEWAY --env POD_TOOLS_TOKEN \\
        --invoke 'call(\"ListPods\", \"{{}}\")' {file}

wasmtime's command line grants TCP to every address or to none. A program that embeds wasmtime grants this one
port: `allow_tcp` of its WASI context, and a `socket_addr_check` that lets TcpConnect to it, and TcpBind to port 0."
            ),
            Host::Wasmcloud => super::wasmcloud::how_to_run(f, &file),
            Host::Zeroclaw => super::zeroclaw::how_to_run(f, &file, self.tool.unwrap_or_default()),
        }
    }
}

/// A word as a shell reads it.
fn in_a_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
