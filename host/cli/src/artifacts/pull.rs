//! `pod-tools pull`: a component out of a registry, into a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::component_file;
use super::digest::Digest;
use super::error::ArtifactError;
use super::fetch;
use super::interfaces::Interfaces;
use super::reference::Reference;
use super::signature;
use crate::options::Loading;
use crate::stdout::print;
use crate::streams::tell;

/// Pull a component from a registry into a file, and print its reference with the digest, for --component
///
/// Whatever a registry, a mirror or the network between gives: the bytes are those that the digest names, or none are
/// written. With --verify-key they are signed by that key, too. A signature that comes along is written beside the
/// file, with `.sig` behind its name; there it is found when the file is loaded with --verify-key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pod-tools pull registry.example/OWNER/pod-tools:0.1.0 -o plugin.wasm --verify-key key.pub
  pod-tools call ListPods --component plugin.wasm --verify-key key.pub

The signature can be checked by others' means, too:
  cosign verify-blob --key key.pub --signature plugin.wasm.sig plugin.wasm
  base64 -d plugin.wasm.sig > sig && openssl dgst -sha256 -verify key.pub -signature sig plugin.wasm")]
pub struct PullArgs {
    /// Which one: REGISTRY/REPOSITORY:TAG, …@sha256:DIGEST, or both, which then must agree
    #[arg(value_name = "REF")]
    reference: Reference,

    /// Where it is written to; a file that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub async fn run(args: PullArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    let trust = loading.trust()?;
    let fetched = fetch::fetch(&args.reference, &loading.bounds())?;
    let (reference, component) = (args.reference.at(fetched.digest), fetched.component);
    let what = reference.to_string();
    Interfaces::of(&component)
        .map_err(|why| ArtifactError::NotAComponent { reference: what.clone(), why })?;
    let is_checked = trust.check(&what, &component, fetched.signature.as_deref())?;

    // An old signature beside a new component would be one of other bytes.
    let beside = signature::beside(&args.output);
    match &fetched.signature {
        Some(signature) => component_file::write(&beside, format!("{signature}\n").as_bytes()),
        None => component_file::remove(&beside),
    }
    .with_context(|| format!("cannot write {}", beside.display()))?;
    component_file::write(&args.output, &component)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    let signed = match (&fetched.signature, is_checked) {
        (Some(_), true) => "signed by the key of --verify-key",
        (Some(_), false) => "with a signature that was not checked (--verify-key)",
        (None, _) => "not signed",
    };
    let (file, bytes, sha256) = (args.output.display(), component.len(), Digest::of(&component));
    tell(format_args!("{file}: {bytes} bytes, {sha256}, {signed}"));
    print(format!("{reference}\n")).await?;
    Ok(ExitCode::SUCCESS)
}
