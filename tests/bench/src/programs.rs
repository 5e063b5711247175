//! The other programs of a run, compiled as they are shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// Where they are.
pub struct Programs {
    directory: PathBuf,
    cache: tempfile::TempDir,
}

impl Programs {
    /// Compiles `pod-tools` as this program was compiled, and the native side on its own: together with the
    /// host it would get the features that the host needs of `serde_json`, and be slower.
    pub fn build() -> anyhow::Result<Self> {
        anyhow::ensure!(
            !cfg!(debug_assertions),
            "unoptimized code says nothing; run it as: cargo run --release --locked -p pod-tools-bench"
        );
        let this = std::env::current_exe()?;
        let directory = this.parent().context("a program lies in a directory")?.to_owned();
        let host = ["-p", "pod-tools-bench", "-p", "pod-tools-host", "--bin", "pod-tools"];
        for packages in [&host[..], &["-p", "pod-tools-bench-native"]] {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--quiet", "--release", "--locked"])
                .args(packages)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .context("run cargo")?;
            anyhow::ensure!(built.success(), "cargo could not build {packages:?}; its output is above");
        }
        let programs = Self { directory, cache: tempfile::tempdir()? };
        for program in [programs.native(), programs.pod_tools()] {
            anyhow::ensure!(program.is_file(), "{} is not where cargo puts it", program.display());
        }
        Ok(programs)
    }

    /// The native side.
    pub fn native(&self) -> PathBuf {
        self.directory.join("native-pod-tools")
    }

    pub fn pod_tools(&self) -> PathBuf {
        self.directory.join("pod-tools")
    }

    /// Where compiled components are kept during a run.
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }
}
