//! Where an artifact is: a registry, a repository in it, and a tag or a digest.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::digest::Digest;

/// What tells a reference from the name of a file.
pub const SCHEME: &str = "oci://";

/// `oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]`; the scheme may be left out where nothing but a reference is
/// meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub registry: Registry,
    pub repository: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

/// A registry, by its name and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry(String);

impl Registry {
    pub fn name(&self) -> &str {
        &self.0
    }

    /// It is a server of this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host(&self.0))
    }
}

/// The name or address of a host, of what may have a port behind it.
pub fn host(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

/// What is sent there does not leave this machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl FromStr for Registry {
    type Err = &'static str;

    /// A name with a dot in it, a name with a port, an address, or `localhost`: a mere word is the first part of a
    /// repository on a registry that nobody has named.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => {
                if !address.parse().is_ok_and(|address: IpAddr| address.is_ipv6()) {
                    return Err("the registry is no IPv6 address");
                }
                (address, if port.is_empty() { None } else { Some(port.strip_prefix(':').unwrap_or("")) })
            }
            None => {
                let (host, port) =
                    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
                let is_label =
                    |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
                if host.len() > 253 || !host.bytes().all(is_of_names) || !host.split('.').all(is_label) {
                    return Err("the registry is no name of a host");
                }
                (host, port)
            }
        };
        if port.is_some_and(|port| {
            !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().unwrap_or(0) == 0
        }) {
            return Err("the registry's port is no number from 1 to 65535");
        }
        if port.is_none() && !host.contains('.') && !host.contains(':') && host != "localhost" {
            return Err("it begins with the registry, as in registry.example/OWNER/NAME");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reference {
    /// The same place, by that digest alone.
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.strip_prefix(SCHEME).unwrap_or(text)).map_err(|why| {
            format!(
                "`{}` is no reference: {why}; one is {SCHEME}REGISTRY/REPOSITORY:TAG, or …@sha256:DIGEST",
                text.escape_debug()
            )
        })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    let (place, digest) = match text.split_once('@') {
        Some((place, digest)) => (place, Some(digest.parse()?)),
        None => (text, None),
    };
    let (registry, rest) = place.split_once('/').ok_or("it has no repository")?;
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(checked_tag(tag)?)),
        None => (rest, None),
    };
    Ok(Reference { registry: registry.parse()?, repository: checked_repository(repository)?, tag, digest })
}

/// Parts of lower-case letters and digits, with `.`, `_`, `__` or dashes between them: nothing that could lead
/// elsewhere in a registry's URL.
fn checked_repository(text: &str) -> Result<String, &'static str> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let between = |run: &str| {
            matches!(run, "." | "_" | "__") || !run.is_empty() && run.bytes().all(|byte| byte == b'-')
        };
        part.as_bytes().first().copied().is_some_and(is_letter)
            && part.as_bytes().last().copied().is_some_and(is_letter)
            && part
                .split(|c: char| u8::try_from(c).is_ok_and(is_letter))
                .filter(|run| !run.is_empty())
                .all(between)
    };
    if text.len() > 255 || !text.split('/').all(is_part) {
        return Err(
            "its repository is not one: parts of a-z and 0-9, with . _ - within them and / between them",
        );
    }
    Ok(text.to_owned())
}

fn checked_tag(text: &str) -> Result<String, &'static str> {
    let is_of_tags = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(is_of_tags) || text.starts_with(['.', '-']) {
        return Err("its tag is not one: at most 128 of A-Z a-z 0-9 . _ -, the first of them no . or -");
    }
    Ok(text.to_owned())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_shown_is_what_was_read() {
        for place in [
            "registry.example/owner/pod-tools",
            "localhost:5000/a/b/c",
            "[::1]:5000/p",
            "127.0.0.1/x__y.z--0",
            "localhost/p",
        ] {
            for behind in [String::new(), ":v1.0_2".into(), format!("@{DIGEST}"), format!(":latest@{DIGEST}")]
            {
                let text = format!("{place}{behind}");
                let read: Reference = text.parse().unwrap();
                assert_eq!(read.to_string(), format!("{SCHEME}{text}"));
                assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused_and_told() {
        let cases = [
            ("", "no repository"),
            ("plugin", "no repository"),
            ("owner/plugin", "begins with the registry"),
            ("registry.example/", "its repository is not one"),
            ("registry.example/a//b", "its repository is not one"),
            ("registry.example/../b", "its repository is not one"),
            ("registry.example/a/.b", "its repository is not one"),
            ("registry.example/a___b", "its repository is not one"),
            ("registry.example/Owner/b", "its repository is not one"),
            ("registry.example/a?b=c", "its repository is not one"),
            ("registry.example/a%2fb", "its repository is not one"),
            ("registry.example/a:", "its tag is not one"),
            ("registry.example/a:-x", "its tag is not one"),
            ("registry.example/a:b/c", "its tag is not one"),
            ("registry.example/a@sha512:00", "begins with `sha256:`"),
            ("registry.example/a@sha256:00", "64 lower-case"),
            ("registry.example:0/a", "port"),
            ("registry.example:http/a", "port"),
            ("registry.example:/a", "port"),
            ("user@registry.example/a", "begins with `sha256:`"),
            ("-x.io/a", "no name of a host"),
            ("x..io/a", "no name of a host"),
            ("regi\u{1b}stry.example/a", "no name of a host"),
            ("[::g]/a", "no IPv6"),
            ("https://registry.example/a", "port"),
        ];
        for (text, why) in cases {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn only_addresses_and_the_name_of_this_machine_are_loopback() {
        for (text, is) in [
            ("localhost/p", true),
            ("127.9.9.9:80/p", true),
            ("[::1]:5000/p", true),
            ("127.0.0.1.example.org/p", false),
            ("localhost.example.org/p", false),
            ("10.0.0.1/p", false),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().registry.is_loopback(), is, "{text}");
        }
    }
}
