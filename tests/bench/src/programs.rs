//! The other programs of a run, compiled as this one is, when they are needed.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::place::Place;

/// Where a build without `--package` builds all packages, with the features of all.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where they are.
pub struct Programs {
    directory: PathBuf,
    native: PathBuf,
    pod_tools: OnceCell<PathBuf>,
    cache: tempfile::TempDir,
}

impl Programs {
    /// Compiles the native side on its own: together with the host it would get the features that the host
    /// needs of `serde_json`, and be slower.
    pub fn build() -> anyhow::Result<Self> {
        if cfg!(debug_assertions) {
            eprintln!(
                "unoptimized code says little; for figures: cargo run --release --locked --bin pod-tools-bench"
            );
        }
        let this = std::env::current_exe()?;
        let directory = this.parent().context("a program lies in a directory")?.to_owned();
        let native = build(&directory, "native-pod-tools", &["pod-tools-bench-native"])?;
        Ok(Self { directory, native, pod_tools: OnceCell::new(), cache: tempfile::tempdir()? })
    }

    /// The native side.
    pub fn native(&self) -> &Path {
        &self.native
    }

    /// `pod-tools`, as it is shipped. Compiled now, if it is not yet: as one of all packages, as this program was,
    /// so that nothing is compiled twice.
    pub fn pod_tools(&self) -> anyhow::Result<PathBuf> {
        if let Some(built) = self.pod_tools.get() {
            return Ok(built.clone());
        }
        let built = build(&self.directory, "pod-tools", &[])?;
        Ok(self.pod_tools.get_or_init(|| built).clone())
    }

    /// The plugin in one component with `remote` and the adapter `plain`.
    pub fn composition(&self) -> anyhow::Result<PathBuf> {
        let file = self.cache.path().join("composition.wasm");
        let mut compose = Command::new(self.pod_tools()?);
        compose.args(["compose", "--for", "wasmtime", "--output"]).arg(&file).stderr(Stdio::null());
        anyhow::ensure!(compose.status()?.success(), "pod-tools could not compose");
        Ok(file)
    }

    /// The same, led to a place.
    pub fn pod_tools_at(&self, place: &Place) -> anyhow::Result<Command> {
        let mut command = Command::new(self.pod_tools()?);
        command.arg("--base-dir").arg(place.base()).arg("--runtime-dir").arg(place.runtime_dir());
        command.arg("--scope-lock").arg(place.scope_lock()).env("XDG_CACHE_HOME", self.cache());
        Ok(command)
    }

    /// Where compiled components are kept during a run.
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }
}

fn build(directory: &Path, program: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo.args(["build", "--quiet", "--locked", "--bin", program]).current_dir(WORKSPACE);
    // Where this program was compiled, whatever it was told then: its directory is that of a profile.
    cargo.arg("--target-dir").arg(directory.parent().unwrap_or(directory));
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.status().context("run cargo")?;
    anyhow::ensure!(built.success(), "cargo could not build {program}; its output is above");
    let path = directory.join(program);
    anyhow::ensure!(path.is_file(), "{} is not where cargo puts it", path.display());
    Ok(path)
}
