//! How a composition is run in ZeroClaw: a plugin of one tool, which is granted its configuration and connections to this
//! machine.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::chosen::plugin_name;

/// `file` is the composition, as a shell reads it.
pub fn how_to_run(f: &mut fmt::Formatter<'_>, file: &str, tool: &str) -> fmt::Result {
    let name = plugin_name(tool);
    write!(
        f,
        "On the machine of the pods, for a host on that machine (it prints its address):

    pod-tools gateway --listen 127.0.0.1:8123 --token-file TOKEN-FILE --grants GRANTS-FILE --call-timeout 25s

The plugin is a directory with the composition and this manifest.toml in it. What the manifest asks for is not granted
by that:

    mkdir {name} && cp {file} {name}/plugin.wasm

    name = \"{name}\"
    version = \"{version}\"
    wasm_path = \"plugin.wasm\"
    capabilities = [\"tool\"]
    permissions = [\"config_read\", \"socket_client\"]

    [egress]
    hosts = [\"127.0.0.1\"]

    [config_schema]
    \"$schema\" = \"https://json-schema.org/draft/2020-12/schema\"
    type = \"object\"
    additionalProperties = false
    required = [\"gateway\", \"token\"]
    properties.gateway.type = \"string\"
    properties.token = {{ type = \"string\", \"x-secret\" = true }}

    zeroclaw plugin install {name}

What is granted stands in ZeroClaw's configuration, under the name that ZeroClaw has for the instance: this machine,
every port of it, since ZeroClaw grants hosts; no HTTP, no file:

    [[plugins.entries]]
    name = \"{instance}\"
    egress_hosts = [\"127.0.0.1\"]
    egress_allow_private = [\"127.0.0.1\"]
    config = {{ gateway = \"127.0.0.1:8123\", token = \"the text of TOKEN-FILE\" }}

Its limits for one call, `[plugins.limits]`, suffice as they are: 256 MB and 30 s, before which the gateway's time is up.
The other tools are plugins of their own: compose one for each that the agent is to have.",
        version = env!("CARGO_PKG_VERSION"),
        instance = instance(&name),
    )
}

/// ZeroClaw's name for the plugin as a tool, bound to no more than its own name.
fn instance(plugin: &str) -> String {
    format!("zpi1_{}", URL_SAFE_NO_PAD.encode(format!(r#"["{plugin}","tool","{plugin}"]"#)))
}
