//! What a node is asked for beside the plugin's tools: words with a small letter, which no tool of the plugin's begins with.
//! Each is a call like any other: signed, held to the grants of the node's machine, and audited there.

use serde::{Deserialize, Serialize};

/// The whole conversation of a pod, as MCP's resources give it. Its input is a [`Named`], its answer's data an [`OfType`].
pub const TRANSCRIPT: &str = "transcript";
/// The events of a pod that tell its text as it comes: lines of JSON.
pub const FOLLOW: &str = "follow";
/// The log of a pod in the background.
pub const LOG: &str = "log";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct OfType {
    pub media_type: String,
}

/// The input of [`FOLLOW`] and [`LOG`]: more of a feed. The first pull begins it, each one says what has arrived.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    pub name: String,
    /// 32 hexadecimal digits that tell this feed from the caller's others.
    pub feed: String,
    /// The number of the first piece that is wanted: those before have arrived.
    pub from: u64,
    /// Of a log: whether to go on as more is written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub go_on: bool,
}

/// The data of an answer to a [`Pull`], whose content is the pieces, one behind the other.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pulled {
    /// The number of the piece that comes next.
    pub next: u64,
    /// Nothing comes behind these.
    pub over: bool,
    /// Whether the pod says, among its events, what its run has said so far.
    pub so_far: bool,
}
