//! Who asks: what a registry wants to see before it lets somebody in, and what there is to be shown.
//!
//! A registry that wants to know answers 401 and says how (`WWW-Authenticate`): with a name and a password, or with a
//! token from a server that it names, which is asked with or without them. Both are those that `docker login` stores.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde::Deserialize;

use super::error::ArtifactError;
use super::reference::Registry;
use super::transport::{Target, Transport, escaped};

/// Of the answer that has a token.
const MAX_TOKEN: u64 = 64 << 10;

/// Of the file with what is shown.
const MAX_LOGINS: u64 = 1 << 20;

/// What is done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Pull,
    Push,
}

impl Access {
    pub fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull from",
            Self::Push => "push to",
        }
    }

    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// What is shown to a registry, and whose it is.
pub struct Shown {
    pub header: HeaderValue,
    /// For messages.
    pub who: String,
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// A name and a password.
struct Login {
    name: String,
    password: String,
}

/// What that registry wants to see, given its answer's headers; `None` where there is nothing to show.
pub fn answer(
    transport: &Transport,
    registry: &Registry,
    repository: &str,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<Shown>, ArtifactError> {
    let login = login(registry)?;
    let who =
        login.as_ref().map_or_else(|| "anybody".to_owned(), |login| format!("`{}`", escaped(&login.name)));
    match challenge(headers) {
        Some(Challenge::Basic) => Ok(login.map(|login| Shown { header: basic(&login), who })),
        Some(Challenge::Bearer { realm, service }) => {
            let scope = format!("repository:{repository}:{}", access.actions());
            let header = token(transport, registry, &realm, service.as_deref(), &scope, login.as_ref())?;
            Ok(header.map(|header| Shown { header, who }))
        }
        None => Ok(None),
    }
}

/// What `docker login` has stored for a registry, in `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`, or in
/// the program that this file names for it.
fn login(registry: &Registry) -> Result<Option<Login>, ArtifactError> {
    use CredentialRetrievalError as E;
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let Some(file) = directory.map(|directory| directory.join("config.json")) else { return Ok(None) };
    let refused = |why: String| Err(ArtifactError::Credentials { registry: registry.name().to_owned(), why });
    let opened = match File::open(&file) {
        Ok(opened) => opened.take(MAX_LOGINS),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return refused(format!("{}: {error}", file.display())),
    };
    match docker_credential::get_credential_from_reader(opened, registry.name()) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(Some(Login { name, password })),
        Ok(DockerCredential::IdentityToken(_)) => {
            refused("they are an identity token, not a name and a password".into())
        }
        Err(E::NoCredentialConfigured) => Ok(None),
        // As these programs say that they have none.
        Err(E::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => Ok(None),
        Err(E::HelperFailure { helper, .. }) => refused(format!("`{}` failed", escaped(&helper))),
        Err(E::ConfigReadError) => refused(format!("{} is not what docker writes", file.display())),
        Err(error) => refused(escaped(&error.to_string())),
    }
}

fn basic(login: &Login) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{}:{}", login.name, login.password));
    // Base64 is of ASCII.
    let mut header =
        HeaderValue::from_str(&format!("Basic {encoded}")).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// A token for that scope, of the server that the registry names. That server is as safe to ask as the registry is.
fn token(
    transport: &Transport,
    registry: &Registry,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    login: Option<&Login>,
) -> Result<Option<HeaderValue>, ArtifactError> {
    let protocol = |why: String| ArtifactError::Protocol { registry: registry.name().to_owned(), why };
    let mut url = format!("{realm}{}scope={}", if realm.contains('?') { '&' } else { '?' }, in_query(scope));
    if let Some(service) = service {
        url.push_str(&format!("&service={}", in_query(service)));
    }
    let uri: Uri =
        url.parse().map_err(|_| protocol(format!("its tokens' address is none: `{}`", escaped(realm))))?;
    let target = Target { uri, registry: registry.clone() };
    let mut headers = HeaderMap::new();
    if let Some(login) = login {
        headers.insert(AUTHORIZATION, basic(login));
    }
    let answer = transport.send(&Method::GET, &target, &headers, None)?;
    let status = answer.status;
    if matches!(status.as_u16(), 401 | 403) {
        return Ok(None);
    }
    if !status.is_success() {
        let what = "a token".to_owned();
        let registry = registry.name().to_owned();
        return Err(ArtifactError::Answered {
            registry,
            what,
            status: status.as_u16(),
            detail: String::new(),
        });
    }
    let body = transport.read(&target, answer, MAX_TOKEN)?;
    let body = body.ok_or_else(|| protocol(format!("its token has more than {MAX_TOKEN} bytes")))?;
    let given: Token = serde_json::from_slice(&body).map_err(|_| protocol("its token is not JSON".into()))?;
    let text = given.token.or(given.access_token).ok_or_else(|| protocol("it gives no token".into()))?;
    let mut header = HeaderValue::from_str(&format!("Bearer {text}"))
        .map_err(|_| protocol("its token cannot stand in a header".into()))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

fn in_query(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The first challenge that can be met.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers.get_all(http::header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(
        |text| {
            let (scheme, parameters) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                return Some(Challenge::Basic);
            }
            if !scheme.eq_ignore_ascii_case("bearer") {
                return None;
            }
            let mut realm = None;
            let mut service = None;
            for (name, value) in self::parameters(parameters) {
                match &*name.to_ascii_lowercase() {
                    "realm" => realm = Some(value),
                    "service" => service = Some(value),
                    // The scope is what is asked for, whatever the registry thinks of.
                    _ => {}
                }
            }
            Some(Challenge::Bearer { realm: realm?, service })
        },
    )
}

/// `name="value"`, or without the quotes, with commas between them.
fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, behind)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => behind.split_once(',').unwrap_or((behind, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(http::header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
        }
        challenge(&headers)
    }

    #[test]
    fn the_first_challenge_that_can_be_met_is() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Negotiate abc"]), None);
        assert_eq!(of(&["Bearer service=\"x\""]), None);
        assert_eq!(of(&["Basic realm=\"here\""]), Some(Challenge::Basic));
        assert_eq!(of(&["Negotiate", "basic"]), Some(Challenge::Basic));
        let text = "Bearer realm=\"https://a/token?x=1,2\",service=\"b c\",scope=\"repository:d:pull,push\"";
        assert_eq!(of(&[text]), bearer("https://a/token?x=1,2", Some("b c")));
        assert_eq!(of(&["bearer REALM=https://a/token, error=none"]), bearer("https://a/token", None));
    }
}
