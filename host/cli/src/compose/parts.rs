//! The components of a composition, and how they are put together.

use anyhow::bail;
use wac_graph::types::{Package, Types};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId};

/// What supplies the plugin's imports from a gateway.
pub const REMOTE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_remote.wasm"));
/// The same over the connections that ZeroClaw gives.
pub const REMOTE_ZEROCLAW: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_remote_zeroclaw.wasm"));
/// The adapter for ACT.
pub const ACT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_adapter_act.wasm"));
/// The adapter for hosts that call the contract's own tools.
pub const PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_adapter_plain.wasm"));
/// The adapter for wasmCloud's messages.
pub const NATS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_adapter_nats.wasm"));
/// The adapter for ZeroClaw.
pub const ZEROCLAW: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_adapter_zeroclaw.wasm"));

const PLUGIN: &str = "pod-tools:plugin";

/// What the plugin imports.
const IMPORTS: [&str; 4] = [
    "pod:tools/pods@0.1.0",
    "pod:tools/unix-socket@0.1.0",
    "pod:tools/scope-lock@0.1.0",
    "pod:tools/content@0.1.0",
];
const TYPES: &str = "pod:tools/types@0.1.0";
const TOOLS: &str = "pod:tools/tools@0.1.0";
const SESSION: &str = "pod:tools/session@0.1.0";

/// An adapter, what it exports, and what supplies the plugin's imports beside it.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    pub component: &'static [u8],
    pub exports: &'static [&'static str],
    pub remote: &'static [u8],
}

impl Adapter {
    pub const ACT: Self =
        Self { component: ACT, exports: &["act:tools/tool-provider@0.2.0"], remote: REMOTE };
    pub const PLAIN: Self = Self { component: PLAIN, exports: &[TOOLS], remote: REMOTE };
    pub const NATS: Self =
        Self { component: NATS, exports: &["wasmcloud:messaging/handler@0.2.0"], remote: REMOTE };
    /// It is one tool, and imports which.
    pub const ZEROCLAW: Self = Self {
        component: ZEROCLAW,
        exports: &["zeroclaw:plugin/plugin-info@0.1.0", "zeroclaw:plugin/tool@0.1.0"],
        remote: REMOTE_ZEROCLAW,
    };
}

/// A component that is made for one composition.
pub struct Made {
    pub binary: Vec<u8>,
    /// What the adapter imports of it.
    pub interface: &'static str,
}

/// The parts in one component.
pub struct Composition {
    pub binary: Vec<u8>,
    /// What it asks of its host: interfaces, with their versions.
    pub imports: Vec<String>,
}

/// One component of the three: what the adapter exports, and the plugin's bytes in it as they are. The same parts give
/// the same bytes.
pub fn put_together(plugin: &[u8], adapter: Adapter, made: Option<&Made>) -> anyhow::Result<Composition> {
    check_imports(plugin)?;
    join(plugin, adapter, made)
}

/// The same, of a plugin that may import whatever it likes: its host is asked for what is not of the contract.
pub fn join(plugin: &[u8], adapter: Adapter, made: Option<&Made>) -> anyhow::Result<Composition> {
    let mut graph = CompositionGraph::new();
    let remote = instance(&mut graph, "pod-tools:remote", adapter.remote)?;
    let plugin = instance(&mut graph, PLUGIN, plugin)?;
    let outside = instance(&mut graph, "pod-tools:adapter", adapter.component)?;
    for import in IMPORTS {
        connect(&mut graph, remote, plugin, import)?;
    }
    connect(&mut graph, remote, outside, SESSION)?;
    connect(&mut graph, plugin, outside, TOOLS)?;
    if let Some(Made { binary, interface }) = made {
        let made = instance(&mut graph, "pod-tools:made", binary)?;
        connect(&mut graph, made, outside, interface)?;
    }
    for export in adapter.exports {
        let exported = graph.alias_instance_export(outside, export)?;
        graph.export(exported, *export)?;
    }
    let mut imports: Vec<String> = graph.imports().map(|(name, ..)| name.to_owned()).collect();
    imports.sort();
    imports.dedup();
    Ok(Composition { binary: graph.encode(EncodeOptions::default())?, imports })
}

/// What a plugin asks for beside its contract, its host would give it that was only to give it to `remote`: its
/// environment, with the token of the gateway in it.
fn check_imports(plugin: &[u8]) -> anyhow::Result<()> {
    let mut types = Types::default();
    let plugin = Package::from_bytes(PLUGIN, None, plugin, &mut types)?;
    let is_more = |import: &&String| !IMPORTS.contains(&import.as_str()) && *import != TYPES;
    if let Some(import) = types[plugin.ty()].imports.keys().find(is_more) {
        bail!(
            "it imports `{import}` beside its contract, and would be given that of its host, where the gateway's token \
             is; build it so that it does without (in Rust: without the standard library)"
        );
    }
    Ok(())
}

fn instance(graph: &mut CompositionGraph, name: &str, component: &[u8]) -> anyhow::Result<NodeId> {
    let package = Package::from_bytes(name, None, component, graph.types_mut())?;
    let package = graph.register_package(package)?;
    Ok(graph.instantiate(package))
}

/// Gives what `from` exports to `to`, which imports it.
fn connect(graph: &mut CompositionGraph, from: NodeId, to: NodeId, interface: &str) -> anyhow::Result<()> {
    let exported = graph.alias_instance_export(from, interface)?;
    graph.set_instantiation_argument(to, interface, exported)?;
    Ok(())
}
