//! What a pod has said, in its record, of the fence around its command. Nobody has checked it.

use serde::{Deserialize, Serialize};

/// The fence around a pod's command, by the pod's own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// How far the command was to be held to the scope.
    pub enforce: Enforcement,
    /// What is not held back, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// How far a scope was to be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// Whole, or the pod had not started.
    Strict,
    /// As far as the machine could.
    BestEffort,
    /// Not at all.
    Off,
}
