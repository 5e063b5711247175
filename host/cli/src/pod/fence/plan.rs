//! What the pod tells its supervisor of the fence that is to be laid, and what it is told of the one that was.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pod_tools_host::registry::{Enforcement, Fence};
use pod_tools_host::scope::LifeByte;
use serde::{Deserialize, Serialize};

/// How far a scope is to be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforce {
    /// Whole, or the pod does not start.
    Strict,
    /// As far as the machine can.
    BestEffort,
    /// Not at all.
    Off,
}

/// A word that is none of the three.
#[derive(Debug, thiserror::Error)]
#[error("it is `strict`, `best-effort` or `off`")]
pub struct NoEnforce;

impl FromStr for Enforce {
    type Err = NoEnforce;

    fn from_str(word: &str) -> Result<Enforce, NoEnforce> {
        match word {
            "strict" => Ok(Enforce::Strict),
            "best-effort" => Ok(Enforce::BestEffort),
            "off" => Ok(Enforce::Off),
            _ => Err(NoEnforce),
        }
    }
}

/// As it is written.
impl fmt::Display for Enforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Enforce::Strict => "strict",
            Enforce::BestEffort => "best-effort",
            Enforce::Off => "off",
        })
    }
}

/// The fence that is to be laid. All paths are absolute and without links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub enforce: Enforce,
    /// What may be read and run, with all below it.
    pub reads: Vec<PathBuf>,
    /// What may be changed, with all below it.
    pub writes: Vec<PathBuf>,
    /// What may be changed without what is below its children.
    pub flat: Vec<PathBuf>,
    /// What is not to be seen, wherever a rule reaches it.
    pub hidden: Vec<PathBuf>,
    /// The pod's own directory, of which the command has the socket.
    pub own: PathBuf,
    /// The command's file.
    pub program: PathBuf,
    /// Where the pod was started.
    pub directory: PathBuf,
    /// TCP ports that may be connected to.
    pub ports: Vec<u16>,
    /// The file of the locks of lives, and the byte in it that the command is to hold.
    pub life: Option<(PathBuf, LifeByte)>,
    /// Why there is to be no root directory of its own: it was tried.
    #[serde(default)]
    pub without_root: Option<String>,
}

/// The fence that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub enforce: Enforce,
    /// What it does not hold back on this machine, a sentence each; nothing, where it is strict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Held {
    /// No fence.
    pub const NONE: Held = Held { enforce: Enforce::Off, missing: Vec::new() };

    /// As it stands in the pod's record.
    pub fn recorded(&self) -> Fence {
        let enforce = match self.enforce {
            Enforce::Strict => Enforcement::Strict,
            Enforce::BestEffort => Enforcement::BestEffort,
            Enforce::Off => Enforcement::Off,
        };
        Fence { enforce, missing: self.missing.clone() }
    }
}

/// As the ready line says it.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.enforce, &*self.missing) {
            (Enforce::Off, _) => f.write_str("not fenced"),
            (_, []) => f.write_str("fenced"),
            (_, missing) => write!(f, "fenced in part: {}", missing.join("; ")),
        }
    }
}
