//! As much of an agent as calls of plugins take, on `zeroclaw-plugins`.
//!
//!     agent PLUGINS-DIRECTORY CONFIGURATION
//!
//! Each line of its input is a call, `{"plugin":"pod-tools-list-pods","arguments":{…}}`, and each line of its output what
//! came of it, `{"success":…,"output":"…","error":…}`, or `{"failed":"…"}` where the plugin trapped. Without
//! `arguments` it shows the tool as a model is shown it. Plugins are what ZeroClaw admits of the directory; what they are
//! granted stands in the configuration, in the form of ZeroClaw's own (`plugins.entries`), and they have ZeroClaw's default
//! limits.

mod operator;
mod state;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroclaw_plugins::component::PluginLimits;
use zeroclaw_plugins::host::PluginHost;
use zeroclaw_plugins::instance::PluginInstanceScope;
use zeroclaw_plugins::runtime::{Plugin, call_execute, call_tool_metadata, create_plugin_with_egress};
use zeroclaw_plugins::{PluginCapability, PluginPermission};

use operator::Operator;

/// ZeroClaw's defaults, but for the time: the gateway's is shorter, and says more when it is up.
const LIMITS: PluginLimits = PluginLimits {
    call_fuel: 1_000_000_000,
    max_memory_bytes: 256 << 20,
    max_table_elements: 100_000,
    max_instances: 64,
    call_timeout: Duration::from_secs(120),
};

#[derive(Deserialize)]
struct Call {
    plugin: String,
    arguments: Option<Value>,
}

struct Agent {
    host: PluginHost,
    operator: Operator,
    /// Those that were called and did not trap.
    warm: HashMap<String, Plugin>,
}

impl Agent {
    /// Compiles and instantiates a plugin, with the rights that the operator gives.
    async fn load(&self, name: &str) -> Result<Plugin> {
        let plugins = self.host.tool_plugin_details();
        let mut plugins = plugins.into_iter().filter(|(manifest, _)| manifest.name == name);
        let (manifest, component) = plugins.next().with_context(|| format!("no plugin is named {name}"))?;
        let granted = [PluginPermission::ConfigRead, PluginPermission::SocketClient];
        let scope = PluginInstanceScope::for_package_binding(manifest, PluginCapability::Tool, granted)?;
        let services = self.operator.services(manifest.clone());
        create_plugin_with_egress(component, &scope, &services, LIMITS, Some(self.operator.egress())).await
    }

    async fn answer(&mut self, line: &str) -> Result<Value> {
        let call: Call = serde_json::from_str(line)?;
        let mut plugin = match self.warm.remove(&call.plugin) {
            Some(plugin) => plugin,
            None => self.load(&call.plugin).await?,
        };
        let answer = match call.arguments {
            Some(arguments) => {
                let result = call_execute(&mut plugin, arguments.to_string().as_bytes()).await?;
                let output = result.output.as_str();
                json!({ "success": result.success, "output": output, "error": result.error })
            }
            None => {
                let tool = call_tool_metadata(&mut plugin).await?;
                json!({
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters_schema,
                })
            }
        };
        self.warm.insert(call.plugin, plugin);
        Ok(answer)
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [plugins, configuration] = &arguments[..] else {
        anyhow::bail!("usage: agent PLUGINS-DIRECTORY CONFIGURATION");
    };
    let host = PluginHost::from_plugins_dir(Path::new(plugins))?;
    let operator = Operator::read(Path::new(configuration))?;
    let mut agent = Agent { host, operator, warm: HashMap::new() };
    for line in std::io::stdin().lock().lines() {
        let answer = agent.answer(&line?).await;
        let answer = answer.unwrap_or_else(|error| json!({ "failed": format!("{error:#}") }));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
