//! Compiles the guest crate to the component that this library bundles.

use std::path::Path;

#[path = "build/component.rs"]
mod component;

fn main() {
    let manifest_dir = component::variable("CARGO_MANIFEST_DIR");
    let workspace = Path::new(&manifest_dir).parent().expect("the crate lies in the workspace");
    component::build(workspace, "pod-tools-guest", &["guest/src", "guest/Cargo.toml"]);
}
