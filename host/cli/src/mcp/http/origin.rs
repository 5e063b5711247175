//! Which hosts requests may be sent to, and which web pages may send them.
//!
//! A page that has its own name lead to this address (DNS rebinding) names another host, and a page of another
//! site names another origin. A port that is the scheme's own counts as named, whether it is or not: clients
//! leave it out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Request};

/// The ports that clients leave out, of `http` and `https`.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// A host as requests name it: `HOST` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unusable =
            || format!("`{text}` is no host: a host is HOST or HOST:PORT, as in pods.example or [::1]:8080");
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self { name: address.to_string(), port: None });
        }
        let authority: Authority = text.parse().map_err(|_| unusable())?;
        let port = match text.strip_prefix(authority.host()).map(|rest| rest.strip_prefix(':')) {
            // A sign is read as a part of a number, and is none of a port.
            Some(Some(port)) if port.starts_with('+') => return Err(unusable()),
            Some(Some(port)) => Some(port.parse().map_err(|_| unusable())?),
            // Nothing behind the name; what else there could be is a user before it.
            Some(None) if authority.host().len() == text.len() => None,
            _ => return Err(unusable()),
        };
        let name = authority.host().to_ascii_lowercase();
        if name.is_empty() || name.contains('*') {
            return Err(unusable());
        }
        // An address can be written in more ways than one. In brackets stands one of IPv6, and nothing else.
        let name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| unusable())?.to_string(),
            None => name.parse().map_or(name, |address: Ipv4Addr| address.to_string()),
        };
        Ok(Self { name, port })
    }
}

impl Host {
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { name: address.to_string(), port: Some(port) }
    }

    /// This machine, by the name that each gives itself.
    pub fn localhost(port: u16) -> Self {
        Self { name: "localhost".to_owned(), port: Some(port) }
    }

    /// Whether a request to `asked` is one to this host. Without a port, this is the host at any.
    fn covers(&self, asked: &Self) -> bool {
        let same_port = match (self.port, asked.port) {
            (None, _) => true,
            // It does not say by which scheme it came; a proxy may have taken that off.
            (Some(port), None) => DEFAULT_PORTS.contains(&port),
            (Some(port), Some(asked)) => port == asked,
        };
        same_port && self.name == asked.name
    }
}

/// The origin of a web page: `SCHEME://HOST` or `SCHEME://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    /// Without the scheme's own port.
    host: Host,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, host) = text.split_once("://").ok_or_else(|| {
            format!("`{text}` is no origin: an origin is SCHEME://HOST or SCHEME://HOST:PORT, without a path")
        })?;
        Ok(Self::new(scheme, host.parse()?))
    }
}

impl Origin {
    fn new(scheme: &str, mut host: Host) -> Self {
        let scheme = scheme.to_ascii_lowercase();
        let own = match &*scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        host.port = host.port.filter(|port| Some(*port) != own);
        Self { scheme, host }
    }
}

/// Who may come in, as far as a request's host and origin tell.
#[derive(Debug, Clone)]
pub struct Door {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

impl Door {
    /// `own` are the server's own hosts; pages of theirs are let in, too.
    pub fn new(own: Vec<Host>, hosts: &[Host], origins: &[Origin]) -> Self {
        let own_origins = own.iter().map(|host| Origin::new("http", host.clone()));
        let origins = own_origins.chain(origins.iter().cloned()).collect();
        Self { origins, hosts: own.into_iter().chain(hosts.iter().cloned()).collect() }
    }

    /// The origin that a request names, if it names one: it must be one that is let in.
    pub fn origin<'a, B>(&self, request: &'a Request<B>) -> Result<Option<&'a HeaderValue>, Refused> {
        let mut named = request.headers().get_all(ORIGIN).iter();
        let Some(origin) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(Refused::Origins);
        }
        let parsed: Option<Origin> = origin.to_str().ok().and_then(|text| text.parse().ok());
        let allowed = parsed.is_some_and(|origin| self.origins.contains(&origin));
        if allowed { Ok(Some(origin)) } else { Err(Refused::Origin) }
    }

    /// Whether a request was sent to a host that is this server.
    pub fn host<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let mut named = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
        let asked = if let (Some(host), None) = (named.next(), named.next()) { host } else { None };
        let asked: Host = asked.and_then(|host| host.parse().ok()).ok_or(Refused::NoHost)?;
        // A path, or a URL; `*` and the bare authority of CONNECT are targets for others.
        let target = request.uri();
        let is_meant = match target.authority().map(Authority::as_str) {
            None => target.path().starts_with('/'),
            Some(authority) => target.scheme().is_some() && authority.parse() == Ok(asked.clone()),
        };
        if !is_meant {
            return Err(Refused::Target);
        }
        if self.hosts.iter().any(|host| host.covers(&asked)) { Ok(()) } else { Err(Refused::Host) }
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    NoHost,
    Target,
    Origins,
    Host,
    Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(own: &[&str], hosts: &[&str], origins: &[&str]) -> Door {
        let parsed = |texts: &[&str]| texts.iter().map(|host| host.parse().unwrap()).collect::<Vec<Host>>();
        let origins: Vec<Origin> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Door::new(parsed(own), &parsed(hosts), &origins)
    }

    fn to_host(door: &Door, host: &str) -> bool {
        door.host(&Request::builder().header(HOST, host).body(()).unwrap()).is_ok()
    }

    fn from_origin(door: &Door, origin: &str) -> bool {
        door.origin(&Request::builder().header(ORIGIN, origin).body(()).unwrap()).is_ok()
    }

    #[test]
    fn hosts_count_with_and_without_the_port_that_clients_leave_out() {
        let door =
            door(&["127.0.0.1:80", "[::1]:80"], &["a.example:443", "b.example", "c.example:8080"], &[]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[0:0::1]:80",
            "A.example",
            "a.example:443",
            "b.example",
            "b.example:7",
            "c.example:8080",
        ] {
            assert!(to_host(&door, host), "{host}");
        }
        for host in [
            "127.0.0.1:443",
            "127.0.0.2",
            "localhost",
            "a.example:80",
            "x.a.example",
            "c.example",
            "me@b.example",
            "b.example:",
            "b.example:x",
            "b.example:+7",
            "[::1]:+80",
            "[127.0.0.1]:80",
            "[b.example]",
            "",
        ] {
            assert!(!to_host(&door, host), "{host}");
        }
        let twice = Request::builder().header(HOST, "b.example").header(HOST, "b.example").body(()).unwrap();
        assert_eq!(door.host(&twice), Err(Refused::NoHost));
        assert_eq!(door.host(&Request::new(())), Err(Refused::NoHost));
        let at = |uri: &str| {
            let request = Request::builder().uri(uri).header(HOST, "b.example");
            door.host(&request.body(()).unwrap())
        };
        at("http://b.example/mcp").unwrap();
        for target in ["http://c.example:8080/mcp", "http://me@b.example/mcp", "b.example", "*"] {
            assert_eq!(at(target), Err(Refused::Target), "{target}");
        }
        let without = Request::builder().uri("http://b.example/mcp").body(()).unwrap();
        assert_eq!(door.host(&without), Err(Refused::NoHost));
    }

    #[test]
    fn origins_count_with_and_without_the_port_of_their_scheme() {
        let door = door(
            &["127.0.0.1:80", "[::1]:9"],
            &[],
            &["https://a.example", "http://b.example:80", "http://c.example:443", "chrome-extension://abc"],
        );
        for origin in [
            "http://127.0.0.1",
            "http://127.0.0.1:80",
            "http://[::1]:9",
            "https://a.example",
            "https://A.example:443",
            "http://b.example",
            "http://c.example:443",
            "chrome-extension://abc",
        ] {
            assert!(from_origin(&door, origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://127.0.0.1",
            "http://[::1]",
            "http://a.example",
            "https://a.example:80",
            "https://a.example:8443",
            "https://a.example/",
            "https://b.example",
            "http://c.example",
            "https://c.example",
            "https://a.example.evil.example",
        ] {
            assert!(!from_origin(&door, origin), "{origin}");
        }
    }

    #[test]
    fn what_is_no_host_and_no_origin_is_told() {
        for text in ["", "a b", "x:y", "me@x", "x:", "x/y", "[1.2.3.4]", "[x]", "[::1", "::1]"] {
            text.parse::<Host>().unwrap_err();
        }
        for text in ["null", "*", "a.example", "https://", "https://a.example/", "https://*:x"] {
            text.parse::<Origin>().unwrap_err();
        }
    }
}
