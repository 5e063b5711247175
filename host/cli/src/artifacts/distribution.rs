//! A repository of a registry, by the OCI distribution protocol: manifests and blobs, by their digests. What is asked
//! for by a digest is what has it.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;

use super::authentication::{self, Access, Shown};
use super::digest::Digest;
use super::error::ArtifactError;
use super::manifest::{MANIFEST, MAX_MANIFEST};
use super::reference::{Reference, Registry};
use super::transport::{Answer, Target, Transport, escaped};

/// From one address to the next until there is content.
const MAX_REDIRECTS: usize = 5;
/// What a registry says of an error: more than this tells nobody anything.
const MAX_DETAIL: u64 = 8 << 10;

/// A repository of a registry.
pub struct Repository<'a> {
    transport: &'a Transport,
    registry: Registry,
    name: String,
    access: Access,
    shown: Option<Shown>,
}

impl<'a> Repository<'a> {
    pub fn new(transport: &'a Transport, reference: &Reference, access: Access) -> Self {
        let (registry, name) = (reference.registry.clone(), reference.repository.clone());
        Self { transport, registry, name, access, shown: None }
    }

    /// The manifest of that tag or digest.
    pub fn manifest(&mut self, tag_or_digest: &str) -> Result<Vec<u8>, ArtifactError> {
        let what = self.named(tag_or_digest);
        let target = self.target(&format!("manifests/{tag_or_digest}"))?;
        let accept = [(ACCEPT, MANIFEST)];
        let (target, answer) = self.follow(target, &accept, &what)?;
        let bytes = self.transport.read(&target, answer, MAX_MANIFEST)?;
        bytes.ok_or(ArtifactError::TooLarge {
            what: format!("the manifest of {what}"),
            limit: MAX_MANIFEST,
            remedy: "",
        })
    }

    /// The content of that digest; `None` where it has more bytes than that.
    pub fn blob(&mut self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        let what = format!("the content {}", self.named(&digest.to_string()));
        let target = self.target(&format!("blobs/{digest}"))?;
        let (target, answer) = self.follow(target, &[], &what)?;
        let Some(bytes) = self.transport.read(&target, answer, limit)? else { return Ok(None) };
        let got = Digest::of(&bytes);
        if got != *digest {
            return Err(ArtifactError::WrongDigest { what, asked: digest.clone(), got });
        }
        Ok(Some(bytes))
    }

    /// Stores content, where the registry does not have it yet.
    pub fn put_blob(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        let digest = Digest::of(bytes);
        let what = format!("a blob of {}/{}", self.registry, self.name);
        let there = self.target(&format!("blobs/{digest}"))?;
        if self.call(&Method::HEAD, &there, &[], None)?.status == StatusCode::OK {
            return Ok(());
        }
        let uploads = self.target("blobs/uploads/")?;
        let begun = self.call(&Method::POST, &uploads, &[], Some(b""))?;
        if begun.status != StatusCode::ACCEPTED {
            return Err(self.refusal(&uploads, begun, &what));
        }
        let place = self.led(&uploads, &begun)?;
        let joint = if place.uri.query().is_some() { '&' } else { '?' };
        let place = self.at(&format!("{}{joint}digest={digest}", place.uri))?;
        let stored =
            self.call(&Method::PUT, &place, &[(CONTENT_TYPE, "application/octet-stream")], Some(bytes))?;
        if stored.status != StatusCode::CREATED {
            return Err(self.refusal(&place, stored, &what));
        }
        Ok(())
    }

    /// Stores a manifest by a tag or by its digest. Its blobs are there.
    pub fn put_manifest(&mut self, tag_or_digest: &str, bytes: &[u8]) -> Result<(), ArtifactError> {
        let target = self.target(&format!("manifests/{tag_or_digest}"))?;
        let stored = self.call(&Method::PUT, &target, &[(CONTENT_TYPE, MANIFEST)], Some(bytes))?;
        if stored.status != StatusCode::CREATED {
            let what = format!("the manifest of {}", self.named(tag_or_digest));
            return Err(self.refusal(&target, stored, &what));
        }
        Ok(())
    }

    /// Asks, and asks again where the answer says that it is elsewhere.
    fn follow(
        &mut self,
        mut target: Target,
        headers: &[(HeaderName, &str)],
        what: &str,
    ) -> Result<(Target, Answer), ArtifactError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.call(&Method::GET, &target, headers, None)?;
            match answer.status {
                StatusCode::OK => return Ok((target, answer)),
                status if status.is_redirection() => target = self.led(&target, &answer)?,
                _ => return Err(self.refusal(&target, answer, what)),
            }
        }
        Err(self.protocol(format!("it leads from one address to the next, more than {MAX_REDIRECTS} times")))
    }

    /// Sends a request, and once more with what the registry wants to see. Nobody else sees that.
    fn call(
        &mut self,
        method: &Method,
        target: &Target,
        headers: &[(HeaderName, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ArtifactError> {
        let is_its_own = self.is_its_own(target);
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| self.protocol("a header is none".into()))?;
            all.insert(name, value);
        }
        if body.is_some_and(<[u8]>::is_empty) {
            all.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(shown) = self.shown.as_ref().filter(|_| is_its_own) {
            all.insert(AUTHORIZATION, shown.header.clone());
        }
        let answer = self.transport.send(method, target, &all, body)?;
        if answer.status != StatusCode::UNAUTHORIZED || !is_its_own || self.shown.is_some() {
            return Ok(answer);
        }
        let shown =
            authentication::answer(self.transport, &self.registry, &self.name, self.access, &answer.headers)?;
        let Some(shown) = shown else { return Ok(answer) };
        all.insert(AUTHORIZATION, shown.header.clone());
        self.shown = Some(shown);
        self.transport.send(method, target, &all, body)
    }

    /// What is in here, for messages.
    fn named(&self, tag_or_digest: &str) -> String {
        let joint = if tag_or_digest.contains(':') { '@' } else { ':' };
        format!("{}/{}{joint}{tag_or_digest}", self.registry, self.name)
    }

    fn is_its_own(&self, target: &Target) -> bool {
        self.origin()
            .is_ok_and(|own| own.scheme() == target.uri.scheme() && own.authority() == target.uri.authority())
    }

    fn origin(&self) -> Result<Uri, ArtifactError> {
        let scheme = if self.transport.is_plain(&self.registry) { "http" } else { "https" };
        let url = format!("{scheme}://{}/", self.registry);
        url.parse().map_err(|_| self.protocol(format!("{url} is no address")))
    }

    fn target(&self, path: &str) -> Result<Target, ArtifactError> {
        let origin = self.origin()?;
        self.at(&format!("{origin}v2/{}/{path}", self.name))
    }

    fn at(&self, url: &str) -> Result<Target, ArtifactError> {
        let uri = url.parse().map_err(|_| self.protocol(format!("`{}` is no address", escaped(url))))?;
        Ok(Target { uri, registry: self.registry.clone() })
    }

    /// Where an answer leads.
    fn led(&self, from: &Target, answer: &Answer) -> Result<Target, ArtifactError> {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location =
            location.ok_or_else(|| self.protocol("it leads elsewhere, and does not say where".into()))?;
        let target = if location.starts_with('/') && !location.starts_with("//") {
            let scheme = from.uri.scheme_str().unwrap_or_default();
            let authority = from.uri.authority().map_or("", |authority| authority.as_str());
            self.at(&format!("{scheme}://{authority}{location}"))?
        } else {
            self.at(location)?
        };
        self.transport.check(&target)?;
        Ok(target)
    }

    /// What an answer that is none says.
    fn refusal(&self, target: &Target, answer: Answer, what: &str) -> ArtifactError {
        let status = answer.status.as_u16();
        let (registry, what) = (self.registry.name().to_owned(), what.to_owned());
        match status {
            401 | 403 => {
                let (who, remedy) = match &self.shown {
                    Some(shown) if shown.who != "anybody" => (
                        shown.who.clone(),
                        "ask its operator for the right, or log in as somebody else: `docker login`",
                    ),
                    _ => ("anybody".to_owned(), "log in first: `docker login`, whose file is read here"),
                };
                let (verb, repository) = (self.access.verb(), self.name.clone());
                let remedy = format!("{remedy} {registry}");
                ArtifactError::NotAllowed { registry, who, verb, repository, status, remedy }
            }
            404 => ArtifactError::Missing { what },
            _ => {
                let body = self.transport.read(target, answer, MAX_DETAIL).ok().flatten().unwrap_or_default();
                ArtifactError::Answered { registry, what, status, detail: detail(&body) }
            }
        }
    }

    fn protocol(&self, why: String) -> ArtifactError {
        ArtifactError::Protocol { registry: self.registry.name().to_owned(), why }
    }
}

/// What a registry says of an error, for behind the status.
fn detail(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(said) = serde_json::from_slice::<Errors>(body) else { return String::new() };
    let Some(first) = said.errors.first() else { return String::new() };
    let text: String = format!("{}: {}", first.code, first.message).chars().take(200).collect();
    format!(" ({})", escaped(&text))
}
