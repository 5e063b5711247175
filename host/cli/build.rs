//! Compiles the components that `pod-tools compose` puts together with the plugin.

use std::path::Path;

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
    let act = [
        "guest/adapters/act/src",
        "guest/adapters/act/wit",
        "guest/adapters/act/Cargo.toml",
        "guest/src/runtime.rs",
    ];
    component::build(workspace, "pod-tools-adapter-act", &act);
    let plain = ["guest/adapters/plain/src", "guest/adapters/plain/Cargo.toml", "guest/src/runtime.rs"];
    component::build(workspace, "pod-tools-adapter-plain", &plain);
}
