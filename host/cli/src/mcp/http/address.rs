//! Where the server listens, and under which names requests may reach it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

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

/// The hosts that requests may name: a web page that has its own name lead to this address (DNS rebinding)
/// names another. `bound` is where the server listens in fact.
pub fn allowed_hosts(bound: SocketAddr, named: &[String]) -> Vec<String> {
    let port = bound.port();
    let with_port = |ip: IpAddr| SocketAddr::new(ip, port).to_string();
    let mut hosts = named.to_vec();
    let ip = bound.ip().to_canonical();
    if !ip.is_unspecified() {
        hosts.push(with_port(ip));
    }
    if ip.is_loopback() || ip.is_unspecified() {
        hosts.push(format!("localhost:{port}"));
        hosts.push(with_port(Ipv4Addr::LOCALHOST.into()));
        hosts.push(with_port(std::net::Ipv6Addr::LOCALHOST.into()));
    }
    hosts
}

/// The origins of web pages whose requests are taken: the server's own, and those that the operator named.
pub fn allowed_origins(bound: SocketAddr, named: &[String]) -> Vec<String> {
    let own = allowed_hosts(bound, &[]).into_iter().map(|host| format!("http://{host}"));
    named.iter().cloned().chain(own).collect()
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
    fn a_request_must_name_the_address_or_what_the_operator_named() {
        let hosts = allowed_hosts("127.0.0.1:9".parse().unwrap(), &["pods.example".to_owned()]);
        assert_eq!(hosts, ["pods.example", "127.0.0.1:9", "localhost:9", "127.0.0.1:9", "[::1]:9"]);
        assert_eq!(allowed_hosts("10.0.0.1:9".parse().unwrap(), &[]), ["10.0.0.1:9"]);
    }
}
