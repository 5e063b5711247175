//! Compiles the components that `pod-tools compose` puts together with the plugin, and encodes the contract as
//! `pod-tools push` publishes it.

use std::fs;
use std::path::Path;

use wit_parser::Resolve;

#[path = "../build/component.rs"]
mod component;

fn main() {
    let manifest_dir = component::variable("CARGO_MANIFEST_DIR");
    let workspace = Path::new(&manifest_dir).ancestors().nth(2).expect("the crate lies in the workspace");
    component::build(
        workspace,
        "pod-tools-remote",
        &["guest/remote/src", "guest/remote/Cargo.toml", "guest/src/runtime.rs"],
    );
    let remote_zeroclaw = [
        "guest/remote-zeroclaw/src",
        "guest/remote-zeroclaw/Cargo.toml",
        "guest/remote/src",
        "guest/adapters/zeroclaw/wit/deps",
        "guest/src/runtime.rs",
    ];
    component::build(workspace, "pod-tools-remote-zeroclaw", &remote_zeroclaw);
    let act = [
        "guest/adapters/act/src",
        "guest/adapters/act/wit",
        "guest/adapters/act/Cargo.toml",
        "guest/adapters/reason.rs",
        "guest/src/runtime.rs",
    ];
    component::build(workspace, "pod-tools-adapter-act", &act);
    let plain = ["guest/adapters/plain/src", "guest/adapters/plain/Cargo.toml", "guest/src/runtime.rs"];
    component::build(workspace, "pod-tools-adapter-plain", &plain);
    let nats = [
        "guest/adapters/nats/src",
        "guest/adapters/nats/wit",
        "guest/adapters/nats/Cargo.toml",
        "guest/adapters/kind.rs",
        "guest/adapters/reason.rs",
        "guest/src/runtime.rs",
    ];
    component::build(workspace, "pod-tools-adapter-nats", &nats);
    let zeroclaw = [
        "guest/adapters/zeroclaw/src",
        "guest/adapters/zeroclaw/wit",
        "guest/adapters/zeroclaw/Cargo.toml",
        "guest/adapters/kind.rs",
        "guest/adapters/reason.rs",
        "guest/src/runtime.rs",
    ];
    component::build(workspace, "pod-tools-adapter-zeroclaw", &zeroclaw);
    let contract = encode(&workspace.join("wit")).expect("the contract is a package of WIT");
    let file = Path::new(&component::variable("OUT_DIR")).join("pod_tools_wit.wasm");
    fs::write(&file, contract).unwrap_or_else(|error| panic!("write {}: {error}", file.display()));
}

/// The package of WIT in that directory, in its binary encoding.
fn encode(directory: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(directory)?;
    Ok(wit_component::encode(&resolve, package)?)
}
