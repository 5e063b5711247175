//! What the pod tells its supervisor of the fence that is to be laid, and what it is told of the one that was.

use std::path::PathBuf;

/// The fence that there is, and how far it was to be one: what the pod's record and its `status.json` say.
pub use pod_tools_host::registry::{Enforcement as Enforce, Fence as Held};
use pod_tools_host::scope::LifeByte;
use serde::{Deserialize, Serialize};

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
