//! `pod-tools push`: a component into a registry, as other hosts and tools read it there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::authentication::Access;
use super::digest::Digest;
use super::distribution::Repository;
use super::error::ArtifactError;
use super::fetch::{self, Bounds};
use super::interfaces::Interfaces;
use super::part::Part;
use super::reference::Reference;
use super::signature::{self, SigningKey};
use super::transport::Transport;
use super::{component_file, manifest};
use crate::options::Loading;
use crate::stdout::print;
use crate::streams::tell;

/// Push a component into a registry, and print the reference with its digest
///
/// The plugin, unless another part or a file is named: one of `pod-tools compose`, or any other component, or a package
/// of WIT in its binary encoding. It lies there as `wkg`, `wash`, `oras` and other tools expect it. The same component
/// has the same digest whenever it is pushed, unless it is signed. Who may push is known by what `docker login` has
/// stored (in $DOCKER_CONFIG/config.json, else ~/.docker/config.json).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "\
Examples:
  pod-tools push registry.example/OWNER/pod-tools:0.1.0 --sign-key key.pem
  pod-tools push registry.example/OWNER/pod-tools-wit:0.1.0 --part wit
  pod-tools compose --for wasmtime -o composed.wasm && pod-tools push localhost:5000/composed:1 composed.wasm",
    after_long_help = "\
A key pair, of which the first file is yours alone and the second for everybody:
  (umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem)
  openssl pkey -in key.pem -pubout -out key.pub"
)]
pub struct PushArgs {
    /// Where to: REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REF")]
    reference: Reference,

    /// A component in a file
    #[arg(value_name = "FILE", conflicts_with = "part")]
    file: Option<PathBuf>,

    /// What this program brings along
    #[arg(long, value_name = "PART", default_value = "plugin")]
    part: Part,

    /// Sign it with this private key: ECDSA over P-256, in PEM (PKCS #8). The signature is of the component's bytes
    #[arg(long, env = "POD_TOOLS_SIGN_KEY", value_name = "FILE")]
    sign_key: Option<PathBuf>,

    /// Its signature, made elsewhere: `cosign sign-blob --key`, or `openssl dgst -sha256 -sign` and Base64. With
    /// --verify-key, it is checked first
    #[arg(long, value_name = "FILE", conflicts_with = "sign_key")]
    signature: Option<PathBuf>,
}

pub async fn run(args: PushArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    let bounds = loading.bounds();
    let reference = args.reference.clone();
    let Some(tag) = reference.tag.clone() else {
        return Err(ArtifactError::NoTag { reference: reference.to_string() }.into());
    };
    if reference.digest.is_some() {
        return Err(ArtifactError::DigestForPush { reference: reference.to_string() }.into());
    }
    let (what, component, title) = match &args.file {
        Some(file) => (file.display().to_string(), component_file::read(file, bounds.component)?, None),
        None => (args.part.title().to_owned(), args.part.binary().to_vec(), Some(args.part.title())),
    };
    let interfaces = Interfaces::of(&component)
        .map_err(|why| ArtifactError::NotAComponent { reference: what.clone(), why })?;
    let signature = signature(&args, &component)?;
    if signature.is_some() && loading.trust()?.asks() {
        loading.trust()?.check(&what, &component, signature.as_deref())?;
    }
    let written = manifest::write(&component, &interfaces, title, signature.as_deref())?;
    let (bytes, sha256) = (component.len(), Digest::of(&component));
    let digest = Digest::of(&written.manifest);
    push(&reference, tag, bounds, component, written)?;

    let signed = if signature.is_some() { "signed" } else { "not signed" };
    tell(format_args!("pushed {what}: {bytes} bytes, {sha256}, {signed}, to {reference}"));
    print(format!("{}\n", reference.at(digest))).await?;
    Ok(ExitCode::SUCCESS)
}

/// The manifest is last: what a tag names is there in whole.
fn push(
    reference: &Reference,
    tag: String,
    bounds: Bounds,
    component: Vec<u8>,
    written: manifest::Written,
) -> Result<(), ArtifactError> {
    let (to, own) = (reference.clone(), bounds.clone());
    fetch::within(reference, &bounds, move || {
        let transport = Transport::new(own.plain_http, own.time);
        let mut repository = Repository::new(&transport, &to, Access::Push);
        repository.put_blob(&component)?;
        repository.put_blob(&written.config)?;
        repository.put_manifest(&tag, &written.manifest)
    })
}

/// In Base64.
fn signature(args: &PushArgs, component: &[u8]) -> anyhow::Result<Option<String>> {
    if let Some(file) = &args.signature {
        let missing = || ArtifactError::File { path: file.clone(), why: "there is no such file".into() };
        return Ok(Some(signature::read(file)?.ok_or_else(missing)?));
    }
    let key = args.sign_key.as_deref().map(|file: &Path| SigningKey::read(file)).transpose()?;
    key.map(|key| key.sign(component)).transpose()
}
