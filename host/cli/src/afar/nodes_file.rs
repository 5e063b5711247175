//! The file of nodes (`--nodes FILE`): which machines there are, and the key by which each is known.
//!
//! ```toml
//! [[node]]
//! name = "build-1"
//! key = "U…"             # what `pod-tools node` says when it starts
//! ```

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use pod_tools_node::NodeName;
use pod_tools_node::identity::is_public_key;
use pod_tools_node::remote::Nodes;
use serde::Deserialize;

/// Some ten thousand nodes have this many bytes.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    node: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    key: String,
}

/// Reads it. It says whose answers are believed, so nobody but its owner may be able to write it.
pub fn read(path: &Path) -> anyhow::Result<Nodes> {
    let shown = path.display();
    let (file, exposure) = pod_tools_host::open_with_exposure(path)
        .with_context(|| format!("the file of nodes {shown} cannot be read"))?;
    if let Some(exposure) = exposure {
        bail!("the file of nodes {shown} is not believed: {exposure}");
    }
    let mut text = String::new();
    (&file)
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("the file of nodes {shown}"))?;
    ensure!(text.len() as u64 <= MAX_BYTES, "the file of nodes {shown} has more than {MAX_BYTES} bytes");
    parse(&text).with_context(|| format!("the file of nodes {shown}"))
}

fn parse(text: &str) -> anyhow::Result<Nodes> {
    let file: File =
        toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", error.message().escape_debug()))?;
    let mut nodes = Nodes::new();
    for Node { name, key } in file.node {
        let name: NodeName = name.parse()?;
        ensure!(
            is_public_key(&key),
            "the key of node `{name}` is no public key of a user (`U…`); the node says its own when it starts"
        );
        ensure!(
            !nodes.values().any(|other| *other == key),
            "the key of node `{name}` is that of another one above"
        );
        ensure!(!nodes.contains_key(&name), "node `{name}` stands there twice");
        nodes.insert(name, key);
    }
    ensure!(
        !nodes.is_empty(),
        "it names no node; write [[node]], and below it name = \"build-1\" and key = \"U…\""
    );
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use pod_tools_node::identity::Identity;

    use super::*;

    #[test]
    fn a_node_has_a_name_and_a_key_of_its_own() {
        let [one, two] = [(); 2].map(|()| Identity::new().public_key());
        let entry = |name: &str, key: &str| format!("[[node]]\nname = \"{name}\"\nkey = \"{key}\"\n");
        let good = parse(&(entry("build-1", &one) + &entry("build-2", &two))).unwrap();
        assert_eq!(good.len(), 2);
        for bad in [
            String::new(),
            entry("build.1", &one),
            entry("*", &one),
            entry("build 1", &one),
            entry("build-1", "UABC"),
            entry("build-1", &one) + &entry("build-1", &two),
            entry("build-1", &one) + &entry("build-2", &one),
            entry("build-1", &one) + "grants = []\n",
        ] {
            parse(&bad).unwrap_err();
        }
    }
}
