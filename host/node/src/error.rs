//! Why a node does not serve.

use crate::name::NodeName;

/// Why a node does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// There is one of that name.
    #[error(
        "there is a node `{name}` at this server already, with the key {key}; give this one another name"
    )]
    NameTaken {
        /// The name.
        name: NodeName,
        /// The other node's public key, by its own word.
        key: String,
    },
    /// The server refuses.
    #[error("NATS: {0}")]
    Server(String),
    /// No randomness.
    #[error("the system has no randomness to give")]
    NoRandomness,
}
