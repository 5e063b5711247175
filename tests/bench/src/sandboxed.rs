//! The sandboxed side: the library as an agent's runtime embeds it, in a process of its own.

use std::io;
use std::path::PathBuf;

use pod_tools_bench_native::drive::{Side, serve};
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
    cursors: PathBuf,
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
        match std::fs::remove_file(&self.cursors) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    async fn reload(&self) -> Result<(), String> {
        Ok(())
    }
}

pub fn run(args: &SandboxedArgs) -> anyhow::Result<()> {
    let tools = PodTools::builder().cache_dir(Some(args.cache.clone())).load()?;
    // The defaults, but for what the largest histories of the curves need.
    let mut limits = Limits::default();
    limits.line = 1 << 30;
    limits.transfer = 1 << 30;
    limits.memory = 2 << 30;
    let authority = Authority::builder()
        .allow_sockets(&args.base)
        .runtime_dir(&args.runtime_dir)
        .scope_lock(&args.scope_lock)
        .grant(Grant::all())
        .limits(limits)
        .build()?;
    let cursors = args.runtime_dir.join("read_cursors.json");
    Ok(serve(Sandboxed { tools, authority, cursors })?)
}
