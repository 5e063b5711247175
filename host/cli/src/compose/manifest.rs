//! What ACT reads of a component before it runs it, in a section of the binary: its name, and the most that it may be
//! granted. What it is granted of that, says who runs it.

use anyhow::Context;
use serde_json::json;

/// The section's name. It holds CBOR.
const NAME: &str = "act:component";

/// Adds the section to a component.
pub fn add_to(component: &mut Vec<u8>) -> anyhow::Result<()> {
    // A rule of ACT's is covered by one for the same host alone, so networks would not do.
    let loopback = ["127.0.0.1", "::1"].map(|host| json!({ "host": host, "protocols": ["tcp"] }));
    let manifest = json!({
        "std": {
            "name": "pod-tools",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The tools with which an agent talks to its pods, from a gateway of pod-tools",
            "capabilities": {
                "wasi:sockets": {
                    "description": "the gateway, which decides what may be done to which pods",
                    "constraints": loopback,
                },
            },
        },
    });
    let manifest = cbor4ii::serde::to_vec(Vec::new(), &manifest).context("cannot write ACT's manifest")?;
    let mut section = Vec::new();
    prefixed(NAME.as_bytes(), &mut section)?;
    section.extend(manifest);
    // A custom section has the number 0.
    component.push(0);
    prefixed(&section, component)
}

/// Bytes behind their length in LEB128, as the binary format has it.
fn prefixed(bytes: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut length = u32::try_from(bytes.len())?;
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    out.extend(bytes);
    Ok(())
}
