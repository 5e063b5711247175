//! The sandboxed side: the library as an agent's runtime embeds it, in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pod_tools_bench_native::drive::{Side, serve};
use pod_tools_host::registry::{FileRegistry, Registry, RegistryError, StoredCursor};
use pod_tools_host::{Answer, Authority, Grant, Limits, PodTools};

#[derive(Debug, clap::Args)]
pub struct SandboxedArgs {
    base: PathBuf,
    runtime_dir: PathBuf,
    scope_lock: PathBuf,
    cache: PathBuf,
}

struct Sandboxed {
    tools: PodTools,
    authority: Authority,
    registry: Arc<FileRegistry>,
}

struct Text(Option<String>);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Side for Sandboxed {
    type Output = Text;

    /// With what follows an answer: the cursor is stored.
    async fn call(&self, tool: &str, input: &str) -> Result<Text, String> {
        let answer: Answer =
            self.tools.call(&self.authority, tool, input).await.map_err(|error| error.to_string())?;
        let (output, staged) = answer.into_parts();
        staged.store().await.map_err(|error| error.to_string())?;
        Ok(Text(output.content))
    }

    async fn forget_cursors(&self) -> Result<(), String> {
        forget_cursors(&self.registry)
    }

    async fn reload(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Has each read cursor that there is go back to the start of its history.
pub fn forget_cursors(registry: &FileRegistry) -> Result<(), String> {
    let start = || StoredCursor { items: 0, digest: String::new() };
    let forget = || -> Result<(), RegistryError> {
        for record in &registry.load()?.records {
            if let Some(stored) = registry.cursor(None, &record.pod_name)? {
                let wait = Duration::from_secs(5);
                registry.set_cursor(None, &record.pod_name, Some(&stored), start(), wait)?;
            }
        }
        Ok(())
    };
    forget().map_err(|error| error.to_string())
}

pub fn run(args: &SandboxedArgs) -> anyhow::Result<()> {
    let tools = PodTools::builder().cache_dir(Some(args.cache.clone())).load()?;
    // The defaults, but for what the largest histories of the curves need.
    let mut limits = Limits::default();
    limits.line = 1 << 30;
    limits.transfer = 1 << 30;
    limits.memory = 2 << 30;
    let registry = Arc::new(FileRegistry::open(&args.runtime_dir)?);
    let authority = Authority::builder()
        .allow_sockets(&args.base)
        .registry(registry.clone())
        .scope_lock(&args.scope_lock)
        .grant(Grant::all())
        .limits(limits)
        .build()?;
    Ok(serve(Sandboxed { tools, authority, registry })?)
}
