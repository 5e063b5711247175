//! The native side of the benchmark: `native-pod-tools serve|batch|list REGISTRY SCOPE_LOCK`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pod_tools_bench_native::drive::{Side, serve};
use pod_tools_bench_native::{Registry, Tools, batch};
use tokio::sync::RwLock;

struct Native {
    registry: PathBuf,
    scope_lock: PathBuf,
    tools: RwLock<Tools>,
}

fn tools(registry: &Path, scope_lock: &Path) -> io::Result<Tools> {
    Ok(Tools::new(Registry::load(registry)?, scope_lock))
}

impl Side for Native {
    type Output = String;

    async fn call(&self, tool: &str, input: &str) -> Result<String, String> {
        let output = self.tools.read().await.call(tool, input).await?;
        Ok(output.content.unwrap_or_default())
    }

    async fn forget_cursors(&self) -> Result<(), String> {
        self.tools.read().await.registry().forget_cursors().await;
        Ok(())
    }

    async fn reload(&self) -> Result<(), String> {
        *self.tools.write().await =
            tools(&self.registry, &self.scope_lock).map_err(|error| error.to_string())?;
        Ok(())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("native-pod-tools: {error}");
            ExitCode::from(1)
        }
    }
}

fn run() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, registry, scope_lock] = &arguments[..] else {
        return Err(io::Error::other("usage: native-pod-tools serve|batch|list REGISTRY SCOPE_LOCK"));
    };
    let (registry, scope_lock) = (PathBuf::from(registry), PathBuf::from(scope_lock));
    let tools = tools(&registry, &scope_lock)?;
    match command.as_str() {
        "serve" => serve(Native { registry, scope_lock, tools: RwLock::new(tools) }),
        "batch" => batch::run(&tools),
        // A process for one call, as `pod-tools call ListPods` is.
        "list" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let output = runtime.block_on(tools.call("ListPods", "")).map_err(io::Error::other)?;
            println!("{}\n\n{}", output.summary, output.content.unwrap_or_default());
            Ok(())
        }
        other => Err(io::Error::other(format!("there is no command `{other}`"))),
    }
}
