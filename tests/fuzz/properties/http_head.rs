//! The head of an HTTP request, from any bytes: whoever comes in has named one host that is this server, no page
//! that is not let in, and the token, once; and none of that depends on where the bytes were cut.
//!
//! The first line of an input is where the rest is cut: the length of a piece each. hyper parses the head; what it
//! makes of it is asked of what decides here.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock, Mutex};

use http::header::{ACCEPT, HeaderMap};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::address::own_hosts;
use super::origin::Door;
use super::{accept, bearer, cors};
use crate::token::Token;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

const TOKEN: &str = "0123456789abcdef";

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let own = own_hosts(([127, 0, 0, 1], 8080).into());
    Door::new(own, &["pods.example".parse().unwrap()], &["https://a.example".parse().unwrap()])
});

static TOKEN_FILE: LazyLock<Token> = LazyLock::new(|| {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    Token::read(file.path()).unwrap()
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

/// What was decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decision {
    target: String,
    host: bool,
    origin: bool,
    token: bool,
    preflight: bool,
    accepts: Vec<String>,
}

fn decide<B>(request: &Request<B>) -> Decision {
    let mut headers: HeaderMap = request.headers().clone();
    accept::name_types(&mut headers);
    Decision {
        target: request.uri().to_string(),
        host: DOOR.host(request).is_ok(),
        origin: DOOR.origin(request).is_ok(),
        token: bearer::is_shown(&TOKEN_FILE, request.headers()),
        preflight: cors::is_preflight(request),
        accepts: headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap().to_owned()).collect(),
    }
}

/// What is decided about the requests in these bytes, which come in pieces of these lengths.
fn decisions(bytes: &[u8], lengths: &[u8]) -> Vec<Decision> {
    let decided = Arc::new(Mutex::new(Vec::new()));
    let noted = decided.clone();
    RUNTIME.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let serve = service_fn(move |request: Request<Incoming>| {
            noted.lock().unwrap().push(decide(&request));
            async {
                // Where a body is left unread, it depends on what has come of it whether the connection goes on.
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
            }
        });
        let serving = http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), serve);
        let sending = async {
            let mut rest = bytes;
            let mut lengths = lengths.iter().cycle();
            while !rest.is_empty() {
                let length = lengths.next().map_or(usize::MAX, |length| usize::from(*length).max(1));
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
                rest = behind;
            }
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut Vec::new()).await;
        };
        let _ = tokio::join!(serving, sending);
    });
    let decided = decided.lock().unwrap();
    decided.clone()
}

/// The values of a header in the head of the first request.
fn values(bytes: &[u8], name: &str) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let head = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).skip(1);
    let fields = head.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
    });
    fields.map(|value| String::from_utf8_lossy(value).to_ascii_lowercase()).collect()
}

/// What the first request asks for.
fn target(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty())?;
    String::from_utf8_lossy(line).split(' ').nth(1).map(str::to_ascii_lowercase)
}

/// Whether a target is a path, or a URL whose host is the one that the request names.
fn agrees(target: &str, host: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let named = target.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    named.is_some_and(|named| parts(named).is_some() && parts(named) == parts(host))
}

/// A host's name, an address as the number that it is, and its port; `None` where that is no number.
fn parts(host: &str) -> Option<(Result<IpAddr, &str>, Option<u16>)> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?;
    let port = port.map_or(Some(None), |port| number(port).map(Some))?;
    let in_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address = match in_brackets {
        Some(address) => address.parse().map(IpAddr::V6).ok(),
        None => name.parse().map(IpAddr::V4).ok(),
    };
    Some((address.ok_or(name), port))
}

/// Whether that is the server, at port 8080 of this machine, or any port of the host that it was given.
fn is_ours(host: &str) -> bool {
    let Some((name, port)) = parts(host) else { return false };
    match name {
        Err("pods.example") => true,
        Err(name) => name == "localhost" && port == Some(8080),
        Ok(address) => {
            (address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST) && port == Some(8080)
        }
    }
}

/// Whether a page of that origin is let in.
fn is_let_in(origin: &str) -> bool {
    match origin.strip_prefix("http://") {
        Some(host) => is_ours(host) && !host.starts_with("pods.example"),
        None => origin == "https://a.example" || origin == "https://a.example:443",
    }
}

/// The property of what the parts say.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (lengths, stream) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let whole = decisions(stream, &[]);
    if !lengths.is_empty() {
        assert_eq!(decisions(stream, lengths), whole);
    }
    let Some(first) = whole.first() else { return };
    if first.host {
        let (named, target) = (values(stream, "host"), target(stream));
        let agree = |host| target.as_deref().is_some_and(|target| agrees(target, host));
        assert!(matches!(&*named, [host] if is_ours(host) && agree(host)), "{named:?}, {target:?}");
    }
    if first.origin {
        let named = values(stream, "origin");
        assert!(named.is_empty() || matches!(&*named, [origin] if is_let_in(origin)), "{named:?}");
    }
    if first.token {
        let shown = values(stream, "authorization");
        let token = shown.first().and_then(|shown| shown.strip_prefix("bearer ")).map(str::trim);
        assert!(shown.len() == 1 && token == Some(TOKEN), "{shown:?}");
    }
    assert_eq!(first.accepts.len(), 1);
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_heads() {
    corpus::check_each("http-head", check);
}
