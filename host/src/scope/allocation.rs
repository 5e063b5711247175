//! One entry of the table.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::holder::Holder;
use super::rule::ScopeRule;

/// What one pod holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The pod's name. It may hold any character.
    pub pod_name: String,
    /// The process that holds it. Numbers that no process can have are kept: they are stale.
    #[serde(deserialize_with = "any_integer")]
    pub pid: i64,
    /// Where the pod listens. Not checked.
    pub socket: PathBuf,
    /// What it may touch, children's shares included.
    pub scope_allow: Vec<ScopeRule>,
    /// The pod that handed the scope on; `None` for one that a person started.
    pub delegated_from: Option<String>,
    /// What the process says of itself, so that others can tell whether it lives; `None` for pods of other makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// An integer of any size; beyond the range of an `i64` only the sign matters.
fn any_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(integer) = number.as_i64() {
        return Ok(integer);
    }
    match number.as_f64() {
        // The conversion saturates.
        Some(float) if number.is_u64() || float.abs() >= i64::MAX as f64 => Ok(float as i64),
        _ => Err(de::Error::custom("the process id is not an integer")),
    }
}
