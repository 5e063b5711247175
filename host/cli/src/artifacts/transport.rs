//! Requests to registries: over TLS, or without it where the host is of this machine or was allowed by name; within
//! one time for all of them, and with a bound on each answer. Redirects are left to who asked.

use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, AsSendBody};

use super::error::ArtifactError;
use super::reference::{self, Registry};

/// Of an answer's headers: a registry needs a few hundred.
const MAX_HEADERS: usize = 32 << 10;
const USER_AGENT: &str = concat!("pod-tools/", env!("CARGO_PKG_VERSION"));

/// The way to registries.
pub struct Transport {
    /// Hosts that need no TLS, with ports, as they were named.
    plain: Vec<Registry>,
    deadline: Instant,
    limit: Duration,
    with_tls: OnceLock<Agent>,
    without: OnceLock<Agent>,
}

/// An answer whose body is still to be read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: ureq::Body,
}

/// Where a request goes, and for which registry.
#[derive(Clone)]
pub struct Target {
    pub uri: Uri,
    pub registry: Registry,
}

impl Transport {
    /// All of what is asked takes at most that time, from now on.
    pub fn new(plain: Vec<Registry>, limit: Duration) -> Self {
        let deadline = Instant::now() + limit;
        Self { plain, deadline, limit, with_tls: OnceLock::new(), without: OnceLock::new() }
    }

    /// Whether that host is spoken to without TLS.
    pub fn is_plain(&self, registry: &Registry) -> bool {
        registry.is_loopback() || self.plain.contains(registry)
    }

    /// Fails for what is not to be asked for: an address that a registry gave.
    pub fn check(&self, target: &Target) -> Result<(), ArtifactError> {
        let astray = |why| ArtifactError::Astray {
            registry: target.registry.name().to_owned(),
            url: shown(&target.uri),
            why,
        };
        let authority = target.uri.authority().ok_or_else(|| astray("which is no address"))?.as_str();
        // A name before the host could be taken for the host.
        let host = target.uri.host().filter(|_| !authority.contains('@'));
        let host = host.ok_or_else(|| astray("which is no address of a host"))?;
        match target.uri.scheme_str() {
            Some("https") => Ok(()),
            // A registry that is asked over TLS does not get anything asked for without.
            Some("http") if !self.is_plain(&target.registry) => Err(astray("which is not encrypted")),
            Some("http") => {
                let is_named = authority.parse::<Registry>().is_ok_and(|named| self.is_plain(&named));
                if !is_named && !reference::is_loopback(reference::host(host)) {
                    return Err(ArtifactError::Plain { url: shown(&target.uri), host: escaped(authority) });
                }
                Ok(())
            }
            _ => Err(astray("which is no web address")),
        }
    }

    /// Sends a request. Whatever its status, what comes is an answer.
    pub fn send(
        &self,
        method: &Method,
        target: &Target,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<Answer, ArtifactError> {
        self.check(target)?;
        let mut request = Request::builder().method(method).uri(&target.uri);
        if let Some(all) = request.headers_mut() {
            all.extend(headers.clone());
        }
        let invalid = |error: http::Error| ArtifactError::Protocol {
            registry: target.registry.name().to_owned(),
            why: error.to_string(),
        };
        let sent = match body {
            Some(body) => self.run(target, request.body(body).map_err(invalid)?),
            None => self.run(target, request.body(()).map_err(invalid)?),
        };
        let (parts, body) = sent.map_err(|error| self.failed(target, error))?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    fn run<B: AsSendBody>(
        &self,
        target: &Target,
        request: Request<B>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let agent = match target.uri.scheme_str() {
            Some("https") => self.with_tls.get_or_init(|| agent(true)),
            _ => self.without.get_or_init(|| agent(false)),
        };
        let left = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut request = agent.configure_request(request).timeout_global(Some(left));
        if target.uri.host().is_some_and(|host| reference::is_loopback(reference::host(host))) {
            request = request.proxy(None);
        }
        agent.run(request.build())
    }

    /// The body of an answer, of at most so many bytes; `None` where it has more.
    pub fn read(
        &self,
        target: &Target,
        answer: Answer,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, ArtifactError> {
        let mut bytes = Vec::new();
        let read = answer.body.into_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(target, error.into()))?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
    }

    fn failed(&self, target: &Target, error: ureq::Error) -> ArtifactError {
        let registry = target.uri.authority().map_or(target.registry.name(), |authority| authority.as_str());
        let registry = registry.escape_debug().to_string();
        match error {
            ureq::Error::Timeout(_) => ArtifactError::TooSlow { registry, limit: self.limit },
            ureq::Error::Protocol(error) => {
                ArtifactError::Protocol { registry, why: escaped(&error.to_string()) }
            }
            ureq::Error::HostNotFound => {
                ArtifactError::Unreachable { registry, why: "there is no host of that name".into() }
            }
            ureq::Error::Io(error) => {
                ArtifactError::Unreachable { registry, why: escaped(&error.to_string()) }
            }
            error => ArtifactError::Unreachable { registry, why: escaped(&error.to_string()) },
        }
    }
}

/// A proxy is what the environment says (`HTTPS_PROXY`, `NO_PROXY`), for all that is not of this machine.
fn agent(tls: bool) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEADERS)
        .user_agent(USER_AGENT);
    if tls {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!("not all of this system's certificates can be read: {error}");
        }
        let certificates: Vec<Certificate<'static>> =
            found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(certificates)));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}

/// A URL in a message, of which the registry has written any length of.
pub fn shown(uri: &Uri) -> String {
    let text: String = uri.to_string().chars().take(200).collect();
    escaped(&text)
}

/// What a registry said, as it stands in a message.
pub fn escaped(text: &str) -> String {
    text.trim_end().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_that_is_less_safe_to_ask_than_the_registry() {
        let transport = Transport::new(vec!["mirror.example:5000".parse().unwrap()], Duration::from_secs(1));
        for (registry, url, is_safe) in [
            ("registry.example", "https://registry.example/v2/", true),
            ("registry.example", "https://storage.example/blob", true),
            ("registry.example", "http://registry.example/v2/", false),
            ("registry.example", "http://127.0.0.1/v2/", false),
            ("registry.example", "http://mirror.example:5000/v2/", false),
            ("registry.example", "/v2/", false),
            ("mirror.example:5000", "http://mirror.example:5000/v2/", true),
            ("mirror.example:5000", "http://mirror.example:5001/v2/", false),
            ("mirror.example:5000", "http://me@mirror.example:5000/v2/", false),
            ("127.0.0.1:5000", "http://localhost:6000/v2/", true),
            ("127.0.0.1:5000", "http://[::1]/v2/", true),
            ("127.0.0.1:5000", "http://127.0.0.1:80@registry.example/v2/", false),
            ("registry.example", "https://registry.example@registry.example/v2/", false),
            ("127.0.0.1:5000", "http://mirror.example:5000/v2/", true),
            ("127.0.0.1:5000", "http://registry.example/v2/", false),
            ("127.0.0.1:5000", "ftp://127.0.0.1:5000/v2/", false),
        ] {
            let target = Target { uri: url.parse().unwrap(), registry: registry.parse().unwrap() };
            assert_eq!(transport.check(&target).is_ok(), is_safe, "{registry} leads to {url}");
        }
    }
}
