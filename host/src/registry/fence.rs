//! The fence around a pod's command, as the pod has said it in its record. Nobody has checked it.

use std::fmt;
use std::str::FromStr;

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

impl Fence {
    /// There is none.
    pub const NONE: Fence = Fence { enforce: Enforcement::Off, missing: Vec::new() };

    /// Whether all is held back.
    pub fn is_whole(&self) -> bool {
        self.enforce != Enforcement::Off && self.missing.is_empty()
    }
}

/// For people: `fenced`, `not fenced`, or `fenced in part`, with what is missing.
impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.enforce, &*self.missing) {
            (Enforcement::Off, _) => f.write_str("not fenced"),
            (_, []) => f.write_str("fenced"),
            (_, missing) => write!(f, "fenced in part: {}", missing.join("; ")),
        }
    }
}

/// How far a scope is to be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// Whole, or the pod does not start.
    Strict,
    /// As far as the machine can.
    BestEffort,
    /// Not at all.
    Off,
}

/// A word that is none of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is `strict`, `best-effort` or `off`")]
pub struct NoEnforcement;

impl FromStr for Enforcement {
    type Err = NoEnforcement;

    fn from_str(word: &str) -> Result<Enforcement, NoEnforcement> {
        match word {
            "strict" => Ok(Enforcement::Strict),
            "best-effort" => Ok(Enforcement::BestEffort),
            "off" => Ok(Enforcement::Off),
            _ => Err(NoEnforcement),
        }
    }
}

/// The word that is [read](Enforcement::from_str).
impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Enforcement::Strict => "strict",
            Enforcement::BestEffort => "best-effort",
            Enforcement::Off => "off",
        })
    }
}
