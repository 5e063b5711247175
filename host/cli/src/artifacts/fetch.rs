//! A component out of a registry: what its reference names, within the bounds of a component, and nothing else. The
//! digest is what is believed: neither the registry's name nor the way to it.

use std::sync::mpsc;
use std::time::Duration;

use super::authentication::Access;
use super::digest::Digest;
use super::distribution::Repository;
use super::error::ArtifactError;
use super::manifest::{self, Layer, MAX_MANIFEST};
use super::reference::{Reference, Registry};
use super::store::Store;
use super::transport::Transport;

/// What registries are given, and how much of what they give is taken.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Registries that are spoken to without TLS beside those of this machine.
    pub plain_http: Vec<Registry>,
    /// For all that is asked of a registry.
    pub time: Duration,
    /// Bytes of a component.
    pub component: u64,
}

/// A component as it came.
#[derive(Debug)]
pub struct Fetched {
    /// The digest of the manifest: what references name.
    pub digest: Digest,
    pub component: Vec<u8>,
    /// In Base64.
    pub signature: Option<String>,
}

/// What the reference names: by its digest; where it has a tag, that is asked for, and has to agree.
pub fn fetch(reference: &Reference, bounds: &Bounds) -> Result<Fetched, ArtifactError> {
    let (asked, own) = (reference.clone(), bounds.clone());
    within(reference, bounds, move || {
        let transport = Transport::new(own.plain_http.clone(), own.time);
        let mut repository = Repository::new(&transport, &asked, Access::Pull);
        let name = match (&asked.tag, &asked.digest) {
            (Some(tag), _) => tag.clone(),
            (None, Some(digest)) => digest.to_string(),
            (None, None) => return Err(ArtifactError::NoTag { reference: asked.to_string() }),
        };
        let manifest = repository.manifest(&name)?;
        let digest = Digest::of(&manifest);
        match &asked.digest {
            Some(wanted) if *wanted != digest && asked.tag.is_some() => {
                return Err(ArtifactError::TagMoved { reference: asked.to_string(), got: digest });
            }
            Some(wanted) if *wanted != digest => return Err(wrong(&asked, wanted, digest)),
            _ => {}
        }
        let layer = layer(&asked, &manifest, &own)?;
        let component = content(&mut repository, &asked, &layer)?;
        Ok(Fetched { digest, component, signature: layer.signature })
    })
}

/// The same for a component that is to be loaded: by its digest alone, and kept on disk, where it is looked for first.
pub fn fetch_once(reference: &Reference, bounds: &Bounds) -> Result<Fetched, ArtifactError> {
    let Some(digest) = reference.digest.clone() else {
        return Err(ArtifactError::NoDigest { reference: reference.to_string() });
    };
    let (asked, own) = (reference.at(digest.clone()), bounds.clone());
    within(reference, bounds, move || {
        let transport = Transport::new(own.plain_http.clone(), own.time);
        let mut repository = Repository::new(&transport, &asked, Access::Pull);
        let store = Store::open();
        let kept = |digest, limit| store.as_ref().and_then(|store| store.get(digest, limit));
        let keep = |bytes: &[u8]| store.iter().for_each(|store| store.put(bytes));
        let manifest = match kept(&digest, MAX_MANIFEST) {
            Some(manifest) => manifest,
            None => {
                let manifest = repository.manifest(&digest.to_string())?;
                let got = Digest::of(&manifest);
                if got != digest {
                    return Err(wrong(&asked, &digest, got));
                }
                keep(&manifest);
                manifest
            }
        };
        let layer = layer(&asked, &manifest, &own)?;
        let component = match kept(&layer.digest, layer.size) {
            Some(component) => component,
            None => {
                let component = content(&mut repository, &asked, &layer)?;
                keep(&component);
                component
            }
        };
        Ok(Fetched { digest, component, signature: layer.signature })
    })
}

fn wrong(reference: &Reference, asked: &Digest, got: Digest) -> ArtifactError {
    ArtifactError::WrongDigest { what: reference.to_string(), asked: asked.clone(), got }
}

/// The component that a manifest is of, if it is not too large.
fn layer(reference: &Reference, manifest: &[u8], bounds: &Bounds) -> Result<Layer, ArtifactError> {
    let reference = reference.to_string();
    let layer = manifest::read(manifest)
        .map_err(|why| ArtifactError::NotAComponent { reference: reference.clone(), why })?;
    if layer.size > bounds.component {
        let remedy = " (raise it with --max-component)";
        return Err(ArtifactError::TooLarge { what: reference, limit: bounds.component, remedy });
    }
    Ok(layer)
}

fn content(
    repository: &mut Repository,
    reference: &Reference,
    layer: &Layer,
) -> Result<Vec<u8>, ArtifactError> {
    repository.blob(&layer.digest, layer.size)?.ok_or_else(|| ArtifactError::TooLarge {
        what: format!("the content of {reference}"),
        limit: layer.size,
        remedy: " by its manifest; do not use it",
    })
}

/// Works on a thread that is given up when the time is over: what gives credentials may be a program that waits.
pub fn within<T: Send + 'static>(
    reference: &Reference,
    bounds: &Bounds,
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    let (sender, done) = mpsc::sync_channel(1);
    let registry = reference.registry.name().to_owned();
    let begun = std::thread::Builder::new()
        .name("pod-tools-registry".into())
        .spawn(move || drop(sender.send(work())));
    begun
        .map_err(|error| ArtifactError::Unreachable { registry: registry.clone(), why: error.to_string() })?;
    done.recv_timeout(bounds.time).unwrap_or(Err(ArtifactError::TooSlow { registry, limit: bounds.time }))
}
