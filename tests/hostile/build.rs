//! Compiles the hostile plugins: the one in `plugin/`, and those in `raw/`, each a module in the WebAssembly
//! text format that is put into the component around it.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../host/build/component.rs"]
mod component;
#[macro_use]
#[path = "attacks.rs"]
mod list;

macro_rules! names {
    ($($attack:ident)*) => { [$(stringify!($attack)),*] };
}

fn main() {
    let manifest_dir = PathBuf::from(component::variable("CARGO_MANIFEST_DIR"));
    let workspace = manifest_dir.ancestors().nth(2).expect("the crate lies in the workspace");
    component::build(
        workspace,
        "pod-tools-hostile-plugin",
        &["tests/hostile/plugin/src", "tests/hostile/plugin/Cargo.toml", "tests/hostile/attacks.rs"],
    );
    component::build(
        workspace,
        "pod-tools-wrong-adapter",
        &["tests/hostile/adapter/src", "tests/hostile/adapter/Cargo.toml"],
    );

    let raw = manifest_dir.join("raw");
    println!("cargo::rerun-if-changed={}", raw.display());
    println!("cargo::rerun-if-changed=build.rs");
    let around = read(&raw.join("component.wat"));
    for attack in raw_attacks!(names) {
        let attacker = read(&raw.join(attack).with_extension("wat"));
        let (module, beside) = attacker.split_once("(; beside the module ;)").unwrap_or((&attacker, ""));
        let text = around.replace("(; the module ;)", module).replace("(; what is beside it ;)", beside);
        let component = wat::parse_str(text).unwrap_or_else(|error| panic!("raw/{attack}.wat: {error}"));
        let file = PathBuf::from(component::variable("OUT_DIR")).join(attack).with_extension("wasm");
        fs::write(&file, component).unwrap_or_else(|error| panic!("write {}: {error}", file.display()));
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
