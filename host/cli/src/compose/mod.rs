//! `pod-tools compose`: the plugin for a host of somebody else's, in one component with what supplies its imports from
//! a gateway and with the adapter for that host.
//!
//! - `parts`: the components, and how they are put together
//! - `chosen`: the component that says which tool a plugin of ZeroClaw's is
//! - `wasmcloud`, `zeroclaw`: how it is run there
//! - `host`: the hosts, and how a composition is run in each
//! - `manifest`: what ACT reads of a composition

pub mod chosen;
mod host;
mod manifest;
pub mod parts;
mod wasmcloud;
mod zeroclaw;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use host::Host;
use pod_tools_host::PodTools;

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

    /// Which of the tools it is to be, for a host where a plugin is one tool: zeroclaw
    #[arg(long, value_name = "TOOL", required_if_eq("host", "zeroclaw"))]
    tool: Option<String>,

    /// Where it is written to; a file that is there is replaced [default: pod-tools-for-HOST.wasm, for a tool
    /// pod-tools-for-HOST-TOOL.wasm]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(args: ComposeArgs, loading: &Loading) -> anyhow::Result<ExitCode> {
    // Checks the plugin, if it is another one than the bundled.
    let tools = loading.load_for_one()?;
    let made = match &args.tool {
        Some(tool) => Some(chosen(&tools, args.host, tool)?),
        None => None,
    };
    let mut composed = parts::put_together(tools.component(), args.host.adapter(), made.as_ref())
        .context("the plugin cannot be composed with what supplies its imports; see `pod-tools inspect`")?;
    if args.host == Host::Act {
        manifest::add_to(&mut composed.binary)?;
    }
    let (host, tool) = (args.host, args.tool.as_deref());
    let name = [Some("pod-tools-for"), Some(host.name()), tool].into_iter().flatten().collect::<Vec<_>>();
    let file = args.output.unwrap_or_else(|| (name.join("-") + ".wasm").into());
    component_file::write(&file, &composed.binary)
        .with_context(|| format!("cannot write {}", file.display()))?;

    let (bytes, plugin) = (composed.binary.len(), tools.component_sha256());
    tell(format_args!("{}: {bytes} bytes, with the plugin of sha256 {plugin}", file.display()));
    tell(format_args!("\nIt asks of its host: {}\n", composed.imports.join(", ")));
    tell(format_args!("{}", host.how_to_run(&file, tool)));
    Ok(ExitCode::SUCCESS)
}

/// What says which tool it is.
fn chosen(tools: &PodTools, host: Host, tool: &str) -> anyhow::Result<parts::Made> {
    if host != Host::Zeroclaw {
        bail!("a composition for {} has all the tools; leave out `--tool`", host.name());
    }
    let names: Vec<_> = tools.definitions().iter().map(|tool| &*tool.name).collect();
    if !names.contains(&tool) {
        bail!("the plugin has no tool `{}`; it has {}", tool.escape_debug(), names.join(", "));
    }
    chosen::component(tool)
}
