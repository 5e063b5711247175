//! The options of `pod-tools gateway`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::units::count;

/// Serve the plugin's imports to hosts on this machine that run it elsewhere
///
/// A host that has no Unix sockets to offer runs the plugin with the component `remote`, which gets its imports from here
/// over a connection of the loopback interface. What a client may do is decided and checked here, as if the plugin ran in
/// this process: by the grants, within the limits, with a line in the audit log.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "One caller, who may do what --grant or --grants says:\n  \
    (umask 077; openssl rand -hex 32 > token)\n  \
    pod-tools gateway --token-file token --grant list,read\n\n\
    Callers with grants of their own, in a file that is read again when it changes:\n  \
    pod-tools gateway --grants callers.toml\n\n    \
    [[caller]]\n    \
    name = \"alice\"                        # in the audit log; she has read cursors of her own\n    \
    token-file = \"/etc/pod-tools/alice\"   # an absolute path; yours alone to read\n    \
    grants = [\"list,read\", \"send:build-*\"]",
    after_long_help = "One line of JSON on standard output says where it listens: {\"address\":\"127.0.0.1:40123\"} or\n\
    {\"socket\":\"/run/…/gateway\"}. A client needs that, and its token:\n  \
    POD_TOOLS_GATEWAY=127.0.0.1:40123 POD_TOOLS_TOKEN=\"$(cat token)\"\n\n\
    A session is one call of a tool, and one connection: it lasts --call-timeout at most, and read\n\
    cursors move only when the client has delivered its answer and says so. The protocol is described\n\
    in wit/gateway.md.\n\n\
    Ctrl-C and SIGTERM end the sessions in flight and then the gateway, after 5 s in any case.\n\n\
    Exit status: 0 SIGTERM came, 1 the gateway failed, 2 used wrongly, 130 interrupted, 143 SIGTERM\n\
    came and the gateway did not end by itself."
)]
pub struct GatewayArgs {
    /// Listen at this address of the loopback interface; port 0 takes any that is free
    #[arg(
        long,
        value_name = "IP:PORT",
        default_value = "127.0.0.1:0",
        value_parser = loopback,
        help_heading = "Gateway"
    )]
    pub listen: SocketAddr,

    /// Listen at a Unix socket, made here for its owner alone, and at no address
    #[arg(long, value_name = "PATH", conflicts_with = "listen", help_heading = "Gateway")]
    pub socket: Option<PathBuf>,

    /// Clients must show the token in this file
    ///
    /// It must be yours and nobody else's to read; one of root's (a mounted
    /// secret) may be readable by a group of yours. Callers in the grants file have files of their own instead
    #[arg(long, env = "POD_TOOLS_TOKEN_FILE", value_name = "FILE", help_heading = "Gateway")]
    pub token_file: Option<PathBuf>,

    /// Sessions open at once, of all callers; one more is refused
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<usize>, help_heading = "Gateway")]
    pub max_sessions: usize,

    /// Sessions open at once, of one caller
    #[arg(long, value_name = "N", default_value = "64", value_parser = count::<usize>, help_heading = "Gateway")]
    pub max_caller_sessions: usize,
}

/// An address that other machines do not reach.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "an address is IP:PORT, as in 127.0.0.1:4000 or [::1]:0".to_owned())?;
    if !address.ip().to_canonical().is_loopback() {
        return Err(format!(
            "{} can be reached from other machines, and what is said here is not encrypted; listen at 127.0.0.1 or [::1]",
            address.ip()
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_this_machine_alone() {
        for text in ["127.0.0.1:0", "127.0.0.2:4000", "[::1]:1"] {
            assert_eq!(loopback(text).unwrap().to_string(), text);
        }
        for text in ["0.0.0.0:0", "[::]:0", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "4000", "localhost:1", ""] {
            loopback(text).unwrap_err();
        }
    }
}
