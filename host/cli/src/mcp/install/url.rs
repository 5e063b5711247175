//! Where a server is that is there already, as it is written into a configuration.

use std::net::IpAddr;
use std::str::FromStr;

/// An `http://` or `https://` URL without a user's name, a password or anything that a configuration could
/// take for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    is_local: bool,
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXAMPLE: &str = "a server's URL is http://HOST:PORT/mcp, as in http://127.0.0.1:8080/mcp";
        let uri: http::Uri = text.parse().map_err(|error| format!("{error}; {EXAMPLE}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(EXAMPLE.to_owned());
        }
        // Clients put in for `${…}`, `$NAME` and `{env:…}` what they find in their environment.
        if text.contains(['$', '{', '}', '#', '\\', '"', '\'']) {
            return Err(format!("has characters that clients read otherwise; {EXAMPLE}"));
        }
        let authority = uri.authority().filter(|it| !it.host().is_empty()).ok_or(EXAMPLE)?;
        if authority.as_str().contains('@') {
            return Err(format!("has a user's name in it; {EXAMPLE}"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        Ok(Self { text: text.to_owned(), is_local })
    }
}

impl ServerUrl {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_http_with_a_host_and_nothing_that_a_client_would_put_something_in_for() {
        for (text, is_local) in [
            ("http://127.0.0.1:8080/mcp", true),
            ("http://localhost:8080/mcp?reader=me", true),
            ("http://[::1]:1/mcp", true),
            ("https://pods.example.org/mcp", false),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.is_local()), (text, is_local));
        }
        for text in [
            "",
            "8080",
            "127.0.0.1:8080",
            "ftp://a/mcp",
            "http://",
            "/mcp",
            "http://me:secret@a/mcp",
            "http://a/${HOME}",
            "http://a/ b",
            "http://a/\n",
            "http://a/\"",
        ] {
            text.parse::<ServerUrl>().unwrap_err();
        }
    }
}
