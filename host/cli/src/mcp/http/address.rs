//! Where the server listens, and the hosts that it is by that.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::origin::Host;

/// An address to listen at: `PORT`, `IP:PORT` or `localhost:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(port) = text.parse() {
            return Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        if let Some(port) = local {
            return Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        text.parse().map(Self).map_err(|_| {
            "an address is PORT, IP:PORT or localhost:PORT, as in 8080 or 127.0.0.1:8080".to_owned()
        })
    }
}

impl Address {
    /// Whether only this machine reaches it.
    pub fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

/// The hosts that are this server, where it listens in fact.
pub fn own_hosts(bound: SocketAddr) -> Vec<Host> {
    let (ip, port) = (bound.ip().to_canonical(), bound.port());
    let mut hosts = Vec::new();
    if !ip.is_unspecified() {
        hosts.push(Host::new(ip, port));
    }
    if ip.is_loopback() || ip.is_unspecified() {
        hosts.push(Host::localhost(port));
        hosts.push(Host::new(Ipv4Addr::LOCALHOST.into(), port));
        hosts.push(Host::new(Ipv6Addr::LOCALHOST.into(), port));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_this_machine_alone() {
        for text in ["8080", "localhost:8080", "127.0.0.1:8080"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.0.to_string(), "127.0.0.1:8080");
            assert!(address.is_loopback(), "{text}");
        }
        assert!("[::1]:0".parse::<Address>().unwrap().is_loopback());
        assert!("[::ffff:127.0.0.1]:0".parse::<Address>().unwrap().is_loopback());
        assert!(!"0.0.0.0:8080".parse::<Address>().unwrap().is_loopback());
        for text in ["", "host", "example.org:80", "65536", ":80", "1.2.3.4"] {
            text.parse::<Address>().unwrap_err();
        }
    }

    #[test]
    fn a_server_is_the_address_and_where_that_is_this_machine_its_other_names() {
        let own = |bound: &str| own_hosts(bound.parse().unwrap());
        let hosts = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Host>>();
        assert_eq!(own("127.0.0.2:9"), hosts(&["127.0.0.2:9", "localhost:9", "127.0.0.1:9", "[::1]:9"]));
        assert_eq!(own("0.0.0.0:9"), hosts(&["localhost:9", "127.0.0.1:9", "[::1]:9"]));
        assert_eq!(own("10.0.0.1:9"), hosts(&["10.0.0.1:9"]));
    }
}
