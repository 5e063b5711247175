//! Compiles a crate of this workspace to a component. Shared by the build scripts that need one.
//!
//! A cargo inside a cargo: with a target directory of its own, so that neither waits for the other's lock,
//! and without what the outer one put into the environment for its own compilation. That directory lies within the
//! outer one's and is the same for all components and all profiles: a component is compiled once, whatever is built,
//! and what generates code for one generates it for all.
//!
//! The same sources give the same bytes, wherever they and the crates that they depend on lie: `Cargo.lock` and
//! `rust-toolchain.toml` say what is compiled by what, and of the machine's directories no name is left.
//! `tests/reproducible.sh` holds it to that, by `main.rs` beside this file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const TARGET: &str = "wasm32-wasip2";
/// `simd128` is part of every engine that runs components; scanning and hashing a history live on it.
const FEATURES: &str = "-Ctarget-feature=+simd128";
/// Where a panic says that it was, in a crate of somebody else's, in place of the directory that cargo has put it into.
const CRATES: &str = "/crates";

/// Compiles the library of `package`, whose sources are `inputs` relative to `workspace`, and puts the
/// component into the build's output, at `<library>.wasm`.
pub fn build(workspace: &Path, package: &str, inputs: &[&str]) {
    for input in inputs.iter().chain(&["wit", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"]) {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    if let Err(reason) = target_is_installed(workspace) {
        println!("cargo::error={reason}");
        return;
    }
    let out_dir = PathBuf::from(variable("OUT_DIR"));
    let file = format!("{}.wasm", package.replace('-', "_"));
    let component = compile(workspace, package, &shared_directory(&out_dir)).join(&file);
    fs::copy(&component, out_dir.join(file))
        .unwrap_or_else(|error| panic!("copy {} to the build's output: {error}", component.display()));
}

/// A directory for all builds of this one's target directory, of which `TARGET/PROFILE/build/PACKAGE/out` is given.
fn shared_directory(out_dir: &Path) -> PathBuf {
    out_dir.ancestors().nth(4).unwrap_or(out_dir).join("components")
}

/// What cargo says to a build script.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

/// Whether the standard library for [`TARGET`] is there; else what to do about it, in one line.
fn target_is_installed(workspace: &Path) -> Result<(), String> {
    let rustc = variable("RUSTC");
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(workspace)
        .output()
        .map_err(|error| format!("run {rustc}: {error}"))?;
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && directory.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the plugin is compiled for the target {TARGET}, which this toolchain lacks; install it with: rustup target add {TARGET}"
    ))
}

/// Builds the package and gives the directory of its component.
pub fn compile(workspace: &Path, package: &str, target_dir: &Path) -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--package", package, "--lib", "--profile", "guest", "--target", TARGET])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .current_dir(workspace);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let of_the_outer_build = name.starts_with("CARGO_PROFILE_")
            || name.starts_with("CARGO_TARGET_")
            || name.starts_with("CARGO_BUILD_")
            || name.starts_with("CARGO_FEATURE_")
            || name.starts_with("CARGO_CFG_")
            || name.starts_with("CARGO_PKG_")
            || matches!(&*name, "RUSTFLAGS" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "CLIPPY_ARGS");
        if of_the_outer_build {
            cargo.env_remove(&*name);
        }
    }
    let flags = rustflags().unwrap_or_else(|error| panic!("list cargo's directory of crates: {error}"));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);

    let status = cargo.status().unwrap_or_else(|error| panic!("run cargo for {package}: {error}"));
    assert!(status.success(), "compiling {package} for {TARGET} failed; its output is above");
    target_dir.join(TARGET).join("guest")
}

/// What the compiler is told, as cargo wants it in one variable. The crates of each registry, or mirror of one, lie in a
/// directory of their own.
fn rustflags() -> io::Result<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let crates = home.unwrap_or_default().join("registry/src");
    let mut flags = FEATURES.to_owned();
    let registries = match fs::read_dir(crates) {
        // All crates come from elsewhere, as vendored ones do.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(flags),
        registries => registries?,
    };
    for registry in registries {
        flags.push_str(&format!("\x1f--remap-path-prefix={}={CRATES}", registry?.path().display()));
    }
    Ok(flags)
}
