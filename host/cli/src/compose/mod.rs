//! `pod-tools compose`: the plugin for a host of somebody else's, in one component with what supplies its imports from
//! a gateway and with the adapter for that host.
//!
//! - `parts`: the components, and how they are put together
//! - `wasmcloud`: how it is run there
//! - `host`: the hosts, and how a composition is run in each
//! - `manifest`: what ACT reads of a composition

mod host;
mod manifest;
pub mod parts;
mod wasmcloud;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use host::Host;

use crate::artifacts::component_file;
use crate::options::Loading;
use crate::streams::tell;

/// Put the plugin into one component with what it needs to run in a host of somebody else's
///
/// The composition has the plugin's bytes in it as they are, a component that asks a gateway for the plugin's imports
/// (`pod-tools gateway`), and an adapter that exports what that host calls. What it asks of its host is shown, and how
/// it is run there with the least rights that suffice. Two compositions of the same parts have the same bytes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  pod-tools compose --for wasmtime -o pod-tools.wasm\n  pod-tools inspect pod-tools.wasm"
)]
pub struct ComposeArgs {
    /// The host that is to run it
    #[arg(long = "for", value_name = "HOST")]
    host: Host,

    /// Where it is written to; a file that is there is replaced [default: pod-tools-for-HOST.wasm]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(args: ComposeArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    // Checks the plugin, if it is another one than the bundled.
    let tools = loading.load_for_one()?;
    let mut composed = parts::put_together(tools.component(), args.host.adapter())
        .context("the plugin cannot be composed with what supplies its imports; see `pod-tools inspect`")?;
    if args.host == Host::Act {
        manifest::add_to(&mut composed.binary)?;
    }
    let file = args.output.unwrap_or_else(|| format!("pod-tools-for-{}.wasm", args.host.name()).into());
    component_file::write(&file, &composed.binary)
        .with_context(|| format!("cannot write {}", file.display()))?;

    let (bytes, plugin) = (composed.binary.len(), tools.component_sha256());
    tell(format_args!("{}: {bytes} bytes, with the plugin of sha256 {plugin}", file.display()));
    tell(format_args!("\nIt asks of its host: {}\n", composed.imports.join(", ")));
    tell(format_args!("{}", args.host.how_to_run(&file)));
    Ok(ExitCode::SUCCESS)
}
