//! `pod-tools inspect`: what a component asks of its host, what it offers and what is inside of it, without running it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use pod_tools_host::{BUNDLED, Inside, Interface};
use sha2::{Digest, Sha256};

use crate::artifacts::Source;
use crate::compose::{chosen, parts};
use crate::nearest::TOOLS;
use crate::options::Loading;
use crate::options::remedy::explained;
use crate::stdout::{print, print_json};

/// Show what a component imports and exports, and which components it is composed of, without running it
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The component: a file, or oci://REGISTRY/REPOSITORY@sha256:DIGEST [default: the one named by --component, else
    /// the bundled one]
    #[arg(value_name = "FILE|REF", value_parser = OsStringValueParser::new().try_map(Source::parse))]
    file: Option<Source>,

    /// Answer with a JSON object
    #[arg(long)]
    json: bool,

    /// Write the component itself to this file as well, for hosts in other languages
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

pub async fn run(args: InspectArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    let mut loading = loading.of(args.file.as_ref());
    let source = loading.component.clone();
    let inspection = loading.builder()?.inspect().map_err(explained)?;
    if let Some(target) = &args.save {
        let written = match loading.component.take() {
            Some(Source::File(file)) => std::fs::copy(file, target).map(drop),
            Some(source) => std::fs::write(target, source.read(&loading.bounds(), &loading.trust()?)?.bytes),
            None => std::fs::write(target, BUNDLED),
        };
        written.with_context(|| format!("cannot write the component to {}", target.display()))?;
    }
    let mut out = String::new();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&inspection)?)?;
        print_json(out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = source.map_or_else(|| "the bundled component".to_owned(), |source| source.to_string());
    writeln!(out, "{name}: {} bytes", inspection.bytes)?;
    writeln!(out, "\nimports")?;
    for import in &inspection.imports {
        show(&mut out, import, "this host does not have it")?;
    }
    writeln!(out, "\nexports")?;
    for export in &inspection.exports {
        show(&mut out, export, "this host does not call it")?;
    }
    if !inspection.components.is_empty() {
        writeln!(out, "\ncomponents in it")?;
    }
    for Inside { bytes, sha256, .. } in &inspection.components {
        let known = known(sha256).map_or_else(String::new, |what| format!("  ({what})"));
        writeln!(out, "  sha256 {sha256}: {bytes} bytes{known}")?;
    }
    print(out).await?;
    Ok(ExitCode::SUCCESS)
}

/// What a component is, where this program brings it along.
fn known(sha256: &str) -> Option<String> {
    let ours = [
        (BUNDLED, "the bundled plugin"),
        (parts::REMOTE, "remote: the plugin's imports, from a gateway"),
        (parts::ACT, "act: the adapter that exports the tools as ACT knows tools"),
        (parts::PLAIN, "plain: the adapter that exports the tools"),
        (parts::NATS, "nats: the adapter that answers messages of NATS in wasmCloud"),
        (
            parts::REMOTE_ZEROCLAW,
            "remote: the plugin's imports, from a gateway, over connections of ZeroClaw's",
        ),
        (parts::ZEROCLAW, "zeroclaw: the adapter that exports one tool as ZeroClaw knows tools"),
    ];
    let is_it = |binary: &[u8]| format!("{:x}", Sha256::digest(binary)) == sha256;
    let found = ours.into_iter().find(|(binary, _)| is_it(binary)).map(|(_, what)| what.to_owned());
    // Made anew for each composition, of nothing but the tool's name.
    found.or_else(|| {
        let tool = TOOLS.iter().find(|tool| chosen::component(tool).is_ok_and(|made| is_it(&made.binary)));
        Some(format!("chosen: says that the adapter is {}", tool?))
    })
}

fn show(out: &mut impl Write, interface: &Interface, unknown: &str) -> std::fmt::Result {
    let note = if interface.known { String::new() } else { format!("  ({unknown})") };
    writeln!(out, "  {}{note}", interface.name)?;
    for function in &interface.functions {
        writeln!(out, "    {function}")?;
    }
    Ok(())
}
