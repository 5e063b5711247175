//! The library in three lines: load the plugin, say what it may reach, call a tool.
//!
//! Start a pod, and read what is new from it:
//!
//! ```sh
//! pod-tools pod reviewer -- my-agent --print &
//! base=$XDG_RUNTIME_DIR/insomnia
//! cargo run --locked --example embed -- $base $base/pod-tools reviewer
//! ```
//!
//! The first directory is where the pods have their sockets, the second that of their spawner, with the registry and
//! the read cursors.

use std::error::Error;
use std::path::PathBuf;

use pod_tools_host::{Authority, PodTools};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base, spawner, pod] = &arguments[..] else {
        return Err("usage: embed BASE_DIR SPAWNER_DIR POD".into());
    };
    let base = PathBuf::from(base);

    // Compiled once, and kept in the user's cache. One for the whole life of the process: it serves calls at once.
    let tools = PodTools::bundled()?;

    // Nothing is allowed but what is named here: this registry, sockets in this directory, these verbs on this pod.
    let authority = Authority::builder()
        .runtime_dir(spawner)
        .allow_sockets(&base)
        .scope_lock(base.join("scope.lock"))
        .grant(format!("list,read:{pod}").parse()?)
        .build()?;

    // What fails has a kind, often a reason, and a message for a person or a model.
    let answer = tools.call(&authority, "ReadPodOutput", &json!({ "name": pod }).to_string()).await?;
    println!("{}", answer.output().summary);
    if let Some(content) = &answer.output().content {
        println!("{content}");
    }
    // The text has been given: only now does the read cursor move. Without this line it would come again.
    answer.delivered().await?;

    // The pod is not stopped, whatever the plugin's code does: that was not granted.
    if let Err(denied) = tools.call(&authority, "StopPod", &json!({ "name": pod }).to_string()).await {
        println!("{}: {denied}", denied.kind);
    }
    Ok(())
}
