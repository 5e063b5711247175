//! The options that tell every subcommand where pods, registry and scope lock are.

use std::path::PathBuf;

use anyhow::Context;

/// As they are given.
#[derive(Debug, clap::Args)]
pub struct HostArgs {
    /// Where pods have their directories [default: $XDG_RUNTIME_DIR/insomnia, else ~/.insomnia/run]
    #[arg(long, global = true, env = "POD_TOOLS_BASE_DIR", value_name = "DIR")]
    base_dir: Option<PathBuf>,

    /// The spawner's directory, with its spawned_pods.json
    #[arg(
        long,
        global = true,
        env = "POD_TOOLS_RUNTIME_DIR",
        value_name = "DIR",
        conflicts_with = "spawner"
    )]
    runtime_dir: Option<PathBuf>,

    /// The spawner's name: a directory beneath the base [default: pod-tools]
    #[arg(long, global = true, env = "POD_TOOLS_SPAWNER", value_name = "NAME")]
    spawner: Option<String>,

    /// The machine-wide scope lock [default: $INSOMNIA_SCOPE_LOCK, else scope.lock beneath the base]
    #[arg(long, global = true, env = "POD_TOOLS_SCOPE_LOCK", value_name = "FILE")]
    scope_lock: Option<PathBuf>,
}

/// With the defaults filled in.
#[derive(Debug)]
pub struct HostOptions {
    pub base_dir: PathBuf,
    pub spawner_dir: PathBuf,
    pub spawner: Option<String>,
    pub scope_lock: PathBuf,
}

impl HostArgs {
    pub fn resolve(self) -> anyhow::Result<HostOptions> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base_dir = match (self.base_dir, var("XDG_RUNTIME_DIR"), var("HOME")) {
            (Some(base), ..) => base,
            (None, Some(runtime), _) => runtime.join("insomnia"),
            (None, None, Some(home)) => home.join(".insomnia/run"),
            (None, None, None) => anyhow::bail!("there is no base directory; name one with --base-dir"),
        };
        let scope_lock = self.scope_lock.or_else(|| var("INSOMNIA_SCOPE_LOCK"));
        let scope_lock = scope_lock.unwrap_or_else(|| base_dir.join("scope.lock"));
        let (spawner_dir, spawner) = match (self.runtime_dir, self.spawner) {
            (Some(dir), _) => {
                let name = dir.file_name().and_then(|name| name.to_str()).map(str::to_owned);
                (dir, name)
            }
            (None, Some(name)) => (base_dir.join(&name), Some(name)),
            (None, None) => {
                let dir = base_dir.join("pod-tools");
                std::fs::create_dir_all(&dir)
                    .with_context(|| format!("cannot make the directory `{}`", dir.display()))?;
                (dir, None)
            }
        };
        Ok(HostOptions { base_dir, spawner_dir, spawner, scope_lock })
    }
}
