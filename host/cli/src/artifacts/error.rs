//! What is wrong with an artifact, or with where it should be. Whatever a registry says is escaped where it is shown.

use std::path::PathBuf;
use std::time::Duration;

use pod_tools_host::{ErrorKind, ToolError};

use super::digest::Digest;

/// An artifact that cannot be had, given or believed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error(
        "{reference} has no digest, and a tag may be another component tomorrow; `pod-tools pull {reference} -o FILE` \
         prints the reference with its digest"
    )]
    NoDigest { reference: String },
    #[error("{reference} has no tag; name one, as in {reference}:0.1.0")]
    NoTag { reference: String },
    #[error("{reference} names a digest, which is what comes of a push; push to a tag")]
    DigestForPush { reference: String },
    #[error("cannot reach the registry {registry}: {why}; see whether it is there, and spelled right")]
    Unreachable { registry: String, why: String },
    #[error(
        "{url} is not encrypted, and its host is not of this machine; if the network between is trusted, allow it with \
         --plain-http {host}"
    )]
    Plain { url: String, host: String },
    #[error("the registry {registry} leads to {url}, {why}; ask its operator")]
    Astray { registry: String, url: String, why: &'static str },
    #[error("the registry {registry} does not let {who} {verb} {repository} ({status}); {remedy}")]
    NotAllowed {
        registry: String,
        who: String,
        verb: &'static str,
        repository: String,
        status: u16,
        remedy: String,
    },
    #[error(
        "the credentials for {registry} cannot be used: {why}; `docker login {registry}` writes new ones"
    )]
    Credentials { registry: String, why: String },
    #[error("{what} is not at the registry; see how it is spelled, or push it first")]
    Missing { what: String },
    #[error("the registry {registry} answered {status} for {what}{detail}; try again, or ask its operator")]
    Answered { registry: String, what: String, status: u16, detail: String },
    #[error("the registry {registry} does not keep to the protocol: {why}; see whether it is one")]
    Protocol { registry: String, why: String },
    #[error("{what} has more than {limit} bytes, the most that it may have{remedy}")]
    TooLarge { what: String, limit: u64, remedy: &'static str },
    #[error(
        "the registry {registry} took longer than {limit:?}, the time for all of it (raise it with --load-timeout)"
    )]
    TooSlow { registry: String, limit: Duration },
    #[error(
        "{what} was to be {asked} and is {got}: the registry gave something else than was asked for; do not use it, take \
         it from another registry"
    )]
    WrongDigest { what: String, asked: Digest, got: Digest },
    #[error(
        "the tag has moved: {reference} is {got} now; leave out the tag to have what the digest names, or the digest to \
         have what the tag names"
    )]
    TagMoved { reference: String, got: Digest },
    #[error("{reference} is not a WebAssembly component: {why}")]
    NotAComponent { reference: String, why: String },
    #[error(
        "{what} has no signature; have it signed (`pod-tools push --sign-key`), or leave out --verify-key and \
         --require-signature if you trust it without"
    )]
    NoSignature { what: String },
    #[error(
        "{what} is not signed by the key in {key}: the signature is of another key, or of other bytes; do not use it, or \
         name the key of who signed it with --verify-key"
    )]
    WrongSignature { what: String, key: String },
    #[error("the signature of {what} is none: {why}; have it signed anew")]
    BadSignature { what: String, why: String },
    #[error(
        "signatures are required, and no key is given to check that of {what}; name one with --verify-key FILE"
    )]
    NoVerifyKey { what: String },
    #[error("{0}")]
    Secret(String),
    #[error("the key in {} {why}", path.display())]
    Key { path: PathBuf, why: String },
    #[error("cannot read the component {}: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
}

impl From<ArtifactError> for ToolError {
    fn from(error: ArtifactError) -> Self {
        use ArtifactError as E;
        let kind = match &error {
            E::TooLarge { .. } | E::TooSlow { .. } => ErrorKind::Limit,
            E::NotAComponent { .. } => ErrorKind::Internal,
            E::NoSignature { .. }
            | E::WrongSignature { .. }
            | E::BadSignature { .. }
            | E::NoVerifyKey { .. }
            | E::WrongDigest { .. }
            | E::NoDigest { .. }
            | E::Plain { .. } => ErrorKind::Denied,
            _ => ErrorKind::ExecutionFailed,
        };
        Self::new(kind, None, error.to_string())
    }
}
