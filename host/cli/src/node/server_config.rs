//! A complete configuration of a NATS server: each key may do what a node or a caller has to, and nothing else.
//!
//! The node's token of a subject is pinned to its key, and the caller's to his. Replies go to inboxes that only their caller
//! listens to, and a node may send there only in answer to a request.

use std::fmt::Write;

use anyhow::{Context, ensure};

use crate::afar::read_nodes;
use crate::grants_file::GrantsFile;
use crate::options::HostOptions;

/// The configuration for the callers of the grants file and the nodes of the file of nodes.
pub fn of(host: &HostOptions) -> anyhow::Result<String> {
    let grants = host.grants_file().context("callers are in no file; name one with --grants FILE")?;
    let file = GrantsFile::read(grants)?;
    let nodes = read_nodes(host.afar.nodes_file()?)?;
    let keys = file
        .callers
        .iter()
        .filter_map(|caller| Some((caller.name.value.as_str(), &caller.key.as_ref()?.value)));
    let callers: Vec<_> = keys.collect();
    ensure!(
        !callers.is_empty(),
        "{}: no [[caller]] has a `key`, so that nobody could call",
        grants.display()
    );
    let mut text = String::from(
        "# nats-server -c FILE\n\
         # Beyond this machine: listen: \"0.0.0.0:4222\", and a `tls` block.\n\
         listen: \"127.0.0.1:4222\"\n\
         authorization {\n  users = [\n",
    );
    for (node, key) in &nodes {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "    # node {node}\n    {{\n      nkey: {key}\n      permissions {{\n        \
             subscribe: [\"pods.v1.{node}.*.*\", \"pods.v1.{node}.claim\", \"$SRV.>\", \"_INBOX.{key}.>\"]\n        \
             publish: [\"pods.v1.{node}.claim\", \"pods.v1.{node}.event.>\"]\n        \
             allow_responses: {{ max: 1000000, expires: \"10m\" }}\n      }}\n    }}\n"
        );
    }
    for (name, key) in callers {
        ensure!(
            !nodes.values().any(|node| node == key),
            "the key of caller `{}` is that of a node: give each its own",
            name.escape_debug()
        );
        let _ = write!(
            text,
            "    # caller {}\n    {{\n      nkey: {key}\n      permissions {{\n        \
             publish: [\"pods.v1.*.{key}.*\", \"$SRV.PING\", \"$SRV.INFO\", \"$SRV.PING.pod-tools\", \"$SRV.INFO.pod-tools\"]\n        \
             subscribe: [\"_INBOX.{key}.>\", \"pods.v1.*.event.{key}.*\"]\n      }}\n    }}\n",
            name.escape_debug()
        );
    }
    text.push_str("  ]\n}\n");
    Ok(text)
}
